"""The mean of the last days at each day of a chart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any

from midnight.report.definition import Chart


def mean_column(name: str, days: int) -> str:
    """The name of the column with the means: ``on_time_mean_of_7_days``."""
    return f"{name}_mean_of_{days}_days"


def mean_columns(chart: Chart, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[float | None]]:
    """The means of each y column of a chart with ``mean_days``, by name.

    A mean is weighted by ``weight``, leaves out days with NULL, and begins when the chart has so many days.

    Raises:
        ValueError: x is not a date, or a value is not a number.
    """
    if chart.mean_days is None:
        return {}
    days = [_day(value, chart.x) for value in columns[chart.x]]
    weights = [1] * len(days) if chart.weight is None else columns[chart.weight]
    found = {}
    for name in chart.y:
        try:
            weighted = [
                (day, float(value) * float(weight), float(weight))
                for day, value, weight in zip(days, columns[name], weights, strict=True)
                if value is not None and weight is not None
            ]
        except (TypeError, ValueError) as error:
            raise ValueError(f"mean_days: {name!r} or its weight is not a number: {error}") from error
        found[mean_column(name, chart.mean_days)] = _means(days, sorted(weighted), chart.mean_days)
    return found


def _means(days: Sequence[date], weighted: Sequence[tuple[date, float, float]], count: int) -> list[float | None]:
    if not weighted:
        return [None] * len(days)
    known = [day for day, _, _ in weighted]
    values = [0.0, *accumulate(value for _, value, _ in weighted)]
    weights = [0.0, *accumulate(weight for _, _, weight in weighted)]
    first = min(days)

    def mean(day: date) -> float | None:
        begin = day - timedelta(days=count - 1)
        low, high = bisect_left(known, begin), bisect_left(known, day + timedelta(days=1))
        weight = weights[high] - weights[low]
        return (values[high] - values[low]) / weight if begin >= first and weight > 0 else None

    return [mean(day) for day in days]


def _day(value: Any, column: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if not isinstance(value, date):
        raise ValueError(f"mean_days: {value!r} in the column {column!r} is not a date; hint: cast it to DATE")
    return value
