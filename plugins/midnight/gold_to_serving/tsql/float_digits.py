"""Floating-point numbers rounded to decimals in DuckDB SQL, for FORMAT, CAST AS decimal and ROUND.

DuckDB converts a DOUBLE to DECIMAL by multiplying it by a power of ten, which adds digits that the float does not have
(123456789012345677.4144), and rounds texts with an exponent wrongly. How T-SQL rounds a float that is half-way within
the precision of a float (2.675 is 2.67499999999999982) is not documented. Such a number stops the query; all others
round to the same decimals by their 15 reliable digits and by their exact value.
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
_MOST_DROPPED = 33  # more dropped digits than significant ones give zero
_FLOAT_DIGITS = 17
_CERTAIN_DIGITS = 15
_UNPROVED = (
    "a float in the middle but for the error of a float: how T-SQL rounds it is not proved; hint: FORMAT shows it, "
    "or hold the column as a decimal"
)


def digits_at_scale(number: str, significant: int, scale: int) -> str:
    """DuckDB SQL for the digits of ``|number| * 10^scale`` as a whole number, '' or '0' when it is rounded to zero.

    Args:
        number: DuckDB SQL of a DOUBLE or FLOAT.
        significant: number of digits to which the number is rounded first, half away from zero, and again at the scale.
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


def _slow_digits(number: str, significant: int, scale: int, *, cut_off: bool = False) -> str:
    """From the printed number; with ``cut_off`` the digits after the scale are dropped."""
    digits = "CAST(replace(split_part(s, 'e', 1), '.', '') AS HUGEINT)"
    cut = _PRINTED - significant
    kept = f"({digits} + CAST('5{'0' * (cut - 1)}' AS HUGEINT)) // CAST('1{'0' * cut}' AS HUGEINT)" if cut else digits
    # the number is kept * 10^(exponent - significant + 1)
    dropped = f"({significant - 1 - scale} - CAST(split_part(s, 'e', 2) AS INTEGER))"
    unit = f"CAST('1' || repeat('0', least({dropped}, {_MOST_DROPPED})) AS HUGEINT)"
    half = "0" if cut_off else f"{unit} // 2"
    rounded = f"CAST(({kept} + {half}) // {unit} AS VARCHAR) || repeat('0', -{dropped})"
    body = f"CASE WHEN {dropped} > {_MOST_DROPPED} THEN '' ELSE {rounded} END"
    return bind(f"format('{{:.{_PRINTED - 1}e}}', CAST(abs({number}) AS DOUBLE))", "s", body)


def float_to_decimal(number: str, target: SqlType, *, attempt: bool) -> str:
    """DuckDB SQL for a float as a decimal.

    Args:
        number: DuckDB SQL of a DOUBLE or FLOAT.
        target: the decimal type.
        attempt: whether a number that does not fit is NULL instead of an error.
    """
    scale = target.scale
    cast = "TRY_CAST" if attempt else "CAST"
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
        f"ELSE {_proved(scale, f'{cast}({_signed(scale)} AS {target.duckdb})')} END",
    )


def _signed(scale: int) -> str:
    """The digits d at the scale as the text of a number, with the sign of n."""
    if scale <= 0:
        text = f"'0' || d || '{'0' * -scale}'"
    else:
        padded = f"repeat('0', {scale + 1} - length(d)) || d"
        text = bind(padded, "p", f"left(p, length(p) - {scale}) || '.' || right(p, {scale})")
    return f"CASE WHEN n < 0 THEN '-' ELSE '' END || {text}"


def _proved(scale: int, result: str, *, cut_off: bool = False) -> str:
    """The result, over the digits d of n at the scale, or an error where two interpretations of the float differ."""
    exact, certain = (_slow_digits("n", digits, scale, cut_off=cut_off) for digits in (_PRINTED, _CERTAIN_DIGITS))
    exactly = f"format('{{:.{_PRINTED - 1}e}}', CAST(n AS DOUBLE)) LIKE '%{'0' * (_PRINTED - _FLOAT_DIGITS)}e%'"
    unproved = f"ltrim(d, '0') <> ltrim({certain}, '0') AND NOT {exactly}"
    return bind(exact, "d", f"CASE WHEN {unproved} THEN error('{_UNPROVED}') ELSE {result} END")


def round_float(number: str, places: int, *, cut_off: bool = False) -> str:
    """DuckDB SQL for ``ROUND(number, places)`` of a float, half away from zero.

    Args:
        number: DuckDB SQL of a DOUBLE.
        places: digits after the point; negative to round before it.
        cut_off: whether further digits are dropped, as by ``ROUND(number, places, 1)``.
    """
    whole = "WHEN n = floor(n) THEN n " if places >= 0 else ""
    fast = "" if cut_off else f"WHEN {_rounds_surely('n', places)} THEN round(n, {places}) "
    proved = _proved(places, f"CAST({_signed(places)} AS DOUBLE)", cut_off=cut_off)
    return bind(number, "n", f"CASE WHEN n IS NULL THEN NULL {whole}{fast}ELSE {proved} END")
