"""CONVERT with a style. Source: "CAST and CONVERT", date and time styles, float styles, binary styles."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.conversion import fit_text
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.convert_styles import binary_to_text, date_to_text, float_to_text
from midnight.gold_to_serving.tsql.parse_dates import text_to_date
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import APPROXIMATE, DATES, MOMENTS, SqlType


def convert_with_style(value: Typed, target: SqlType, style: Typed, attempt: bool, line: int) -> Typed:
    """``CONVERT(target, value, style)``; the text is truncated to the length of the type.

    Raises:
        RefusedError: the style is not a constant, or not proved for the types.
    """
    number = style.integer
    if number is None:
        raise RefusedError(line, "CONVERT: the style must be a constant", "write the number of the style")
    if value.is_null:
        return convert(value, target, line, explicit=True)
    source = value.type
    try:
        if target.is_text:
            text = _text(value, number, target.length)
            if text is not None:
                return Typed(fit_text(text, target), target)
        elif source.is_text and target.kind in DATES:
            return Typed(text_to_date(value.sql, target, number, strict=not attempt), target)
    except FormatRefusedError as error:
        raise RefusedError(line, error.problem, error.hint) from None
    if number == 0 or (source.is_number and target.is_number):
        return convert(value, target, line, attempt=attempt, explicit=True)
    raise RefusedError(line, f"CONVERT of {source} to {target} with style {number} is not supported", "write CAST")


def _text(value: Typed, style: int, length: int | None) -> str | None:
    kind = value.type.kind
    if kind in MOMENTS:
        return date_to_text(value.sql, value.type, style, length)
    if kind in APPROXIMATE:
        return float_to_text(value.sql, style)
    return binary_to_text(value.sql, style) if kind == "varbinary" else None
