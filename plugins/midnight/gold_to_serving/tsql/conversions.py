"""CAST, CONVERT without style, and the conversions that T-SQL makes on its own: the table of proved pairs.

Source: "CAST and CONVERT" (truncating and rounding results, text from other types), "Data type conversion", and the
pages of the date types (supported string formats).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from midnight.gold_to_serving.tsql.convert_styles import date_to_text, float_to_text
from midnight.gold_to_serving.tsql.float_digits import float_to_decimal
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import (
    DIGITS,
    INTEGERS,
    NUMBERS,
    TIMESTAMPS,
    UNICODE,
    SqlType,
    converts_implicitly,
    datetime2,
)

_INTEGER_TEXT = re.compile(r" *([+-]?\d+)? *")
_NUMBER_TEXT = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+) *")
_FLOAT_TEXT = re.compile(r" *([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)? *")
_MOMENT_TEXT = re.compile(
    r" *((\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{8})( +[0-9:.]+)?|\d{4}-\d{2}-\d{2}T[0-9:.]+|\d{1,2}:[0-9:.]+)? *"
)
NOW = "tsql.datetime_of(tsql.now())"


@dataclass(frozen=True)
class Conversion:
    """One conversion to make.

    Args:
        value: what is converted.
        target: the type.
        line: for messages.
        attempt: TRY_CAST: NULL instead of an error.
    """

    value: Typed
    target: SqlType
    line: int
    attempt: bool = False

    @property
    def sql(self) -> str:
        return self.value.sql

    def cast(self, sql: str) -> str:
        """DuckDB's cast to the type, with its error or NULL for what does not fit."""
        return f"{'TRY_CAST' if self.attempt else 'CAST'}({sql} AS {self.target.duckdb})"

    def macro(self, name: str) -> str:
        return f"tsql.{'try_' if self.attempt else ''}{name}({self.sql})"


def convert(value: Typed, target: SqlType, line: int, *, attempt: bool = False, explicit: bool = False) -> Typed:
    """The value in another type.

    Args:
        value: what is converted.
        target: the type.
        line: for messages.
        attempt: TRY_CAST and TRY_CONVERT.
        explicit: CAST or CONVERT was written: pairs are allowed that T-SQL does not convert on its own, and a text is cut.

    Raises:
        RefusedError: T-SQL refuses the pair, its result is not proved, or a constant can never be converted.
    """
    source = value.type
    if value.is_null:
        return Typed(f"CAST(NULL AS {target.duckdb})", target)
    if not explicit and not converts_implicitly(source, target):
        raise RefusedError(line, f"{source} is not converted to {target} by T-SQL", "write the CAST that you want")
    if source == target:
        return replace(value, type=target)
    make = _PAIRS.get((_group(source), _group(target)))
    if make is None:
        raise RefusedError(line, f"conversion of {source} to {target} is not supported", _hint(source, target))
    if value.text is not None and not attempt:
        _check_text(value.text, target, line)
    conversion = Conversion(value, target, line, attempt)
    constant = value.constant if target.is_text and source.is_text and explicit is False else None
    return Typed(
        make(conversion), target, constant, value.is_column and source.is_text and target.is_text and not explicit
    )


def _hint(source: SqlType, target: SqlType) -> str:
    if source.kind in TIMESTAMPS and target.kind in NUMBERS:
        return "write DATEDIFF(day, '1900-01-01', x)"
    if source.kind == "date" and target.kind == "time":
        return "CAST it to datetime2 first"
    return "convert in the gold model"


def _group(type_: SqlType) -> str:
    if type_.is_text:
        return "text"
    if type_.kind in INTEGERS:
        return "integer"
    if type_.kind in ("real", "float"):
        return "float"
    return type_.kind


def _check_text(text: str, target: SqlType, line: int) -> None:
    """A constant that can never be converted would stop every reader."""
    shapes = {"integer": _INTEGER_TEXT, "decimal": _NUMBER_TEXT, "float": _FLOAT_TEXT}
    shapes |= dict.fromkeys(("date", "datetime", "datetime2", "time"), _MOMENT_TEXT)
    shape = shapes.get(_group(target))
    if shape is None or shape.fullmatch(text):
        return
    if shape is _MOMENT_TEXT:
        hint = "write 'yyyy-mm-dd' or 'yyyymmdd', or CONVERT with a style: other forms depend on the reader's language"
    else:
        hint = "write CONCAT(…) to join texts, or TRY_CAST to get NULL"
    raise RefusedError(line, f"the text {text!r} cannot be converted to {target}", hint)


# numbers


def _number_to_integer(c: Conversion) -> str:
    return c.cast(f"trunc({c.sql})")


def _integer_to_integer(c: Conversion) -> str:
    return c.cast(c.sql)


def _text_to_integer(c: Conversion) -> str:
    return c.cast(c.macro("integer_of"))


def _text_to_decimal(c: Conversion) -> str:
    return c.cast(c.macro("number_text"))


def _text_to_float(c: Conversion) -> str:
    return c.cast(c.macro("float_of"))


