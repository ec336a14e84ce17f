"""CONVERT of text to a date by style: DuckDB SQL that accepts only the documented form of each style.

T-SQL accepts more forms than documented. A text in the form of the style is converted; a text that is not a date in
any form is an error (TRY_CONVERT: NULL); all others are errors, since their results in T-SQL are not proved.
Source: learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql, "Date and time styles".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError, bind
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.sql_text import text_literal

_FORMS = {
    1: "m/d/y",
    2: "y.m.d",
    3: "d/m/y",
    4: "d.m.y",
    5: "d-m-y",
    10: "m-d-y",
    11: "y/m/d",
    12: "ymd",
    23: "Y-m-d",
    20: "Y-m-d",
    21: "Y-m-d",
    101: "m/d/Y",
    102: "Y.m.d",
    103: "d/m/Y",
    104: "d.m.Y",
    105: "d-m-Y",
    110: "m-d-Y",
    111: "Y/m/d",
    112: "Ymd",
    120: "Y-m-d",
    121: "Y-m-d",
    126: "Y-m-d",
}
_WITH_TIME = {20: " ", 21: " ", 120: " ", 121: " ", 126: "T"}
_WORDS = (
    "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(tember)?|oct(ober)?|nov(ember)?|dec(ember)?"
    "|am|pm|t|z"
)
# No digit at all, or letters that are in no name of a month.
_NEVER_A_DATE = (
    f"NOT regexp_matches(t, '[0-9]') OR regexp_matches(regexp_replace(lower(t), '{_WORDS}', '', 'g'), '[a-z]')"
)
_LARGEST_SCALE = 6  # DuckDB keeps microseconds
_DATE_OF_EMPTY_TEXT = "1900-01-01"


def text_to_date(operand: str, target: SqlType, style: int, *, strict: bool = True) -> str:
    """DuckDB SQL for ``CONVERT(target, operand, style)`` of a text.

    Args:
        operand: DuckDB SQL of the text.
        target: date or datetime2.
        style: the literal style.
        strict: whether a text that is not a date is an error (CONVERT) instead of NULL (TRY_CONVERT).

    Raises:
        FormatRefusedError: no form is proved for the style and the target.
    """
    if style not in _FORMS or target.kind not in ("date", "datetime2"):
        problem = f"CONVERT of a text to {target} with style {style} is not proved"
        raise FormatRefusedError(problem, "write style 101 to 105, 110 to 112, 120 or 126")
    fraction_digits = _LARGEST_SCALE if target.kind == "date" else min(target.scale, _LARGEST_SCALE)
    pattern = text_literal(_pattern(style, fraction_digits))
    order = [letter for letter in _FORMS[style] if letter.isalpha()]
    parts = {letter: f"regexp_extract(t, {pattern}, {place})" for place, letter in enumerate(order, start=1)}
    year = parts["Y"] if "Y" in parts else _four_digits(parts["y"])
    text = f"{year} || '-' || lpad({parts['m']}, 2, '0') || '-' || lpad({parts['d']}, 2, '0')"
    valid = f"{year} <> '0000'"
    if style in _WITH_TIME:
        time = f"coalesce(nullif(regexp_extract(t, {pattern}, 4), ''), '00:00:00')"
        text += f" || ' ' || {time}"
        valid += f" AND {time} < '24'"  # DuckDB reads 24:00 as the next day
    message = "Conversion failed when converting date and/or time from character string: "
    wrong = f"error('{message}' || t)" if strict else "NULL"
    value = f"CAST(TRY_CAST(CASE WHEN {valid} THEN {text} END AS TIMESTAMP) AS {target.duckdb})"
    unproved = f"error('text to date with style {style}: only {_shown(style)} is proved, not ' || t)"
    return bind(
        f"trim({operand}, ' ')",
        "t",
        f"CASE WHEN t IS NULL THEN NULL WHEN t = '' THEN CAST('{_DATE_OF_EMPTY_TEXT}' AS {target.duckdb}) "
        f"WHEN regexp_full_match(t, {pattern}) THEN {bind(value, 'c', f'CASE WHEN c IS NULL THEN {wrong} ELSE c END')} "
        f"WHEN {_NEVER_A_DATE} THEN {wrong} ELSE {unproved} END",
    )


def _pattern(style: int, fraction_digits: int) -> str:
    """Regular expression of the form, with a group for each part in the order of the form, then the time."""
    form = _FORMS[style]
    day = r"(\d{2})" if form.isalpha() else r"(\d{1,2})"
    parts = {"Y": r"(\d{4})", "y": r"(\d{2})", "m": day, "d": day}
    pattern = "".join(parts.get(char, rf"\{char}") for char in form)
    if style in _WITH_TIME:
        fraction = rf"(?:\.\d{{1,{fraction_digits}}})?" if fraction_digits else ""
        pattern += rf"(?:{_WITH_TIME[style]}(\d{{2}}:\d{{2}}:\d{{2}}{fraction}))?"
    return pattern


def _shown(style: int) -> str:
    names = {"Y": "yyyy", "y": "yy", "m": "mm", "d": "dd"}
    shown = "".join(names.get(char, char) for char in _FORMS[style])
    return shown + (f"{_WITH_TIME[style]}hh:mi:ss" if style in _WITH_TIME else "")


def _four_digits(year: str) -> str:
    """Two-digit years: 49 is 2049, 50 is 1950."""
    return f"(CASE WHEN {year} < '50' THEN '20' ELSE '19' END || {year})"
