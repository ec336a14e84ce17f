"""Decimal digits of floating-point numbers in DuckDB SQL, and their conversion to DECIMAL.

DuckDB multiplies a DOUBLE by the power of ten to make a DECIMAL of it, which adds digits that the float does not have
(123456789012345677.4144), and rounds texts with an exponent wrongly. T-SQL's rounding of a float is not documented:
where its 15 reliable digits and its exact value round to different decimals, the query stops.
Source: learn.microsoft.com/sql/t-sql/data-types/float-and-real-transact-sql, "Converting float and real data".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.sql_pieces import bind
from midnight.gold_to_serving.tsql.types import SqlType

_PRINTED = 31  # digits that a HUGEINT holds
_MOST_DROPPED = 20  # more dropped digits than significant ones give zero
_FLOAT_DIGITS = 17
_CERTAIN_DIGITS = 15
_TIE = (
    "CAST of a float to decimal: this number lies in the middle but for the error of a float, and how T-SQL "
    "rounds it is not proved; hint: FORMAT shows it, or hold the column as a decimal"
)


def digits_at_scale(number: str, significant: int, scale: int) -> str:
    """DuckDB SQL for the digits of ``|number| * 10^scale`` as a whole number, '' or '0' when it is rounded to zero.

    Args:
        number: DuckDB SQL of a DOUBLE or FLOAT.
        significant: the number is rounded to so many digits first, half away from zero, and again at the scale.
        scale: power of ten; negative to drop digits before the point.
    """
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
    exact, certain = (digits_at_scale("n", digits, scale) for digits in (_FLOAT_DIGITS, _CERTAIN_DIGITS))
    padded = f"repeat('0', {scale + 1} - length(d)) || d"
    text = bind(padded, "p", f"left(p, length(p) - {scale}) || '.' || right(p, {scale})") if scale else padded
    signed = f"CASE WHEN n < 0 THEN '-' ELSE '' END || {text}"
    value = f"{'TRY_CAST' if attempt else 'CAST'}({signed} AS {target.duckdb})"
    is_exact = f"format('{{:.{_PRINTED - 1}e}}', CAST(n AS DOUBLE)) LIKE '%{'0' * (_PRINTED - _FLOAT_DIGITS)}e%'"
    unproved = f"ltrim(d, '0') <> ltrim({certain}, '0') AND NOT {is_exact}"
    checked = f"CASE WHEN {unproved} THEN error('{_TIE}') ELSE {value} END"
    too_large = "NULL" if attempt else "error('Arithmetic overflow error converting float to decimal.')"
    return bind(
        number,
        "n",
        f"CASE WHEN n IS NULL THEN NULL WHEN abs(n) >= 1e{target.precision - scale} THEN {too_large} "
        f"ELSE {bind(exact, 'd', checked)} END",
    )
