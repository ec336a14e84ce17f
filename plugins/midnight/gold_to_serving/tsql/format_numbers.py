"""FORMAT of numbers: DuckDB SQL that prints the digits as .NET Framework does, exactly and without a DOUBLE.

Rounding is half away from zero. A float is first rounded to the 15 (real: 7) significant digits that .NET keeps.
Source: learn.microsoft.com/dotnet/standard/base-types/standard-numeric-format-strings and
custom-numeric-format-strings.
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.float_digits import digits_at_scale
from midnight.gold_to_serving.tsql.number_patterns import (
    Piece,
    Section,
    expand_standard,
    parse_section,
    split_sections,
)
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError, bind, join_text
from midnight.gold_to_serving.tsql.types import DIGITS, SqlType
from midnight.sql_text import text_literal

_HEX_DIGITS = {"tinyint": 2, "smallint": 4, "int": 8, "bigint": 16}
_SIGNIFICANT = {"real": 7, "float": 15}  # of .NET's Single and Double
# .NET's Decimal, to which FORMAT converts, has 96 bits and at most 28 decimals.
_LARGEST_DECIMAL = 2**96 - 1
_DECIMAL_SCALE = 28
_DECIMAL_DIGITS = 28
_HUGEINT_DIGITS = 38
_BIGINT_DIGITS = 18


def format_number(operand: str, type_: SqlType, pattern: str) -> str:
    """DuckDB SQL for ``FORMAT(operand, pattern)`` in culture en-US; the result is VARCHAR.

    Args:
        operand: DuckDB SQL of the number, in the DuckDB type of ``type_``.
        type_: tinyint, smallint, int, bigint, decimal, real or float.
        pattern: a standard (``N2``) or custom (``#,##0.00``) pattern of .NET.

    Raises:
        FormatRefusedError: the pattern has no proved counterpart for the type.
    """
    integral = type_.kind in _HEX_DIGITS
    if pattern[:1] in ("X", "x") and integral and (len(pattern) == 1 or pattern[1:].isdigit()):
        return _hexadecimal(operand, type_, pattern)
    if type_.kind == "decimal" and type_.scale > _DECIMAL_SCALE:
        raise FormatRefusedError(
            f"FORMAT of {type_} overflows in T-SQL: .NET keeps 28 decimals", "CAST it to fewer decimals first"
        )
    scale = None if type_.kind in _SIGNIFICANT else type_.scale if type_.kind == "decimal" else 0
    texts = split_sections(expand_standard(pattern, integral=integral, scale=scale))
    positive = parse_section(texts[0])
    negative = parse_section(texts[1]) if len(texts) > 1 and texts[1] else None
    zero = parse_section(texts[2]) if len(texts) > 2 and texts[2] else positive
    if negative is None and zero is positive:
        return bind(operand, "n", _with_sign(positive, type_, None))
    zero_text = _print("''", zero)
    below = _with_sign(positive, type_, zero_text) if negative is None else _rounded(negative, type_, zero_text, "")
    cases = f"CASE WHEN n IS NULL THEN NULL WHEN n = 0 THEN {zero_text} WHEN n < 0 THEN {below} "
    return bind(operand, "n", f"{cases}ELSE {_rounded(positive, type_, zero_text, '')} END")


def _with_sign(section: Section, type_: SqlType, zero_text: str | None) -> str:
    """The section with a minus sign in front of a negative number that is not rounded to zero."""
    return _rounded(section, type_, zero_text, "CASE WHEN n < 0 AND d <> '' THEN '-' ELSE '' END || ")


def _rounded(section: Section, type_: SqlType, zero_text: str | None, sign: str) -> str:
    printed = f"{sign}{_print('d', section)}"
    if zero_text is not None:
        printed = f"CASE WHEN d = '' THEN {zero_text} ELSE {printed} END"
    return bind(_digits(type_, section), "d", printed)


def _digits(type_: SqlType, section: Section) -> str:
    """Digits of |n| * 10^power, rounded, without the point and without leading zeros; '' for zero."""
    if type_.kind in _SIGNIFICANT:
        digits = digits_at_scale("n", _SIGNIFICANT[type_.kind], section.power + section.decimals)
        return f"ltrim({digits}, '0')"
    precision, scale = (type_.precision, type_.scale) if type_.kind == "decimal" else (DIGITS[type_.kind], 0)
    whole = "BIGINT" if precision <= _BIGINT_DIGITS else "HUGEINT"
    unscaled = _unscaled(precision, scale, whole)
    if precision > _DECIMAL_DIGITS:
        overflow = "error('FORMAT: the number has more digits than FORMAT of T-SQL can print')"
        unscaled = f"CASE WHEN {unscaled} > CAST('{_LARGEST_DECIMAL}' AS HUGEINT) THEN {overflow} ELSE {unscaled} END"
    dropped = scale - section.power - section.decimals
    if dropped <= 0:
        zeros = f" || '{'0' * -dropped}'" if dropped else ""
        return f"ltrim(CAST({unscaled} AS VARCHAR){zeros}, '0')"
    if dropped > precision:
        return "CASE WHEN n IS NOT NULL THEN '' END"
    half, unit = f"CAST('5{'0' * (dropped - 1)}' AS {whole})", f"CAST('1{'0' * dropped}' AS {whole})"
    return f"ltrim(CAST(({unscaled} + {half}) // {unit} AS VARCHAR), '0')"


def _unscaled(precision: int, scale: int, whole: str) -> str:
    """All digits of |n| as a whole number."""
    if precision + scale < _HUGEINT_DIGITS:
        shift = f" * CAST('1{'0' * scale}' AS DECIMAL({scale + 1},0))" if scale else ""
        return f"abs(CAST(n{shift} AS {whole}))"
    return f"CAST(replace(replace(CAST(n AS VARCHAR), '-', ''), '.', '') AS {whole})"


def _print(digits: str, section: Section) -> str:
    """The section with the given digits."""
    decimals = section.decimals
    least = decimals + section.integer_zeros
    padded = f"repeat('0', {least} - length({digits})) || {digits}" if least else digits
    whole = f"left(p, length(p) - {decimals})" if decimals else "p"
    fraction = f"right(p, {decimals})" if decimals else "''"
    if section.fraction_zeros < decimals:
        fraction = f"rtrim({fraction}, '0')"
    if 0 < section.fraction_zeros < decimals:
        fraction = bind(fraction, "f", f"f || repeat('0', {section.fraction_zeros} - length(f))")
    if section.grouped:
        whole = bind(whole, "w", _grouped("w", section.integer_zeros))
    has_integer = any(piece.kind == "integer" for piece in section.pieces)
    parts = [part for piece in section.pieces for part in _piece(piece, section, whole, fraction, has_integer)]
    return bind(padded, "p", join_text(parts))


def _grouped(whole: str, zeros: int) -> str:
    """Insert a comma before every three digits."""
    by_text = f"reverse(rtrim(regexp_replace(reverse({whole}), '(...)', '\\1,', 'g'), ','))"
    if zeros != 1:
        return by_text
    # many times faster, but it drops zeros and needs at least one digit
    by_number = f"format('{{:,}}', CAST({whole} AS BIGINT))"
    return f"CASE WHEN length({whole}) <= {_BIGINT_DIGITS} THEN {by_number} ELSE {by_text} END"


def _piece(piece: Piece, section: Section, whole: str, fraction: str, has_integer: bool) -> list[str]:
    if piece.kind == "text":
        return [text_literal(piece.text)]
    if piece.kind == "fraction":
        alone = piece.low == 1 and piece.high == section.decimals
        return [fraction if alone else f"substr({fraction}, {piece.low}, {piece.high - piece.low + 1})"]
    if piece.kind == "point":
        point = "'.'" if section.fraction_zeros else f"CASE WHEN {fraction} = '' THEN '' ELSE '.' END"
        integer = [] if has_integer else [whole]
        return [*integer, point] if section.decimals else integer
    before = f"left({whole}, greatest(length({whole}) - {piece.low - 1}, 0))" if piece.low > 1 else whole
    highest = max(other.high for other in section.pieces if other.kind == "integer")
    return [before if piece.high == highest else f"right({before}, {piece.high - piece.low + 1})"]


def _hexadecimal(operand: str, type_: SqlType, pattern: str) -> str:
    """X: two's complement of the type's size for a negative number."""
    width = int(pattern[1:] or 1)
    name = "upper" if pattern[0] == "X" else "lower"
    negative = f"right(to_hex(CAST(n AS BIGINT)), {_HEX_DIGITS[type_.kind]})"
    digits = f"{name}(CASE WHEN n < 0 THEN {negative} ELSE to_hex(CAST(n AS BIGINT)) END)"
    return bind(operand, "n", bind(digits, "h", f"repeat('0', {width} - length(h)) || h"))
