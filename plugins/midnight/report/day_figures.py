"""Figures over days: the newest days, and the days with which they are compared, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from markupsafe import Markup

from midnight.report.definition import Figure
from midnight.report.svg import sparkline
from midnight.report.templates import format_number

_SHOWN_DAYS = 30


@dataclass(frozen=True)
class LargeNumber:
    """A figure, formatted for display.

    Args:
        title: above the number.
        text: the number; a dash without one.
        note: its unit or meaning.
        period: the days that it is about; empty for a figure without days.
        change: the change in words, or why there is none.
        direction: whether the change is good.
        line: of the last days.
    """

    title: str
    text: str
    note: str
    period: str = ""
    change: str = ""
    direction: Literal["good", "bad", ""] = ""
    line: str = ""


@dataclass(frozen=True)
class _Day:
    """The value of one day, and what it is divided by (1 without ``per``)."""

    value: float
    per: float


@dataclass(frozen=True)
class _Period:
    """Some days in words, and the figure of them; without a value the reason."""

    days: str
    value: float | None
    reason: str = ""


def day_figure(figure: Figure, rows: Sequence[Mapping[str, object]]) -> LargeNumber:
    """The figure of the rows of its query.

    Args:
        figure: with ``day`` and ``value``.
        rows: by column; several rows of one day are added up, rows with NULL are left out.

    Raises:
        ValueError: a day is not a date, or a value is not a number.
    """
    days, last = _days(figure, rows)
    if last is None:
        return LargeNumber(figure.title, "—", figure.note, change="no rows yet")
    newest = _period(figure, days, last, with_year=True)
    shown = LargeNumber(figure.title, "—", figure.note, newest.days, change=newest.reason, line=_line(figure, days))
    if newest.value is None:
        return shown
    change, direction = _change(figure, newest.value, days, last)
    return replace(shown, text=format_number(newest.value, figure.format), change=change, direction=direction)


def _days(figure: Figure, rows: Sequence[Mapping[str, object]]) -> tuple[dict[date, _Day], date | None]:
    """The days with a value, and the last day of all rows."""
    found: dict[date, _Day] = {}
    last: date | None = None
    for row in rows:
        day = row[str(figure.day)]
        if day is None:
            continue
        if isinstance(day, datetime):
            day = day.date()
        if not isinstance(day, date):
            raise ValueError(f"{day!r} in the column {figure.day!r} is not a date; hint: cast it to DATE")
        last = day if last is None else max(last, day)
        value = _number(row[str(figure.value)], figure.value)
        per = 1.0 if figure.per is None else _number(row[figure.per], figure.per)
        if value is not None and per is not None:
            known = found.get(day, _Day(0.0, 0.0))
            found[day] = _Day(known.value + value, known.per + per if figure.per else 1.0)
    return found, last


def _number(value: object, column: str | None) -> float | None:
    """None for NULL, and for what is not a finite number."""
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} in the column {column!r} is not a number") from error
    return number if math.isfinite(number) else None


def _period(figure: Figure, days: Mapping[date, _Day], last: date, *, with_year: bool) -> _Period:
    """The figure of the days up to ``last``."""
    wanted = [last - timedelta(days=number) for number in range(figure.days)]
    found = [days[day] for day in wanted if day in days]
    words = f"{last:%a} {last.day} {last:%b}{f' {last.year}' if with_year else ''}"
    if figure.days > 1:
        count = f"{figure.days} days" if len(found) == figure.days else f"{len(found)} of {figure.days} days"
        words = f"{count} to {words}"
    if not found:
        return _Period(words, None, f"no value for {words}")
    per = sum(day.per for day in found)
    if not per:
        return _Period(words, None, f"{str(figure.per).replace('_', ' ')} is 0 for {words}")
    return _Period(words, sum(day.value for day in found) / per)


def _line(figure: Figure, days: Mapping[date, _Day]) -> Markup:
    """The last days, each for itself."""
    values = [days[day].value / days[day].per for day in sorted(days)[-_SHOWN_DAYS:] if days[day].per]
    return sparkline(values, figure.title, of="days", width=96, height=24)


def _change(
    figure: Figure, now: float, days: Mapping[date, _Day], last: date
) -> tuple[str, Literal["good", "bad", ""]]:
    """The change since the days of comparison in words, and whether it is good."""
    earlier = last - timedelta(days=figure.compare_days)
    before = _period(figure, days, earlier, with_year=earlier.year != last.year)
    if min(days) > earlier:
        return f"nothing to compare: {before.days} is before the first day", ""
    if before.value is None:
        return f"nothing to compare: {before.reason}", ""
    if format_number(now, figure.format) == format_number(before.value, figure.format):
        return f"= same as {before.days}", ""
    # Of the digits that are shown, so that a reader can check it.
    digits, factor = {"integer": (0, 1), "decimal": (1, 1), "percent": (1, 100)}[figure.format]
    difference = round(factor * now, digits) - round(factor * before.value, digits)
    text = f"{abs(difference):,.{digits}f}{' points' if figure.format == 'percent' else ''}"
    if figure.format != "percent" and before.value > 0 and now >= 0:  # of zero, or of less, it says nothing
        text += f" ({now / before.value - 1:+.1%})"
    words = f"{'▲' if difference > 0 else '▼'} {text} vs {before.days}"
    if figure.better is None:
        return words, ""
    return words, "good" if (figure.better == "more") == (difference > 0) else "bad"
