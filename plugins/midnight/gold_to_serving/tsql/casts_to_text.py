"""CAST to a text. Source: "CAST and CONVERT", "Truncating and rounding results"."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.conversion import Conversion, fit_text
from midnight.gold_to_serving.tsql.convert_styles import date_to_text
from midnight.gold_to_serving.tsql.convert_styles import float_to_text as printed_float
from midnight.gold_to_serving.tsql.types import DIGITS, UNICODE, SqlType


def text_to_text(c: Conversion) -> str:
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


def integer_to_text(c: Conversion) -> str:
    digits = DIGITS[c.value.type.kind] + (c.value.type.kind != "tinyint")
    text = f"CAST({c.sql} AS VARCHAR)"
    if c.target.length is None or c.target.length >= digits:
        return _filled(text, c.target)
    if c.target.kind in UNICODE or c.value.type.kind == "bigint":
        return _filled(_too_long(text, c), c.target)
    return _filled(f"tsql.star({text}, {c.target.length})", c.target)


def _too_long(text: str, c: Conversion) -> str:
    """An error in T-SQL, and NULL in TRY_CAST."""
    if not c.attempt:
        return f"tsql.fitting({text}, {c.target.length})"
    return f"list_transform([{text}], lambda v: CASE WHEN length(v) <= {c.target.length} THEN v END)[1]"


def _filled(text: str, target: SqlType) -> str:
    return fit_text(text, target) if target.kind in ("char", "nchar") else text


def decimal_to_text(c: Conversion) -> str:
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


def float_to_text(c: Conversion) -> str:
    text = printed_float(c.sql)
    if c.target.length is None or c.target.length >= 13:
        return _filled(text, c.target)
    return _filled(_too_long(text, c), c.target)


def bit_to_text(c: Conversion) -> str:
    return _filled(f"tsql.bit_text({c.sql})", c.target)


def moment_to_text(c: Conversion) -> str:
    return fit_text(date_to_text(c.sql, c.value.type), c.target)