def _bit_to_integer(c: Conversion) -> str:
    return f"CAST({c.sql} AS {c.target.duckdb})"


def _float_to_decimal(c: Conversion) -> str:
    return float_to_decimal(c.sql, c.target, attempt=c.attempt)


def _bit_to_number(c: Conversion) -> str:
    return f"CAST(CAST({c.sql} AS INTEGER) AS {c.target.duckdb})"


def _number_to_bit(c: Conversion) -> str:
    if c.value.integer is not None:
        return "true" if c.value.integer else "false"
    return f"({c.sql} <> 0)"


# texts


def fit_text(sql: str, target: SqlType) -> str:
    """A text cut to the length of its type, and filled up when that is fixed."""
    if target.length is None:
        return sql
    unicode = target.kind in UNICODE
    cut = f"tsql.cut{'_units' if unicode else ''}({sql}, {target.length})"
    return (
        f"tsql.fill{'_units' if unicode else ''}({cut}, {target.length})" if target.kind in ("char", "nchar") else cut
    )


def _text_to_text(c: Conversion) -> str:
    source, target = c.value.type, c.target
    if target.length is None:
        return c.sql
    if source.length is not None and target.kind in ("varchar", "nvarchar") and _fits(source, target):
        return c.sql
    return fit_text(c.sql, target)


def _fits(source: SqlType, target: SqlType) -> bool:
    if source.length is None or target.length is None:
        return target.length is None
    # one byte pair of UTF-16 takes up to three bytes of UTF-8; one byte at most one byte pair
    longest = source.length * (3 if source.kind in UNICODE and target.kind not in UNICODE else 1)
    return longest <= target.length


def _integer_to_text(c: Conversion) -> str:
    digits = DIGITS[c.value.type.kind] + (c.value.type.kind != "tinyint")
    text = f"CAST({c.sql} AS VARCHAR)"
    if c.target.length is None or c.target.length >= digits:
        return _filled(text, c.target)
    if c.target.kind in UNICODE or c.value.type.kind == "bigint":
        return _filled(_too_long(text, c), c.target)
    return _filled(f"tsql.star({text}, {c.target.length})", c.target)


def _too_long(text: str, c: Conversion) -> str:
    """T-SQL stops, TRY_CAST gives NULL."""
    if not c.attempt:
        return f"tsql.fitting({text}, {c.target.length})"
    return f"list_transform([{text}], lambda v: CASE WHEN length(v) <= {c.target.length} THEN v END)[1]"


def _filled(text: str, target: SqlType) -> str:
    return fit_text(text, target) if target.kind in ("char", "nchar") else text


def _decimal_to_text(c: Conversion) -> str:
    type_ = c.value.type
    # DuckDB prints 0.50 of a DECIMAL(2,2) as .50
    printed = (
        f"CAST({c.sql} AS DECIMAL({type_.precision + 1},{type_.scale}))"
        if type_.precision == type_.scale < 38
        else c.sql
    )
    text = f"CAST({printed} AS VARCHAR)"
    longest = c.value.type.precision + 3  # sign, point, and the zero before it
    if c.target.length is None or c.target.length >= longest:
        return _filled(text, c.target)
    return _filled(_too_long(text, c), c.target)


def _float_to_text(c: Conversion) -> str:
    text = float_to_text(c.sql)
    if c.target.length is None or c.target.length >= 13:
        return _filled(text, c.target)
    return _filled(_too_long(text, c), c.target)


def _bit_to_text(c: Conversion) -> str:
    return _filled(f"tsql.bit_text({c.sql})", c.target)


def _moment_to_text(c: Conversion) -> str:
    return fit_text(date_to_text(c.sql, c.value.type), c.target)


# dates and times


def _text_to_date(c: Conversion) -> str:
    return f"CAST({c.macro('timestamp_of')} AS DATE)"


def _text_to_timestamp(c: Conversion) -> str:
    return _rounded(c.macro("timestamp_of"), c.target)


def _text_to_time(c: Conversion) -> str:
    return _rounded_time(c.macro("time_of"), c.target)


def _rounded(sql: str, target: SqlType) -> str:
    if target.kind == "datetime":
        return f"tsql.datetime_of({sql})"
    return sql if target.scale >= 6 else f"tsql.valid_date(tsql.round_time({sql}, {10 ** (6 - target.scale)}))"


def _rounded_time(sql: str, target: SqlType) -> str:
    if target.scale >= 6:
        return sql
    return f"CAST(tsql.round_time(DATE '1970-01-01' + {sql}, {10 ** (6 - target.scale)}) AS TIME)"


def _date_to_timestamp(c: Conversion) -> str:
    moment = f"CAST({c.sql} AS TIMESTAMP)"
    return _rounded(moment, c.target) if c.target.kind == "datetime" else moment


def _timestamp_to_date(c: Conversion) -> str:
    return f"CAST({c.sql} AS DATE)"


