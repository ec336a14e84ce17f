"""Decimal digits of floating-point numbers in DuckDB SQL, and their conversion to DECIMAL.

DuckDB multiplies a DOUBLE by the power of ten to make a DECIMAL of it, which adds digits that the float does not have
(123456789012345677.4144), and rounds texts with an exponent wrongly. T-SQL converts 17 digits of a float.
Source: learn.microsoft.com/sql/t-sql/data-types/float-and-real-transact-sql, "Converting float and real data".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.sql_pieces import bind
from midnight.gold_to_serving.tsql.types import SqlType

_PRINTED = 31  # digits that a HUGEINT holds
# Below the limit, the error of a float times a power of ten is below the margin: away from a tie, rounding is certain.
_FAST_LIMIT = "1e12"
_FAST_MARGIN = "1e-3"
_LARGEST_FAST_SCALE = 20
_MOST_DROPPED = 20  # more dropped digits than significant ones give zero
_FLOAT_DIGITS = 17
_CERTAIN_DIGITS = 15


def digits_at_scale(number: str, significant: int, scale: int) -> str:
    """DuckDB SQL for the digits of ``|number| * 10^scale`` as a whole number, '' or '0' when it is rounded to zero.

    Args:
        number: DuckDB SQL of a DOUBLE or FLOAT.
        significant: the number is rounded to so many digits first, half away from zero, and again at the scale.
        scale: power of ten; negative to drop digits before the point.
    """
    slow = _slow_digits(number, significant, scale)
    if significant < _CERTAIN_DIGITS:
        return slow
    fast = f"CAST(CAST(round(abs({number}) * 1e{scale}) AS BIGINT) AS VARCHAR)"
    return f"CASE WHEN {_rounds_surely(number, scale)} THEN {fast} ELSE {slow} END"


def _rounds_surely(number: str, scale: int) -> str:
    shifted = f"abs({number}) * 1e{scale}"
    return f"{shifted} < {_FAST_LIMIT} AND abs({shifted} - floor({shifted}) - 0.5) > {_FAST_MARGIN}"


def _slow_digits(number: str, significant: int, scale: int) -> str:
    """By way of the printed number."""
    digits = "CAST(replace(split_part(s, 'e', 1), '.', '') AS HUGEINT)"
    cut = _PRINTED - significant
    kept = f"({digits} + CAST('5{'0' * (cut - 1)}' AS HUGEINT)) // CAST('1{'0' * cut}' AS HUGEINT)"
    # the number is kept * 10^(exponent - significant + 1)
    dropped = f"({significant - 1 - scale} - CAST(split_part(s, 'e', 2) AS INTEGER))"
    unit = f"CAST('1' || repeat('0', least({dropped}, {_MOST_DROPPED})) AS HUGEINT)"
    rounded = f"CAST(({kept} + {unit} // 2) // {unit} AS VARCHAR) || repeat('0', -{dropped})"
    body = f"CASE WHEN {dropped} > {_MOST_DROPPED} THEN '' ELSE {rounded} END"
    return bind(f"format('{{:.{_PRINTED - 1}e}}', CAST(abs({number}) AS DOUBLE))", "s", body)


def float_to_decimal(number: str, target: SqlType, *, attempt: bool) -> str:
    """DuckDB SQL for a float as a decimal.

    Args:
        number: DuckDB SQL of a DOUBLE or FLOAT.
        target: the decimal type.
        attempt: NULL for a number that does not fit, not an error.
    """
    scale = target.scale
    digits = _slow_digits("n", _FLOAT_DIGITS, scale)
    padded = f"repeat('0', {scale + 1} - length(d)) || d"
    text = bind(padded, "p", f"left(p, length(p) - {scale}) || '.' || right(p, {scale})") if scale else padded
    signed = f"CASE WHEN n < 0 THEN '-' ELSE '' END || {text}"
    cast = "TRY_CAST" if attempt else "CAST"
    value = f"{cast}({signed} AS {target.duckdb})"
    too_large = "NULL" if attempt else "error('Arithmetic overflow error converting float to decimal.')"
    fast = ""
    if scale <= _LARGEST_FAST_SCALE:
        unit = f"CAST('{'0.' + '1'.zfill(scale) if scale else '1'}' AS DECIMAL({scale + 1},{scale}))"
        whole = f"CAST(CAST(round(n * 1e{scale}) AS BIGINT) AS DECIMAL(13,0))"
        fast = f"WHEN {_rounds_surely('n', scale)} THEN {cast}({whole} * {unit} AS {target.duckdb}) "
    return bind(
        number,
        "n",
        f"CASE WHEN n IS NULL THEN NULL {fast}WHEN abs(n) >= 1e{target.precision - scale} THEN {too_large} "
        f"ELSE {bind(digits, 'd', value)} END",
    )
