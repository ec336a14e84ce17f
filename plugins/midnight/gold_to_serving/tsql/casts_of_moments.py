"""CAST from and to dates and times. Source: the pages of the date types (supported string formats, conversions)."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.conversion import NOW, Conversion
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.types import SqlType


def text_to_date(c: Conversion) -> str:
    return f"CAST({c.macro('timestamp_of')} AS DATE)"


def text_to_timestamp(c: Conversion) -> str:
    return _rounded(c.macro("timestamp_of"), c.target)


def text_to_time(c: Conversion) -> str:
    return _rounded_time(c.macro("time_of"), c.target)


def _rounded(sql: str, target: SqlType) -> str:
    if target.kind == "datetime":
        return f"tsql.datetime_of({sql})"
    return sql if target.scale >= 6 else f"tsql.valid_date(tsql.round_time({sql}, {10 ** (6 - target.scale)}))"


def _rounded_time(sql: str, target: SqlType) -> str:
    if target.scale >= 6:
        return sql
    return f"CAST(tsql.round_time(DATE '1970-01-01' + {sql}, {10 ** (6 - target.scale)}) AS TIME)"


def date_to_timestamp(c: Conversion) -> str:
    moment = f"CAST({c.sql} AS TIMESTAMP)"
    return _rounded(moment, c.target) if c.target.kind == "datetime" else moment


def timestamp_to_date(c: Conversion) -> str:
    return f"CAST({c.sql} AS DATE)"


def timestamp_to_timestamp(c: Conversion) -> str:
    source = c.value.type
    if source.kind == "datetime" and c.target.scale > 3:
        if c.target.scale == 7 and c.sql != NOW:
            return f"tsql.whole_milliseconds({c.sql})"
        return _rounded(exact_datetime(c.sql), c.target)
    if c.target.kind == "datetime2" and source.kind == "datetime2" and c.target.scale >= source.scale:
        return c.sql
    return _rounded(c.sql, c.target)


def exact_datetime(sql: str) -> str:
    """Return a datetime with its steps of 1/300 second in microseconds, for comparisons."""
    return sql if sql == NOW else f"tsql.exact_datetime({sql})"


def timestamp_to_time(c: Conversion) -> str:
    if c.value.type.kind == "datetime" and c.target.scale > 3:
        raise RefusedError(
            c.line, "the time of a datetime has steps of 1/300 second", "CAST to time(0), or use datetime2"
        )
    return _rounded_time(f"CAST({c.sql} AS TIME)", c.target)


def time_to_time(c: Conversion) -> str:
    return c.sql if c.target.scale >= c.value.type.scale else _rounded_time(c.sql, c.target)


def time_to_timestamp(c: Conversion) -> str:
    if c.target.kind == "datetime2":
        raise RefusedError(c.line, "time to datetime2 uses the current date", "write DATEADD with a fixed date")
    return _rounded(f"(DATE '1900-01-01' + {c.sql})", c.target)


def integer_to_datetime(c: Conversion) -> str:
    """Days since 1900-01-01."""
    return f"(TIMESTAMP '1900-01-01' + to_days(CAST({c.sql} AS INTEGER)))"
