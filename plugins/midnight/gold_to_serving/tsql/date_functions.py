"""Functions of dates and times. Source: "Date and time data types and functions" and their pages.

DATEPART(week) and (weekday) depend on SET DATEFIRST of the session and are refused.
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql import date_construction as construction
from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall, Translate
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.date_parts import check_part, date_part, moment_argument
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import BIGINT, DATE, DATETIME, INT, nvarchar

_STEPS = {
    "year": "to_years({})",
    "quarter": "to_months(3 * {})",
    "month": "to_months({})",
    "week": "to_weeks({})",
    "hour": "to_hours({})",
    "minute": "to_minutes({})",
    "second": "to_seconds({})",
    "millisecond": "to_milliseconds({})",
    "microsecond": "to_microseconds({})",
} | dict.fromkeys(("day", "dayofyear", "weekday"), "to_days({})")
_NO_DATEFIRST = "depends on SET DATEFIRST of the reader's session"
_DAY_HINT = "write DATENAME(weekday, x), DATEPART(iso_week, x), or DATEDIFF(day, '1900-01-01', x) % 7 (0 is Monday)"


def _dateadd(f: FunctionCall) -> Typed:
    part, given = date_part(f), f.value(2)
    if part not in _STEPS:
        raise f.refused(f"DATEADD({part}) is not supported", "use days, months, or smaller parts down to microsecond")
    # A text constant is read as datetime here, not as datetime2.
    value = convert(given, DATETIME, f.node.line) if given.type.is_text else moment_argument(f, 2)
    if given.type.is_text and given.text is None:
        raise f.refused("DATEADD of a text column returns datetime", "CAST the text to date or datetime2")
    check_part(f, part, value)
    step = _STEPS[part].format(f.whole(1) if f.value(1).integer is None else f"({f.value(1).integer})")
    type_ = value.type
    if type_.kind == "time":
        return Typed(f"({value.sql} + {step})", type_)
    moved = f"tsql.valid_date({value.sql} + {step})"
    if type_.kind == "date":
        return Typed(f"CAST({moved} AS DATE)", type_)
    if type_.kind == "datetime":  # in steps of 1/300 second, from 1753 on
        return Typed(f"tsql.datetime_of({moved})", type_)
    if type_.kind == "datetime2" and part in ("millisecond", "microsecond") and type_.scale < 6:
        raise f.refused(f"DATEADD({part}) of {type_} is not proved", "CAST it to datetime2(6) or datetime2(7)")
    return Typed(moved, type_)


def _datediff(f: FunctionCall) -> Typed:
    part = date_part(f)
    start, end = (_as_timestamp(moment_argument(f, index)) for index in (1, 2))
    type_ = BIGINT if f.node.name.endswith("_BIG") else INT
    if part in ("iso_week", "nanosecond"):
        raise f.refused(f"{f.node.name}({part}) is not supported", "use week or microsecond")
    if part == "week":  # from Saturday to Sunday for every DATEFIRST
        return Typed(f"CAST(tsql.week_index({end}) - tsql.week_index({start}) AS {type_.duckdb})", type_)
    unit = "day" if part in ("dayofyear", "weekday") else part
    return Typed(f"CAST(date_diff('{unit}', {start}, {end}) AS {type_.duckdb})", type_)


def _as_timestamp(value: Typed) -> str:
    return f"(DATE '1900-01-01' + {value.sql})" if value.type.kind == "time" else f"CAST({value.sql} AS TIMESTAMP)"


def _datepart(f: FunctionCall) -> Typed:
    part, value = date_part(f), moment_argument(f, 1)
    if part in ("week", "weekday"):
        raise f.refused(f"DATEPART({part}) {_NO_DATEFIRST}", _DAY_HINT)
    return Typed(_extracted(f, part, value), INT)


def _extracted(f: FunctionCall, part: str, value: Typed) -> str:
    check_part(f, part, value)
    fraction = {"millisecond": "// 1000", "microsecond": "", "nanosecond": "* 1000"}
    if part in fraction:
        if value.type.kind == "datetime" and part != "millisecond":
            raise f.refused(f"DATEPART({part}) of datetime is in steps of 1/300 second", "use datetime2")
        return f"CAST((microsecond({value.sql}) % 1000000) {fraction[part]} AS INTEGER)"
    function = {"iso_week": "week", "dayofyear": "dayofyear"}.get(part, part)
    return f"CAST({function}({value.sql}) AS INTEGER)"


def _datename(f: FunctionCall) -> Typed:
    part, value = date_part(f), moment_argument(f, 1)
    type_ = nvarchar(30)
    if part in ("month", "weekday"):
        if value.type.kind == "time":
            check_part(f, part, value)
        return Typed(f"strftime({value.sql}, '{'%B' if part == 'month' else '%A'}')", type_)
    if part == "week":
        raise f.refused(f"DATENAME({part}) {_NO_DATEFIRST}", _DAY_HINT)
    return Typed(f"CAST({_extracted(f, part, value)} AS VARCHAR)", type_)


def _year(f: FunctionCall) -> Typed:
    value = moment_argument(f, 0)
    if value.type.kind == "time":
        check_part(f, f.node.name.lower(), value)
    return Typed(f"CAST({f.node.name.lower()}({value.sql}) AS INTEGER)", INT)


def _datetrunc(f: FunctionCall) -> Typed:
    part, value = date_part(f), moment_argument(f, 1)
    if part in ("week", "weekday", "nanosecond") or value.type.kind == "time":
        raise f.refused(f"DATETRUNC({part}) of {value.type} is not supported", "use iso_week, or DATEADD(day, -n, x)")
    check_part(f, part, value)
    if {"millisecond": 3, "microsecond": 6}.get(part, 0) > value.type.scale and value.type.kind == "datetime2":
        raise f.refused(f"DATETRUNC({part}) of {value.type} is an error in T-SQL", "CAST it to datetime2(6)")
    unit = {"iso_week": "week", "dayofyear": "day"}.get(part, part)
    if value.type.kind == "datetime" and part in ("microsecond", "millisecond"):
        raise f.refused(f"DATETRUNC({part}) of datetime is not supported", "use datetime2")
    return Typed(f"CAST(date_trunc('{unit}', {value.sql}) AS {value.type.duckdb})", value.type)


def _eomonth(f: FunctionCall) -> Typed:
    value = moment_argument(f, 0)
    if value.type.kind == "time":
        raise f.refused("EOMONTH of a time is an error in T-SQL", "CAST it to date")
    day = f"CAST({value.sql} AS DATE)"
    if f.count == 2:
        day = f"tsql.valid_date({day} + to_months({f.whole(1)}))"
    return Typed(f"last_day({day})", DATE)


def _row(name: str, signature: str, example: str, translate: Translate, arguments: tuple[int, int]) -> Construct:
    page = f"functions/{name.lower().replace('_', '-')}-transact-sql"
    return Construct(name, "Functions of dates and times", signature, example, page, translate, arguments)


_BOTH = "year, quarter, month, week, day, hour, minute, second, millisecond, microsecond"
DATE_FUNCTIONS = (
    _row(
        "DATEADD",
        f"DATEADD(part, n, x): keeps the type; parts {_BOTH}",
        "DATEADD(month, 1, '2024-01-31') = '2024-02-29'",
        _dateadd,
        (3, 3),
    ),
    _row(
        "DATEDIFF",
        f"DATEDIFF(part, start, end) → int; parts {_BOTH}",
        "DATEDIFF(year, '2025-12-31', '2026-01-01') = 1",
        _datediff,
        (3, 3),
    ),
    _row(
        "DATEDIFF_BIG",
        "DATEDIFF_BIG(part, start, end) → bigint",
        "DATEDIFF_BIG(day, '2024-01-01', '2024-01-02') = 1",
        _datediff,
        (3, 3),
    ),
    _row(
        "DATEPART",
        "DATEPART(part, x) → int; not week and weekday",
        "DATEPART(iso_week, '2024-12-30') = 1",
        _datepart,
        (2, 2),
    ),
    _row(
        "DATENAME",
        "DATENAME(part, x) → nvarchar(30), in English; not week",
        "DATENAME(month, '2024-02-29') = 'February'",
        _datename,
        (2, 2),
    ),
    _row(
        "DATETRUNC",
        "DATETRUNC(part, x): keeps the type; not week",
        "DATETRUNC(month, CAST('2024-02-29' AS date)) = '2024-02-01'",
        _datetrunc,
        (2, 2),
    ),
    _row("YEAR", "YEAR(x) → int", "YEAR('2024-02-29') = 2024", _year, (1, 1)),
    _row("MONTH", "MONTH(x) → int", "MONTH('2024-02-29') = 2", _year, (1, 1)),
    _row("DAY", "DAY(x) → int", "DAY('2024-02-29') = 29", _year, (1, 1)),
    _row("EOMONTH", "EOMONTH(x [, months]) → date", "EOMONTH('2024-01-15', 1) = '2024-02-29'", _eomonth, (1, 2)),
    _row(
        "DATEFROMPARTS",
        "DATEFROMPARTS(year, month, day) → date",
        "DATEFROMPARTS(2024, 2, 29) = '2024-02-29'",
        construction.datefromparts,
        (3, 3),
    ),
    _row(
        "DATETIME2FROMPARTS",
        "DATETIME2FROMPARTS(y, m, d, h, mi, s, fraction, precision)",
        "DATETIME2FROMPARTS(2011, 8, 15, 14, 23, 44, 5, 1) = '2011-08-15 14:23:44.5'",
        construction.moment_from_parts,
        (8, 8),
    ),
    _row(
        "DATETIMEFROMPARTS",
        "DATETIMEFROMPARTS(y, m, d, h, mi, s, ms) → datetime",
        "DATETIMEFROMPARTS(2024, 1, 2, 0, 0, 0, 0) = '2024-01-02'",
        construction.moment_from_parts,
        (7, 7),
    ),
    _row(
        "TIMEFROMPARTS",
        "TIMEFROMPARTS(h, m, s, 0, precision) → time",
        "TIMEFROMPARTS(23, 59, 59, 0, 0) = '23:59:59'",
        construction.timefromparts,
        (5, 5),
    ),
    _row("GETDATE", "GETDATE() → datetime, in UTC as on Azure", "GETDATE() > '2024-01-01'", construction.now, (0, 0)),
    _row("GETUTCDATE", "GETUTCDATE() → datetime", "GETUTCDATE() > '2024-01-01'", construction.now, (0, 0)),
    _row(
        "CURRENT_TIMESTAMP",
        "CURRENT_TIMESTAMP → datetime, in UTC as on Azure",
        "CURRENT_TIMESTAMP > '2024-01-01'",
        construction.now,
        (0, 0),
    ),
    _row(
        "SYSDATETIME",
        "SYSDATETIME() → datetime2(7), in UTC as on Azure",
        "SYSDATETIME() > '2024-01-01'",
        construction.now,
        (0, 0),
    ),
    _row(
        "SYSUTCDATETIME", "SYSUTCDATETIME() → datetime2(7)", "SYSUTCDATETIME() > '2024-01-01'", construction.now, (0, 0)
    ),
)
