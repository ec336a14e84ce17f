"""What figures are expected to be, learnt from the runs before.

A figure is unexpected only if nothing in its history explains it: neither the usual value of its weekday with its trend
and scatter, nor a small step from the last run, nor an earlier run that was as unusual (bursts, holidays, month-ends),
nor a new level that the last three runs share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from midnight.expectations.history import LEAST_NULL_PERCENT, Figures
from midnight.expectations.robust import day_medians, median, quantile, scale, slope

if TYPE_CHECKING:
    import numpy as np

LEAST_RUNS = 14  # with fewer values nothing is expected: each weekday must have been seen twice
LEAST_FOR_BURSTS = 28
LEAST_PER_WEEKDAY = 3
DEVIATIONS = 4.5  # one normal value of 150,000 is further away
SEASONAL_GAIN = 0.5  # weekdays count if they take away half of the scatter
BURST = 0.7  # in logarithms: a burst may be twice as large as the one before it
OFTEN_ZERO = 0.2


class Kind(NamedTuple):
    """How a figure behaves.

    Args:
        share: percentages are compared as they are, other figures by their ratio.
        level: the figure goes on from its last value, so that a new level is unexpected only once.
        absolute: a smaller difference is never unexpected, in the figure's unit.
        relative: nor is one below this share of the expected value.
        of_size: nor one below this share of the table's rows, if the figure is 0 in a fifth of the runs.
        of_batch: it grows with the rows of the batch, whose own figures show that there are more of them.
        precedents: runs that must have been as unusual, so that the value is not.
        directions: 1 if only a rise is unexpected, -1 if only a drop, 0 both.
    """

    share: bool = False
    level: bool = False
    absolute: float = 0
    relative: float = 0
    of_size: float = 0
    of_batch: bool = False
    precedents: int = 2
    directions: int = 0


KINDS = {
    "rows": Kind(level=True, absolute=5, relative=0.03),
    "inserted": Kind(absolute=20, relative=0.3, of_size=0.02, precedents=1),
    "updated": Kind(absolute=20, relative=0.3, of_size=0.02, precedents=1),
    "deleted": Kind(absolute=20, relative=0.3, of_size=0.02, precedents=1, directions=1),
    "quarantined_percent": Kind(share=True, level=True, absolute=0.1, relative=0.3, directions=1),
    "warnings_percent": Kind(share=True, level=True, absolute=0.5, relative=0.3, directions=1),
    "null_percent": Kind(share=True, level=True, absolute=LEAST_NULL_PERCENT, relative=0.2),
    "distinct_values": Kind(absolute=2, relative=0.25),
    "seconds": Kind(of_batch=True, absolute=60, relative=1.0, precedents=1, directions=1),
    "bytes": Kind(of_batch=True, absolute=200_000, relative=0.5, precedents=1),
}


@dataclass(frozen=True)
class Expected:
    """Of each series: the range of expected values, whether the value is outside, and from how many runs it is known.

    ``low`` and ``high`` are NaN where too few runs are known.
    """

    low: np.ndarray
    high: np.ndarray
    unexpected: np.ndarray
    runs: np.ndarray


def learn(figures: Figures) -> Expected:
    """The expected range of each figure."""
    import numpy as np

    count = len(figures.series)
    low, high = np.full(count, np.nan), np.full(count, np.nan)
    unexpected, runs = np.zeros(count, dtype=bool), np.zeros(count, dtype=int)
    names = np.array([each.figure for each in figures.series], dtype=object)
    for name, kind in KINDS.items():
        chosen = np.flatnonzero(names == name)
        if len(chosen):
            found = _learn_kind(figures, chosen, kind)
            low[chosen], high[chosen], unexpected[chosen], runs[chosen] = (
                found.low,
                found.high,
                found.unexpected,
                found.runs,
            )
    return Expected(low, high, unexpected, runs)


def _learn_kind(figures: Figures, chosen: np.ndarray, kind: Kind) -> Expected:
    import numpy as np

    before, value, size = figures.before[chosen], figures.value[chosen], figures.size[chosen]
    if kind.of_batch:
        value = value / np.fmax(1, size / figures.usual_size[chosen])
    scaled, now = (before, value) if kind.share else (np.log1p(before), np.log1p(value))
    runs = (~np.isnan(before)).sum(axis=1)
    trend = np.zeros(len(chosen)) if kind.share else slope(scaled, figures.days)
    level = scaled - trend[:, None] * figures.days
    weekdays = np.array([date.weekday() for date in figures.dates], dtype=int)
    center, spread, residuals, weight = _usual(level, weekdays, figures.date.weekday())
    strength = DEVIATIONS * (1 + 3 / np.maximum(runs, 1))
    rarely = quantile(before, OFTEN_ZERO) == 0
    floor_low, floor_high = _floors(kind, center, np.where(rarely, size, 0) if kind.of_size else size, strength)
    noise = strength * spread * weight
    down, up = np.fmax(noise, floor_low), np.fmax(noise, floor_high)
    distance = now - center
    outside = np.where(distance > 0, distance > up, -distance > down) & (runs >= LEAST_RUNS)
    allowed = np.where(distance > 0, up, down)
    positions = [month_end_position(date) for date in figures.dates]
    position = month_end_position(figures.date)
    same_zero = (before == 0) == (value == 0)[:, None]  # a holiday does not explain half a batch
    alike = _reaches(residuals, distance, allowed, kind) & same_zero
    ordinary = np.array([position is not None or each is None for each in positions], dtype=bool)
    explained = alike[:, ordinary].sum(axis=1) >= kind.precedents
    if position is not None:
        same = np.array([each == position for each in positions], dtype=bool)
        explained |= alike[:, same].any(axis=1)
        if not kind.level:  # what comes at the end of a month is not known before the first one
            explained |= (~np.isnan(before[:, same])).sum(axis=1) == 0
    if kind.level:
        explained |= _is_small_step(scaled, trend, figures.days, now, allowed)
    else:
        explained |= _is_new_level(residuals, distance, up, down, allowed)
    if kind.directions:
        outside &= np.sign(distance) == kind.directions
    lost = _has_lost_a_value(figures, chosen, value) | _is_empty(figures, chosen, value)
    if kind.precedents == 1:
        outside &= (distance < 0) | (runs >= LEAST_FOR_BURSTS)
    low, high = center - down, center + up
    if not kind.share:
        low, high = np.expm1(low), np.expm1(high)
    if kind.of_batch:
        high = high * np.fmax(1, size / figures.usual_size[chosen])
    known = runs >= LEAST_RUNS
    return Expected(
        np.where(known, np.fmax(0, low), np.nan),
        np.where(known, high, np.nan),
        ((outside & ~explained) | lost) & known,
        runs,
    )


def _usual(
    level: np.ndarray, weekdays: np.ndarray, weekday: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The expected value, the scatter, the residuals of the runs before, and by how much few values widen the range."""
    import numpy as np

    flat = median(level)
    flat_residuals = level - flat[:, None]
    days = day_medians(level, weekdays, LEAST_PER_WEEKDAY)
    day_residuals = level - np.where(np.isnan(days), flat[:, None], days)
    same_day = level[:, weekdays == weekday]
    of_day = (~np.isnan(same_day)).sum(axis=1)
    # The percentile, not the median: a weekend is two days of seven, of which a median shows nothing.
    gains = quantile(np.abs(day_residuals), 0.9) < SEASONAL_GAIN * quantile(np.abs(flat_residuals), 0.9)
    seasonal = gains & (of_day >= LEAST_PER_WEEKDAY)
    center = np.where(seasonal, median(same_day), flat)
    residuals = np.where(seasonal[:, None], day_residuals, flat_residuals)
    count = np.where(seasonal, of_day, (~np.isnan(level)).sum(axis=1))
    return center, scale(residuals), residuals, np.sqrt(1 + 1.57 / np.maximum(count, 1))


