"""Functions of dates and timestamps that are rewritten for Sail, so that its results equal Apache Spark's.

Sail 0.7.2 counts nanoseconds in some of them, which covers only the years 1677 to 2262, and rounds towards zero where
Spark rounds down. The forms here count microseconds, as Spark does; the session's time zone is UTC.
"""

from __future__ import annotations

from collections.abc import Sequence

_MICROS = {
    "microsecond": 1,
    "millisecond": 1000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 7 * 86_400_000_000,
}
# Names of units in DATE_TRUNC and TRUNC.
_UNITS = {
    **{name: name for name in (*_MICROS, "month", "quarter", "year")},
    **{"dd": "day", "mon": "month", "mm": "month", "yyyy": "year", "yy": "year"},
}
_FIRST_DAYS = {
    "week": "date_sub(CAST({value} AS DATE), (dayofweek({value}) + 5) % 7)",
    "month": "make_date(year({value}), month({value}), 1)",
    "quarter": "make_date(year({value}), (quarter({value}) - 1) * 3 + 1, 1)",
    "year": "make_date(year({value}), 1, 1)",
}
_TIMES = ("date", "timestamp")
_SHORT_INTERVALS = {f"interval {unit}" for unit in _MICROS if unit not in ("day", "week")}
_INSTANT = "unix_micros(CAST({0} AS TIMESTAMP))"


def rewrite_time(operation: str, types: Sequence[str], literals: Sequence[str | None]) -> str | None:
    """Return the form for Sail, where ``{0}`` is the first argument; None where Sail's own result is equal."""
    if not types:
        return None
    if len(types) == 1:
        return _OF_TIMESTAMP.get(operation) if types[0] == "timestamp" else None
    if operation == "date_trunc" and types[1] in _TIMES:
        return _truncated(literals[0], "{1}", as_date=False)
    if operation == "trunc" and types[0] in _TIMES:
        return _truncated(literals[1], "{0}", as_date=True)
    if operation in ("timestampdiff", "datediff", "date_diff"):
        return _difference(types)
    short = len(types) == 2 and types[0] == "date" and types[1] in _SHORT_INTERVALS
    return f"(CAST({{0}} AS TIMESTAMP) {operation} {{1}})" if short and operation in ("+", "-") else None


def _difference(types: Sequence[str]) -> str | None:
    if len(types) == 2:
        return "CAST(datediff(CAST({0} AS DATE), CAST({1} AS DATE)) AS INT)"
    if len(types) != 3 or types[0] not in _MICROS:
        return None
    first, second = (_INSTANT.replace("{0}", part) for part in ("{1}", "{2}"))
    return f"(({second} - {first}) div {_MICROS[types[0]]})"


def _floor(micros: int) -> str:
    return f"((unix_micros({{0}}) - pmod(unix_micros({{0}}), {micros})) div {micros})"


_OF_TIMESTAMP = {
    "unix_seconds": _floor(1_000_000),
    "unix_millis": _floor(1000),
    "dayname": "dayname(CAST({0} AS DATE))",
    "monthname": "monthname(CAST({0} AS DATE))",
}


def _truncated(unit: str | None, value: str, *, as_date: bool) -> str | None:
    """Return the start of the unit that contains a moment; for TRUNC as a date."""
    name = _UNITS.get((unit or "").strip("'").lower())
    if name is None:
        return None
    if name in _FIRST_DAYS:
        first = _FIRST_DAYS[name].replace("{value}", value)
        return first if as_date else f"CAST({first} AS TIMESTAMP)"
    if as_date:
        return None  # TRUNC supports no unit shorter than a week
    instant = _INSTANT.replace("{0}", value)
    return f"timestamp_micros({instant} - pmod({instant}, {_MICROS[name]}))"
