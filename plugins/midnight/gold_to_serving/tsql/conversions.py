"""CAST, CONVERT without style, and implicit conversions: the table of proved pairs of types.

Source: "CAST and CONVERT" (truncating and rounding results, text from other types), "Data type conversion", and the
pages of the date types (supported string formats).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from midnight.gold_to_serving.tsql import casts_of_moments as moments
from midnight.gold_to_serving.tsql import casts_to_text as to_text
from midnight.gold_to_serving.tsql.conversion import Conversion
from midnight.gold_to_serving.tsql.float_digits import float_to_decimal
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.type_rules import converts_implicitly
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INTEGERS, NUMBERS, TIMESTAMPS, SqlType, datetime2

_INTEGER_TEXT = re.compile(r" *([+-]?\d+)? *")
_NUMBER_TEXT = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+) *")
_FLOAT_TEXT = re.compile(r" *([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)? *")
_MOMENT_TEXT = re.compile(
    r" *((\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{8})( +[0-9:.]+)?|\d{4}-\d{2}-\d{2}T[0-9:.]+|\d{1,2}:[0-9:.]+)? *"
)


def convert(value: Typed, target: SqlType, line: int, *, attempt: bool = False, explicit: bool = False) -> Typed:
    """Convert a value to another type.

    Args:
        value: to convert.
        target: its new type.
        line: for messages.
        attempt: whether it is TRY_CAST or TRY_CONVERT.
        explicit: whether it is CAST or CONVERT, which allow more pairs and truncate texts.

    Raises:
        RefusedError: T-SQL refuses the pair, its result is not proved, or a constant can never be converted.
    """
    source = value.type
    if value.is_null:
        return Typed(f"CAST(NULL AS {target.duckdb})", target)
    if not explicit and not converts_implicitly(source, target):
        raise RefusedError(line, f"{source} is not converted to {target} by T-SQL", "CAST it explicitly")
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
    """Refuse a constant that cannot be converted: the view would fail for every reader."""
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


_PAIRS: dict[tuple[str, str], Callable[[Conversion], str]] = {
    ("integer", "integer"): _integer_to_integer,
    ("integer", "decimal"): _integer_to_integer,
    ("integer", "float"): _integer_to_integer,
    ("integer", "bit"): _number_to_bit,
    ("integer", "text"): to_text.integer_to_text,
    ("integer", "datetime"): moments.integer_to_datetime,
    ("decimal", "integer"): _number_to_integer,
    ("decimal", "decimal"): _integer_to_integer,
    ("decimal", "float"): _integer_to_integer,
    ("decimal", "bit"): _number_to_bit,
    ("decimal", "text"): to_text.decimal_to_text,
    ("float", "integer"): _number_to_integer,
    ("float", "decimal"): _float_to_decimal,
    ("float", "float"): _integer_to_integer,
    ("float", "bit"): _number_to_bit,
    ("float", "text"): to_text.float_to_text,
    ("bit", "integer"): _bit_to_integer,
    ("bit", "decimal"): _bit_to_number,
    ("bit", "float"): _bit_to_number,
    ("bit", "text"): to_text.bit_to_text,
    ("text", "integer"): _text_to_integer,
    ("text", "decimal"): _text_to_decimal,
    ("text", "float"): _text_to_float,
    ("text", "bit"): lambda c: c.macro("bit_of"),
    ("text", "text"): to_text.text_to_text,
    ("text", "date"): moments.text_to_date,
    ("text", "datetime"): moments.text_to_timestamp,
    ("text", "datetime2"): moments.text_to_timestamp,
    ("text", "time"): moments.text_to_time,
    ("date", "text"): to_text.moment_to_text,
    ("date", "datetime"): moments.date_to_timestamp,
    ("date", "datetime2"): moments.date_to_timestamp,
    ("datetime", "text"): to_text.moment_to_text,
    ("datetime", "date"): moments.timestamp_to_date,
    ("datetime", "time"): moments.timestamp_to_time,
    ("datetime", "datetime2"): moments.timestamp_to_timestamp,
    ("datetime2", "text"): to_text.moment_to_text,
    ("datetime2", "date"): moments.timestamp_to_date,
    ("datetime2", "time"): moments.timestamp_to_time,
    ("datetime2", "datetime"): moments.timestamp_to_timestamp,
    ("datetime2", "datetime2"): moments.timestamp_to_timestamp,
    ("datetimeoffset", "date"): moments.timestamp_to_date,
    ("datetimeoffset", "datetime2"): moments.timestamp_to_timestamp,
    ("datetimeoffset", "datetime"): moments.timestamp_to_timestamp,
    ("datetimeoffset", "time"): moments.timestamp_to_time,
    ("time", "text"): to_text.moment_to_text,
    ("time", "time"): moments.time_to_time,
    ("time", "datetime"): moments.time_to_timestamp,
    ("time", "datetime2"): moments.time_to_timestamp,
}


def implicit_text(value: Typed, line: int) -> Typed:
    """Convert a value to text as CONCAT and the text functions do."""
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
    """Convert the operand of a date function: texts to datetime2, whole numbers as days since 1900."""
    if value.type.is_text:
        return convert(value, datetime2(7), line)
    if value.integer is not None:
        return convert(value, SqlType("datetime"), line, explicit=True)
    return value