def _floors(kind: Kind, center: np.ndarray, size: np.ndarray, strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least difference that counts, downwards and upwards, on the scale of ``center``."""
    import numpy as np

    rows = np.fmax(np.nan_to_num(size, nan=1.0), 1.0)
    if kind.share:
        share = np.clip(center / 100, 0, 1)
        chance = 100 * (strength * np.sqrt(share * (1 - share) / rows) + strength / rows)
        least = np.fmax(np.fmax(kind.absolute, kind.relative * center), chance)
        return least, least
    expected = np.fmax(np.expm1(center), 0)
    least = np.fmax(kind.absolute, np.fmax(kind.relative * expected, kind.of_size * rows))
    if kind.precedents == 1 and kind.of_size:  # rows that come by chance
        least = np.fmax(least, strength * np.sqrt(expected + 1))
    return center - np.log1p(np.fmax(expected - least, 0)), np.log1p(expected + least) - center


def _reaches(residuals: np.ndarray, distance: np.ndarray, allowed: np.ndarray, kind: Kind) -> np.ndarray:
    """S x N: whether an earlier run was about as far away, in the same direction; one without a figure was not."""
    import numpy as np

    away = np.abs(distance)
    slack = np.fmax(allowed / 2, BURST) if kind.precedents == 1 else allowed / 2
    least = np.fmax(np.fmax(away - slack, 0.6 * away), 0.9 * allowed)
    return np.asarray(np.sign(distance)[:, None] * residuals >= least[:, None])


def month_end_position(date: datetime) -> int | None:
    """1 for the first day of a month, -1 for the last; None for other days."""
    if date.day == 1:
        return 1
    return -1 if (date + timedelta(days=1)).day == 1 else None


def _is_small_step(
    scaled: np.ndarray, trend: np.ndarray, days: np.ndarray, now: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Whether a level is where the last run and the trend let expect it."""
    import numpy as np

    last, last_day = np.full(len(scaled), np.nan), np.full(len(scaled), 0.0)
    for index in range(scaled.shape[1]):
        has = ~np.isnan(scaled[:, index])
        last[has], last_day[has] = scaled[has, index], days[index]
    return np.asarray(np.abs(now - (last - trend * last_day)) <= allowed)


def _is_new_level(
    residuals: np.ndarray, distance: np.ndarray, up: np.ndarray, down: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Whether the last three runs were outside as well, and near this value."""
    import numpy as np

    last = residuals[:, -3:]
    if last.shape[1] < 3:
        return np.zeros(len(distance), dtype=bool)
    above, below = (last > up[:, None]).all(axis=1), (last < -down[:, None]).all(axis=1)
    same_side = np.where(distance > 0, above, below)
    return np.asarray(same_side & (np.abs(distance - median(last)) <= allowed))


def _has_lost_a_value(figures: Figures, chosen: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether a category is missing that every run had: in a column with the same number of values in each run."""
    import numpy as np

    if figures.series[chosen[0]].figure != "distinct_values":
        return np.zeros(len(chosen), dtype=bool)
    least = quantile(figures.before[chosen], 0.02)
    return np.asarray((least == quantile(figures.before[chosen], 1.0)) & (value < least - 0.5))


def _is_empty(figures: Figures, chosen: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether a table has lost all rows that it always had."""
    import numpy as np

    if figures.series[chosen[0]].figure != "rows":
        return np.zeros(len(chosen), dtype=bool)
    return np.asarray((value == 0) & (quantile(figures.before[chosen], 0.02) > 0))
