"""Operands of comparisons: T-SQL's common type of two values, and keys that make DuckDB compare texts as T-SQL does.

Source: "Comparison operators", "Collation and Unicode support", "Data type precedence".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.casts_of_moments import exact_datetime
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.type_rules import highest
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INTEGERS, SqlType, datetime2
from midnight.sql_text import text_literal


def equality_key(value: Typed) -> str:
    """Return the key for comparisons: T-SQL ignores trailing blanks of texts."""
    if not value.type.is_text:
        return value.sql
    if value.text is not None:
        return text_literal(value.text.rstrip(" "))
    return f"tsql.key({value.sql})" if value.is_column else f"rtrim({value.sql}, ' ')"


def order_key(value: Typed) -> str:
    """Return the key for sorting; the collation compares code points."""
    return f"tsql.sort_key({value.sql})" if value.type.is_text else value.sql


def compared(left: Typed, right: Typed, line: int, what: str = "comparison") -> tuple[Typed, Typed]:
    """Convert both sides to the type of higher precedence.

    Raises:
        RefusedError: T-SQL does not compare them, or the result is not proved.
    """
    common = highest([left.type, right.type])
    if common is None and {left.type.kind, right.type.kind} <= {*INTEGERS, "decimal"}:
        return left, right  # DuckDB compares them exactly
    if common is None or common.kind in ("varbinary", "uniqueidentifier"):
        raise RefusedError(
            line, f"{what} of {left.type} with {right.type} is not supported", "CAST both sides to one type"
        )
    if "bit" in (left.type.kind, right.type.kind):
        bits = _bits(left, right)
        if bits:
            return bits
    if common.kind == "decimal":
        # DuckDB compares decimals and integers exactly; T-SQL's common type never loses digits that matter here.
        return _text_to(left, common, line), _text_to(right, common, line)
    if {left.type.kind, right.type.kind} == {"datetime", "datetime2"}:
        return _exact_moment(left), _exact_moment(right)
    return convert(left, common, line), convert(right, common, line)


def _exact_moment(value: Typed) -> Typed:
    return Typed(exact_datetime(value.sql), datetime2(6)) if value.type.kind == "datetime" else value


def _bits(left: Typed, right: Typed) -> tuple[Typed, Typed] | None:
    """Compare a bit column with 0 or 1 as BOOLEAN, so that no row is converted."""
    for one, other in ((left, right), (right, left)):
        if one.type.kind == "bit" and other.integer in (0, 1):
            constant = Typed("true" if other.integer else "false", one.type)
            return (one, constant) if one is left else (constant, one)
    return None


def _text_to(value: Typed, common: SqlType, line: int) -> Typed:
    if value.type.is_text and value.text is None:
        raise RefusedError(
            line, f"comparison of {value.type} with {common} converts every text", "CAST the text to a number"
        )
    return convert(value, common, line) if value.type.is_text or value.type.kind == "bit" or value.is_null else value
