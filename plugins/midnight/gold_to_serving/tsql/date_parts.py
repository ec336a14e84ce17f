"""Names of date parts, and the arguments of functions that use them. Source: "DATEPART (Transact-SQL)"."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.construct import FunctionCall
from midnight.gold_to_serving.tsql.conversions import as_moment
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import TIMESTAMPS, datetime2

# date part -> its names
_PARTS = {
    "year": ("year", "yy", "yyyy"),
    "quarter": ("quarter", "qq", "q"),
    "month": ("month", "mm", "m"),
    "dayofyear": ("dayofyear", "dy", "y"),
    "day": ("day", "dd", "d"),
    "week": ("week", "wk", "ww"),
    "weekday": ("weekday", "dw", "w"),
    "iso_week": ("iso_week", "isowk", "isoww"),
    "hour": ("hour", "hh"),
    "minute": ("minute", "mi", "n"),
    "second": ("second", "ss", "s"),
    "millisecond": ("millisecond", "ms"),
    "microsecond": ("microsecond", "mcs"),
    "nanosecond": ("nanosecond", "ns"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
_TIME_PARTS = ("hour", "minute", "second", "millisecond", "microsecond", "nanosecond")


def date_part(f: FunctionCall) -> str:
    """Return the date part that the first argument names.

    Raises:
        RefusedError: it is not a supported date part.
    """
    word = f.word(0, "the date part")
    if word not in _PART_OF:
        raise f.refused(
            f"{f.node.name}: {word!r} is not a date part that is supported", f"use one of {', '.join(_PARTS)}"
        )
    return _PART_OF[word]


def moment_argument(f: FunctionCall, index: int) -> Typed:
    """Return an argument as a date or time.

    Raises:
        RefusedError: it has another type.
    """
    value = as_moment(f.value(index), f.node.line)
    if value.is_null:
        return Typed("CAST(NULL AS TIMESTAMP)", datetime2(7))
    if value.type.kind not in ("date", "time", *TIMESTAMPS):
        raise f.refused(f"{f.node.name} of {value.type} is not supported", "CAST it to date or datetime2")
    return value


def check_part(f: FunctionCall, part: str, value: Typed) -> None:
    """Check that a value has a date part.

    Raises:
        RefusedError: a date has no time parts, and a time has no date parts.
    """
    if value.type.kind == "date" and part in _TIME_PARTS:
        raise f.refused(f"{f.node.name}({part}) of a date is an error in T-SQL", "CAST the date to datetime2 first")
    if value.type.kind == "time" and part not in _TIME_PARTS:
        raise f.refused(f"{f.node.name}({part}) of a time is an error in T-SQL", "CAST the time to datetime first")
