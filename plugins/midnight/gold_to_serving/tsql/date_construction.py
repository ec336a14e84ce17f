"""Dates and times from numbers, and the current time. Source: the pages of DATEFROMPARTS, GETDATE and similar ones."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.construct import FunctionCall
from midnight.gold_to_serving.tsql.conversion import NOW
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import DATE, DATETIME, SqlType, datetime2


def datefromparts(f: FunctionCall) -> Typed:
    parts = ", ".join(f"CAST({f.whole(i)} AS BIGINT)" for i in range(3))
    return Typed(f"tsql.valid_date(make_date({parts}))", DATE)


def moment_from_parts(f: FunctionCall) -> Typed:
    named = f.node.name == "DATETIME2FROMPARTS"
    numbers = [f.whole(i) for i in range(6)]
    fraction, scale = f.value(6), f.value(7).integer if named else 3
    if fraction.integer is None or scale is None or not 0 <= fraction.integer < 10**scale:
        raise f.refused(f"{f.node.name}: fraction and precision must be constants", "write 0, 0")
    if fraction.integer * 10 ** max(7 - scale, 0) % 10:
        raise f.refused(f"{f.node.name}: DuckDB has only microseconds", "write at most 6 digits")
    seconds = f"({numbers[5]} + CAST('{fraction.integer / 10**scale:.6f}' AS DOUBLE))"
    whole = ", ".join(f"CAST({number} AS BIGINT)" for number in numbers[:5])
    limits = f"error('{f.node.name}: some of the arguments have values which are not valid.')"
    sql = (
        f"CASE WHEN {numbers[3]} NOT BETWEEN 0 AND 23 OR greatest({numbers[4]}, {numbers[5]}) > 59 "
        f"OR least({numbers[4]}, {numbers[5]}) < 0 THEN {limits} "
        f"ELSE tsql.valid_date(make_timestamp({whole}, {seconds})) END"
    )
    return Typed(sql, datetime2(scale)) if named else Typed(f"tsql.datetime_of({sql})", DATETIME)


def timefromparts(f: FunctionCall) -> Typed:
    if f.value(3).integer != 0:
        raise f.refused("TIMEFROMPARTS: the fraction must be 0", "write TIMEFROMPARTS(h, m, s, 0, 0)")
    hour, minute, second = (f"CAST({f.whole(i)} AS BIGINT)" for i in range(3))
    sql = f"make_time(tsql.hour_of({hour}), {minute}, CAST({second} AS DOUBLE))"
    return Typed(sql, SqlType("time", scale=f.value(4).integer or 0))


def now(f: FunctionCall) -> Typed:
    if f.node.name in ("SYSDATETIME", "SYSUTCDATETIME"):
        return Typed("tsql.now()", datetime2(7))
    return Typed(NOW, DATETIME)
