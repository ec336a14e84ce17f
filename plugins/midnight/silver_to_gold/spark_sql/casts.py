"""Casts that are rewritten for Sail, so that its result equals Apache Spark's."""

from __future__ import annotations

from midnight.silver_to_gold.spark_sql.types import INTEGRAL, is_decimal

# Sail casts the binary value of a float to a decimal; Spark its shortest text (1.005 is 1.01 with two
# digits). Sail writes that text, with an exponent from 1e16 on and below 1e-5.
_TEXT = "CAST(CAST({0} AS DOUBLE) AS STRING)"
_SIGN = "CASE WHEN ({0}) < 0 THEN '-' ELSE '' END"
_DIGITS = f"replace(replace(split_part({_TEXT}, 'e', 1), '.', ''), '-', '')"
_EXPONENT = f"CAST(split_part({_TEXT}, 'e', 2) AS INT)"
_LARGE = f"concat({_SIGN}, rpad({_DIGITS}, {_EXPONENT} + 1, '0'))"
_TINY = f"concat({_SIGN}, '0.', repeat('0', -({_EXPONENT}) - 1), {_DIGITS})"
_PLAIN = (
    "CASE WHEN isnan({0}) OR abs({0}) = CAST('Infinity' AS DOUBLE) THEN NULL "
    f"WHEN instr({_TEXT}, 'e') = 0 THEN {_TEXT} WHEN abs({{0}}) >= 1 THEN {_LARGE} ELSE {_TINY} END"
)
_SECONDS = "((unix_micros({0}) - pmod(unix_micros({0}), 1000000)) div 1000000)"
# Sail cannot read exponents: TRY_CAST would return null where Spark returns a number, so that CAST fails there.
_WITH_EXPONENT = "'^[ \\t\\n\\r]*[+-]?[0-9]*[.]?[0-9]*[eE][+-]?[0-9]+[ \\t\\n\\r]*$'"


def cast_for_sail(name: str, source: str, target: str) -> str | None:
    """Return the form of a cast for Sail, where ``{0}`` is the value; None where Sail's own result is equal.

    Args:
        name: ``cast`` or ``try_cast``.
        source: type of the value.
        target: its new type.
    """
    to = f"AS {target.upper()})"
    if is_decimal(target):
        return _to_decimal(name, source, to)
    if is_decimal(source) and target == "boolean":
        return "(({0}) <> 0)"
    if source == "timestamp":
        return _of_timestamp(name, target, to)
    return None


def _to_decimal(name: str, source: str, to: str) -> str | None:
    if source in ("float", "double"):
        return f"{name.upper()}({_PLAIN} {to}"
    if source == "boolean":
        return f"{name.upper()}(CAST({{0}} AS INT) {to}"
    if source == "timestamp":
        return f"{name.upper()}((CAST(unix_micros({{0}}) AS DECIMAL(38, 0)) * CAST(0.000001 AS DECIMAL(6, 6))) {to}"
    if source == "string" and name == "try_cast":
        return f"(CASE WHEN ({{0}}) RLIKE {_WITH_EXPONENT} THEN CAST({{0}} {to} ELSE TRY_CAST({{0}} {to} END)"
    return None


def _of_timestamp(name: str, target: str, to: str) -> str | None:
    if target in INTEGRAL:
        return f"{name.upper()}({_SECONDS} {to}"
    return "(CAST(unix_micros({0}) AS DOUBLE) / 1000000)" if target == "double" else None


def round_for_sail(kind: str, digits: str | None) -> str | None:
    """ROUND of a float: Spark rounds its shortest text (1.005 is 1.01), Sail its binary value (1.0)."""
    if digits is None or not digits.isdigit() or int(digits) > 15:
        return None
    rounded = _to_decimal("cast", "double", f"AS DECIMAL(38, {digits}))")
    # From 2^53 on there are no fractional digits.
    same = "({0}) IS NULL OR isnan({0}) OR abs({0}) >= 1e17"
    return f"(CASE WHEN {same} THEN {{0}} ELSE CAST({rounded} AS {kind.upper()}) END)"
