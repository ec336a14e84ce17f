"""CONVERT to text by style: dates, times, floats and binary values as DuckDB SQL.

The translator truncates the text to the length of the target. Styles whose text is not documented for a type
(fractions of datetime2 in 9, 13, 14 and 126, the padding of hours in 22, Hijri dates) are refused.
Source: learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql, "Date and time styles", "float and real
styles" and "Binary styles".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError, bind, join_text
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.sql_text import text_literal

# strftime, with {day} and {hour} for a number that is padded with a blank to two places
_DATE_STYLES = {
    0: "%b {day} %Y",
    1: "%m/%d/%y",
    2: "%y.%m.%d",
    3: "%d/%m/%y",
    4: "%d.%m.%y",
    5: "%d-%m-%y",
    6: "%d %b %y",
    7: "%b %d, %y",
    10: "%m-%d-%y",
    11: "%y/%m/%d",
    12: "%y%m%d",
    23: "%Y-%m-%d",
    101: "%m/%d/%Y",
    102: "%Y.%m.%d",
    103: "%d/%m/%Y",
    104: "%d.%m.%Y",
    105: "%d-%m-%Y",
    106: "%d %b %Y",
    107: "%b %d, %Y",
    110: "%m-%d-%Y",
    111: "%Y/%m/%d",
    112: "%Y%m%d",
}
_DATE_OF_MOMENT = {9: "%b {day} %Y", 13: "%d %b %Y", 20: "%Y-%m-%d", 21: "%Y-%m-%d", 126: "%Y-%m-%d"}
# datetime2: the part of the text that is documented, and its length
_STARTS = {
    9: ("%b {day} %Y {hour}:%M:%S", 20),
    13: ("%d %b %Y %H:%M:%S", 20),
    14: ("%H:%M:%S", 8),
    126: ("%Y-%m-%dT%H:%M:%S", 19),
}
_SAME_AS = {100: 0, 109: 9, 113: 13, 114: 14, 8: 108, 24: 108, 120: 20, 25: 21, 121: 21}
_HINTS = {
    "time": "write style 108 or 121",
    "date": "write style 23, 112, 100 to 107, 110 or 111, or FORMAT(…, 'yyyy-MM-dd')",
}
_HINT_OF_MOMENTS = "write style 120, 121, 100 to 108, 110 to 112, or FORMAT(…, 'yyyy-MM-dd HH:mm:ss')"
_DEFAULT_DIGITS = 6
_FLOAT_DIGITS = {None: _DEFAULT_DIGITS, 0: _DEFAULT_DIGITS, 1: 8, 2: 16, 3: 17}


def date_to_text(operand: str, type_: SqlType, style: int | None = None, length: int | None = None) -> str:
    """DuckDB SQL for ``CONVERT(VARCHAR, operand, style)`` of a date or time, not truncated to a length.

    Args:
        operand: DuckDB SQL of a DATE, TIME or TIMESTAMP.
        type_: date, time, datetime or datetime2.
        style: None for the default: 21 ("ODBC canonical"), of datetime 0.
        length: to which the caller truncates the text; None for no limit. A text that ends before the fraction of the
            second is proved for more styles.

    Raises:
        FormatRefusedError: an error in T-SQL, or not proved for the type.
    """
    if style is None:
        style = 0 if type_.kind == "datetime" else 21
    known = _SAME_AS.get(style, style)
    pattern = _pattern(type_, known)
    if pattern is None and type_.kind == "datetime2" and length is not None:
        start, proved = _STARTS.get(known, ("", 0))
        pattern = start if length <= proved else None
    if pattern is None:
        hint = _HINTS.get(type_.kind, _HINT_OF_MOMENTS)
        raise FormatRefusedError(f"CONVERT of {type_} with style {style} is not valid, or not proved", hint)
    if type_.kind == "time":
        operand = f"CAST('2000-01-01' AS DATE) + {operand}"
    return bind(f"CAST({operand} AS TIMESTAMP)", "v", _printed(pattern))


def _pattern(type_: SqlType, style: int) -> str | None:
    """The pattern that the style prints for the type."""
    if type_.kind == "time":
        return {108: "%H:%M:%S", 20: "%H:%M:%S", 21: "%H:%M:%S" + _fraction(type_.scale)}.get(style)
    if type_.kind == "date":
        return _DATE_STYLES.get(style) or _DATE_OF_MOMENT.get(style)
    if style in _DATE_STYLES:
        return _DATE_STYLES[style] + (" {hour}:%M%p" if style == 0 else "")
    if style == 126 and type_.kind == "datetime2" and type_.scale > 0:
        return None
    return {
        9: "%b {day} %Y {hour}:%M:%S:{3}%p" if type_.kind == "datetime" else None,
        13: "%d %b %Y %H:%M:%S:{3}" if type_.kind == "datetime" else None,
        14: "%H:%M:%S:{3}" if type_.kind == "datetime" else None,
        20: "%Y-%m-%d %H:%M:%S",
        21: "%Y-%m-%d %H:%M:%S" + _fraction(3 if type_.kind == "datetime" else type_.scale),
        108: "%H:%M:%S",
        126: "%Y-%m-%dT%H:%M:%S" + ("{optional}" if type_.kind == "datetime" else ""),
    }.get(style)


def _fraction(digits: int) -> str:
    return f".{{{digits}}}" if digits else ""


def _printed(pattern: str) -> str:
    """DuckDB SQL over v for a pattern with fields in braces."""
    parts = []
    for index, part in enumerate(pattern.replace("{", "}").split("}")):
        if index % 2 == 0:
            parts += [f"strftime(v, {text_literal(part)})"] if part else []
        elif part == "day":
            parts.append("lpad(strftime(v, '%-d'), 2, ' ')")
        elif part == "hour":
            parts.append("lpad(strftime(v, '%-I'), 2, ' ')")
        elif part == "optional":  # milliseconds, but not '.000'
            parts.append("CASE WHEN strftime(v, '%f') LIKE '000%' THEN '' ELSE '.' || left(strftime(v, '%f'), 3) END")
        else:
            parts.append(f"left(strftime(v, '%f') || '0', {part})")
    return join_text(parts)


def float_to_text(operand: str, style: int | None = None) -> str:
    """DuckDB SQL for ``CONVERT(VARCHAR, operand, style)`` of a float or real, not truncated to a length.

    Style 0 keeps six significant digits, 1 eight, 2 sixteen, 3 seventeen; exponents have three digits. The
    rounding of a remainder of exactly one half is not documented: it is an error.

    Raises:
        FormatRefusedError: the style is not supported.
    """
    if style not in _FLOAT_DIGITS:
        raise FormatRefusedError(f"CONVERT of a float with style {style} is not proved", "write style 0, 1, 2 or 3")
    digits = _FLOAT_DIGITS[style]
    tie = rf"regexp_full_match(format('{{:.60e}}', abs(v)), '\d\.\d{{{digits - 1}}}50*e.*')"
    message = f"float to text: {digits} digits are kept, and the rest is exactly one half; hint: FORMAT, or style 3"
    shown = f"format('{{:.{digits}g}}', v)" if digits == _DEFAULT_DIGITS else f"format('{{:.{digits - 1}e}}', v)"
    exponent = f"regexp_replace({shown}, 'e([+-])(..)$', 'e\\10\\2')"
    negative_zero = "v = 0 AND starts_with(format('{:g}', v), '-')"
    cases = (
        f"CASE WHEN v IS NULL THEN NULL WHEN {tie} THEN error('{message}') "
        f"WHEN {negative_zero} THEN error('float to text: how T-SQL shows -0 is not proved') ELSE {exponent} END"
    )
    return bind(f"CAST({operand} AS DOUBLE)", "v", cases)


def binary_to_text(operand: str, style: int | None = None) -> str:
    """DuckDB SQL for ``CONVERT(VARCHAR, operand, style)`` of a varbinary, not truncated to a length.

    Style 0 reads each byte as an ASCII character, 1 returns ``0x`` and the hexadecimal digits, 2 only the digits.

    Raises:
        FormatRefusedError: T-SQL rejects other styles.
    """
    if style == 1:
        return f"('0x' || upper(to_hex({operand})))"
    if style == 2:
        return f"upper(to_hex({operand}))"
    if style in (None, 0):
        ascii_only = r"regexp_full_match(t, '[\x01-\x7F]*')"
        message = "varbinary to text: only bytes of ASCII characters are proved; write CONVERT with style 1 or 2"
        return bind(
            f"decode({operand})", "t", f"CASE WHEN t IS NULL OR {ascii_only} THEN t ELSE error('{message}') END"
        )
    raise FormatRefusedError(f"CONVERT of varbinary with style {style} is an error in T-SQL", "write style 0, 1 or 2")


def text_to_binary(operand: str, type_: SqlType, style: int | None = None, *, strict: bool = True) -> str:
    """DuckDB SQL for ``CONVERT(VARBINARY, operand, style)`` of a varchar, not truncated to a length.

    Args:
        operand: DuckDB SQL of the text.
        type_: its T-SQL type; the bytes of nvarchar are UTF-16, which is not translated.
        style: 0: the characters' bytes; 1: hexadecimal digits after ``0x``; 2: hexadecimal digits.
        strict: an error for other texts (CONVERT), or NULL (TRY_CONVERT).

    Raises:
        FormatRefusedError: the style or type is not supported.
    """
    if type_.kind not in ("varchar", "char"):
        raise FormatRefusedError(f"CONVERT of {type_} to varbinary is not proved", "CAST it to VARCHAR first")
    if style in (None, 0):
        return f"encode({operand})"
    if style not in (1, 2):
        problem = f"CONVERT to varbinary with style {style} is an error in T-SQL"
        raise FormatRefusedError(problem, "write style 0, 1 or 2")
    form = f"{'0x' if style == 1 else ''}([0-9A-Fa-f]{{2}})*"
    digits = "substr(t, 3)" if style == 1 else "t"
    wrong = "error('CONVERT to varbinary: not hexadecimal digits: ' || t)" if strict else "NULL"
    valid = f"WHEN regexp_full_match(t, '{form}') THEN unhex({digits})"
    return bind(operand, "t", f"CASE {valid} WHEN t IS NOT NULL THEN {wrong} END")
