"""Measures that compare: the last day, a week before, the month, the month before, and the mean of seven days."""

from __future__ import annotations

from typing import Literal

from midnight.configuration.base import ConfigurationModel

Period = Literal["last_day", "week_before", "month", "month_before", "mean_of_7_days"]

# Conditions on the day of the date table, relative to the last day that the selection has rows of.
_CONDITIONS: dict[str, str] = {
    "last_day": "{day} = LastDay",
    "week_before": "{day} = LastDay - 7",
    "month": "{day} > EOMONTH(LastDay, -1) && {day} <= LastDay",
    # Of the month before as many days as of this one: a month that has just begun is not compared with a full one.
    "month_before": "{day} > EOMONTH(LastDay, -2) && {day} <= EDATE(LastDay, -1)",
    "mean_of_7_days": "{day} > LastDay - 7 && {day} <= LastDay",
}


class Comparison(ConfigurationModel):
    """Another measure in a period before the last selected day.

    Args:
        measure: the other measure.
        day: column of this measure's table with the day of each row; its largest value is the last day.
        period: ``last_day`` and ``week_before`` (the same weekday) are single days; ``month`` is the last day's month
            up to that day, and ``month_before`` as many days of the one before; ``mean_of_7_days`` is the mean per day
            of a number, and for a share or a mean its value over the seven days.
    """

    measure: str
    day: str
    period: Period


def comparison_dax(comparison: Comparison, last_day: str, calendar: str, day: str, adds_up: bool) -> str:
    """The DAX of a comparison; blank where the selection has no rows.

    Args:
        comparison: of the measure.
        last_day: column with the day of each row, quoted.
        calendar: the date table, quoted.
        day: its column with the day, quoted.
        adds_up: the other measure counts or adds up, so that its mean per day is another number than its total.
    """
    value = f"[{comparison.measure}]"
    if comparison.period == "mean_of_7_days" and adds_up:
        value = f"AVERAGEX(VALUES({day}), {value})"
    condition = _CONDITIONS[comparison.period].format(day=day)
    return (
        f"VAR LastDay = MAX({last_day}) "
        f"RETURN IF(NOT(ISBLANK(LastDay)), CALCULATE({value}, ALL({calendar}), {condition}))"
    )


def change_dax(now: str, before: str) -> str:
    """The DAX of the difference of two measures; blank where one of them is."""
    return f"IF(NOT(ISBLANK([{now}])) && NOT(ISBLANK([{before}])), [{now}] - [{before}])"
