"""Expressions that are rewritten for Sail, so that its results equal Apache Spark's. Each rewrite is part of the proof.

Sail 0.7.2 wraps around where a whole number overflows, truncates quotients of decimals, and has other result types. It
also has decimals of 76 digits, which hold every result of Spark before it is rounded to Spark's type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midnight.silver_to_gold.spark_sql.casts import round_for_sail
from midnight.silver_to_gold.spark_sql.time_rewrites import rewrite_time
from midnight.silver_to_gold.spark_sql.types import (
    INTEGRAL,
    ROUND_RULE,
    decimal_of,
    decimal_result,
    is_decimal,
    result_type,
)

WIDE_PRECISION = 76
# Sail's quotient has this many more decimals than its dividend, and is truncated.
_SAIL_QUOTIENT_DIGITS = 4

Types = Sequence[str]
# Sail sorts and counts -0.0 and 0.0 as different values.
ZERO_WITHOUT_SIGN = "({0} + CAST(0 AS FLOAT))"


@dataclass(frozen=True)
class Aggregate:
    """The types for an aggregate on Sail: its argument is cast to one, its result to the other."""

    argument: str
    result: str


def rewrite_for_sail(operation: str, types: Types, literals: Sequence[str | None] = ()) -> str | None:
    """Return the form for Sail, where ``{0}`` is the first argument; None where Sail's own result is equal."""
    for rewrite in (_special, rewrite_time, _operator):
        found = rewrite(operation, list(types), literals)
        if found is not None:
            return found
    return _TEMPLATES.get(operation)


def _special(operation: str, types: Types, literals: Sequence[str | None]) -> str | None:
    """MIN, MAX and ROUND of numbers."""
    if operation in ("min", "max") and types in (["float"], ["double"]):
        return f"{operation}_by({{0}}, {{0}})"  # Sail's own function does not support infinity, and sorts NaN lower
    if operation == "round" and types and types[0] in ("float", "double"):
        return round_for_sail(types[0], literals[1] if len(literals) > 1 else "0")
    if operation in ("round", "ceil", "ceiling", "floor") and types and is_decimal(types[0]):
        return _rounded_decimal(operation, types, literals)
    return None


def _operator(operation: str, types: Types, literals: Sequence[str | None]) -> str | None:
    base = operation.partition(" (")[0]
    if base not in _OPERATORS or len(types) != 2:
        return None
    template = _arithmetic(base, types)
    divisor = literals[1] if len(literals) == 2 else None
    if base not in ("/", "%", "div") or (divisor is not None and divisor.strip("-0.") != ""):
        return template
    # In Spark a null dividend gives null even for a zero divisor; Sail raises an error.
    guarded = "(CASE WHEN {0} IS NULL THEN NULL ELSE {1} END)"
    return (template or f"({{0}} {base} {{1}})").replace("{1}", guarded)


def aggregate_for_sail(operation: str, types: Types) -> Aggregate | None:
    """Return the types for an aggregate on Sail; None where its own result is equal."""
    name = operation.split(" ", maxsplit=1)[0]
    kind = types[0] if types else ""
    if name == "sum" and kind in INTEGRAL:
        return Aggregate("DECIMAL(60, 0)", "BIGINT")
    found = decimal_of(kind) if is_decimal(kind) else None
    result = result_type(f"decimal {name}", types) if name in ("sum", "avg", "mean") and found else None
    if found is None or result is None:
        return None
    # One digit more than the result, so that truncating and then rounding is correct rounding.
    scale = found[1] if name == "sum" else found[1] + 1
    return Aggregate(f"DECIMAL(60, {scale})", result.upper())


def _rounded_decimal(operation: str, types: Types, literals: Sequence[str | None]) -> str | None:
    """Round by a CAST: Sail's results have another precision."""
    if operation != "round":
        result = result_type("decimal ceiling", types) if len(types) == 1 else None
        return None if result is None else f"CAST({operation}({{0}}) AS {result.upper()})"
    digits = literals[1] if len(types) > 1 else "0"
    result = result_type(ROUND_RULE, types, literals)
    return None if result is None or digits is None or digits.startswith("-") else f"CAST({{0}} AS {result.upper()})"


def _arithmetic(operator: str, types: Types) -> str | None:
    if operator in ("+", "-", "*") and all(kind in INTEGRAL for kind in types):
        return _whole(operator, types)
    if operator == "div":
        whole = all(kind in INTEGRAL for kind in types)
        return "(CAST({0} AS BIGINT) div CAST({1} AS BIGINT))" if whole else None  # its result is BIGINT
    return _decimals(operator, types)


def _whole(operator: str, types: Types) -> str:
    """Cast from a wider type, which fails in both engines when the number does not fit."""
    result = max(types, key=INTEGRAL.index)
    wide = ("DECIMAL(38, 0)" if operator == "*" else "DECIMAL(20, 0)") if result == "bigint" else "BIGINT"
    return f"CAST((CAST({{0}} AS {wide}) {operator} CAST({{1}} AS {wide})) AS {result.upper()})"


def _decimals(operator: str, types: Types) -> str | None:
    left, right = (decimal_of(kind) if is_decimal(kind) else None for kind in types)
    result = decimal_result(operator, *types)
    if left is None or right is None or result is None:
        return None
    scale = left[1]
    if operator == "/":
        wanted = (decimal_of(result) or (0, 0))[1]
        scale = max(scale, wanted + 1 - _SAIL_QUOTIENT_DIGITS)
        if left[0] - left[1] + scale + _SAIL_QUOTIENT_DIGITS + right[1] > WIDE_PRECISION:
            return None
    dividend, divisor = (f"DECIMAL({WIDE_PRECISION}, {digits})" for digits in (scale, right[1]))
    return f"CAST((CAST({{0}} AS {dividend}) {operator} CAST({{1}} AS {divisor})) AS {result.upper()})"


_OPERATORS = ("+", "-", "*", "/", "%", "div")

_TEMPLATES = {
    "isnan": "coalesce(isnan(CAST({0} AS DOUBLE)), false)",  # false for null
    "regexp_count": "CAST(regexp_count({0}, {1}) AS INT)",
    # Sail counts from Monday = 0, and returns -1 for Sunday.
    "weekday": "((dayofweek({0}) + 5) % 7)",
    "extract dow": "dayofweek({0})",
    "extract dayofweek": "dayofweek({0})",
    "extract dow_iso": "((dayofweek({0}) + 5) % 7 + 1)",
    "extract dayofweek_iso": "((dayofweek({0}) + 5) % 7 + 1)",
}

# Both arguments are cast to one type, since Sail chooses another one than Spark.
COERCED = {
    *("=", "<>", "<", "<=", ">", ">=", "<=>", "is distinct from", "between", "in", "case ="),
    *("case", "coalesce", "greatest", "least", "array"),
}
