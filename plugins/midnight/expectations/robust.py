"""Robust statistics of many series at once: each row of a matrix is a series, NaN is a missing value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_OF_NORMAL = 1.4826  # standard deviation of a normal distribution per median absolute deviation
_Q90_OF_NORMAL = 1.645  # 90th percentile of its absolute values


def quantile(values: np.ndarray, share: float) -> np.ndarray:
    """The quantile of each row, without interpolation; NaN for a row without values.

    ``np.nanquantile`` takes 50 times as long.
    """
    import numpy as np

    if values.shape[1] == 0:
        return np.full(values.shape[0], np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(values)).sum(axis=1)
    index = np.clip(np.ceil(share * count).astype(int) - 1, 0, values.shape[1] - 1)
    return np.asarray(ordered[np.arange(len(ordered)), index])


def median(values: np.ndarray) -> np.ndarray:
    """The median of each row; NaN for a row without values."""
    import numpy as np

    if values.shape[1] == 0:
        return np.full(values.shape[0], np.nan)
    ordered = np.sort(values, axis=1)
    count = (~np.isnan(values)).sum(axis=1)
    rows = np.arange(len(ordered))
    low = ordered[rows, np.clip((count - 1) // 2, 0, None)]
    return np.asarray((low + ordered[rows, np.clip(count // 2, 0, values.shape[1] - 1)]) / 2)


def scale(residuals: np.ndarray) -> np.ndarray:
    """The standard deviation of each row, from its median absolute deviation and its 90th percentile.

    The percentile counts the values of a series that is mostly constant, such as one with many zeros.
    """
    import numpy as np

    absolute = np.abs(residuals)
    return np.fmax(_OF_NORMAL * median(absolute), quantile(absolute, 0.9) / _Q90_OF_NORMAL)


def slope(values: np.ndarray, days: np.ndarray) -> np.ndarray:
    """The trend of each row per day: the median of its changes over a week; 0 where it could be chance.

    Args:
        values: S x N.
        days: N, in ascending order. Without seven pairs of runs that are a week apart, neighbours are compared.
    """
    import numpy as np

    gap = days[None, :] - days[:, None]
    first, second = np.nonzero(gap == 7)
    if len(first) < 7:
        first, second = np.arange(len(days) - 1), np.arange(1, len(days))
        wanted = gap[first, second] > 0
        first, second = first[wanted], second[wanted]
    if not len(first):
        return np.zeros(len(values))
    change = (values[:, second] - values[:, first]) / gap[first, second]
    trend = median(change)
    count = np.maximum(1, (~np.isnan(change)).sum(axis=1))
    error = 1.25 * scale(change - trend[:, None]) / np.sqrt(count)
    return np.where(np.abs(trend) > 3 * error, np.nan_to_num(trend), 0.0)


def day_medians(values: np.ndarray, weekdays: np.ndarray, least: int) -> np.ndarray:
    """For each value the median of its row on the same weekday; NaN if there are fewer than ``least``."""
    import numpy as np

    result = np.full_like(values, np.nan)
    for day in range(7):
        chosen = weekdays == day
        part = values[:, chosen]
        if part.shape[1] >= least:
            enough = (~np.isnan(part)).sum(axis=1) >= least
            result[:, chosen] = np.where(enough, median(part), np.nan)[:, None]
    return result