def _timestamp_to_timestamp(c: Conversion) -> str:
    source = c.value.type
    if source.kind == "datetime" and c.target.scale > 3:
        if c.target.scale == 7 and c.sql != NOW:
            return f"tsql.whole_milliseconds({c.sql})"
        return _rounded(exact_datetime(c.sql), c.target)
    if c.target.kind == "datetime2" and source.kind == "datetime2" and c.target.scale >= source.scale:
        return c.sql
    return _rounded(c.sql, c.target)


def exact_datetime(sql: str) -> str:
    """A datetime with its steps of 1/300 second in microseconds: what it is compared by."""
    return sql if sql == NOW else f"tsql.exact_datetime({sql})"


def _timestamp_to_time(c: Conversion) -> str:
    if c.value.type.kind == "datetime" and c.target.scale > 3:
        raise RefusedError(
            c.line, "the time of a datetime has steps of 1/300 second", "CAST to time(0), or use datetime2"
        )
    return _rounded_time(f"CAST({c.sql} AS TIME)", c.target)


def _time_to_time(c: Conversion) -> str:
    return c.sql if c.target.scale >= c.value.type.scale else _rounded_time(c.sql, c.target)


def _time_to_timestamp(c: Conversion) -> str:
    if c.target.kind == "datetime2":
        raise RefusedError(c.line, "time to datetime2 takes today's date", "write DATEADD with a fixed date")
    return _rounded(f"(DATE '1900-01-01' + {c.sql})", c.target)


def _integer_to_datetime(c: Conversion) -> str:
    """Days since 1900-01-01."""
    return f"(TIMESTAMP '1900-01-01' + to_days(CAST({c.sql} AS INTEGER)))"


_PAIRS: dict[tuple[str, str], Callable[[Conversion], str]] = {
    ("integer", "integer"): _integer_to_integer,
    ("integer", "decimal"): _integer_to_integer,
    ("integer", "float"): _integer_to_integer,
    ("integer", "bit"): _number_to_bit,
    ("integer", "text"): _integer_to_text,
    ("integer", "datetime"): _integer_to_datetime,
    ("decimal", "integer"): _number_to_integer,
    ("decimal", "decimal"): _integer_to_integer,
    ("decimal", "float"): _integer_to_integer,
    ("decimal", "bit"): _number_to_bit,
    ("decimal", "text"): _decimal_to_text,
    ("float", "integer"): _number_to_integer,
    ("float", "decimal"): _float_to_decimal,
    ("float", "float"): _integer_to_integer,
    ("float", "bit"): _number_to_bit,
    ("float", "text"): _float_to_text,
    ("bit", "integer"): _bit_to_integer,
    ("bit", "decimal"): _bit_to_number,
    ("bit", "float"): _bit_to_number,
    ("bit", "text"): _bit_to_text,
    ("text", "integer"): _text_to_integer,
    ("text", "decimal"): _text_to_decimal,
    ("text", "float"): _text_to_float,
    ("text", "bit"): lambda c: c.macro("bit_of"),
    ("text", "text"): _text_to_text,
    ("text", "date"): _text_to_date,
    ("text", "datetime"): _text_to_timestamp,
    ("text", "datetime2"): _text_to_timestamp,
    ("text", "time"): _text_to_time,
    ("date", "text"): _moment_to_text,
    ("date", "datetime"): _date_to_timestamp,
    ("date", "datetime2"): _date_to_timestamp,
    ("datetime", "text"): _moment_to_text,
    ("datetime", "date"): _timestamp_to_date,
    ("datetime", "time"): _timestamp_to_time,
    ("datetime", "datetime2"): _timestamp_to_timestamp,
    ("datetime2", "text"): _moment_to_text,
    ("datetime2", "date"): _timestamp_to_date,
    ("datetime2", "time"): _timestamp_to_time,
    ("datetime2", "datetime"): _timestamp_to_timestamp,
    ("datetime2", "datetime2"): _timestamp_to_timestamp,
    ("datetimeoffset", "date"): _timestamp_to_date,
    ("datetimeoffset", "datetime2"): _timestamp_to_timestamp,
    ("datetimeoffset", "datetime"): _timestamp_to_timestamp,
    ("datetimeoffset", "time"): _timestamp_to_time,
    ("time", "text"): _moment_to_text,
    ("time", "time"): _time_to_time,
    ("time", "datetime"): _time_to_timestamp,
    ("time", "datetime2"): _time_to_timestamp,
}


def implicit_text(value: Typed, line: int) -> Typed:
    """A value as CONCAT and the text functions read it: texts as they are, others printed."""
    if value.type.is_text:
        return value
    longest = {
        "bit": 1,
        "tinyint": 3,
        "smallint": 6,
        "int": 12,
        "bigint": 20,
        "decimal": 41,
        "date": 10,
        "datetime": 19,
    }
    return convert(value, SqlType("varchar", length=longest.get(value.type.kind, 32)), line, explicit=True)


def as_moment(value: Typed, line: int) -> Typed:
    """The operand of a date function: texts are read as datetime2, whole numbers as days since 1900."""
    if value.type.is_text:
        return convert(value, datetime2(7), line)
    if value.integer is not None:
        return convert(value, SqlType("datetime"), line, explicit=True)
    return value
