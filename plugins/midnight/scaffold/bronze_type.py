"""In which type bronze shall hold a column that the lake's types cannot hold as it is."""

from __future__ import annotations

import re

from midnight.column_types import MAXIMUM_PRECISION, UNCONSTRAINED_NUMERIC, normalise_type
from midnight.postgres_to_bronze.catalogue import CatalogueColumn
from midnight.scaffold.value_sample import ColumnSample, value_kind

# Two decimals of up to 18 digits have an exact product: p1 + p2 + 1 of at most 38 digits.
_COMFORTABLE_PRECISION = 18
# Room that a proposed numeric leaves: digits before the point, and after it.
_ROOM_BEFORE, _ROOM_AFTER = 4, 2
_TOO_WIDE = "More digits than the 38 of the lake's decimals: kept as text."
_PRECISION = re.compile(r"numeric\((\d+),(-?\d+)\)")


def choose_bronze_type(column: CatalogueColumn, seen: ColumnSample) -> tuple[str | None, str]:
    """The ``bronze_type`` of a column, None where it needs none; and the sentence that explains it.

    Args:
        column: of the source.
        seen: its values; with nothing seen, the default of the type is trusted.
    """
    kind = value_kind(column)
    if kind == "time" and seen.unusual:
        target = "date" if column.type == "date" else "timestamp"
        return "text", (
            f"Holds {seen.unusual}, which no {target} of the lake can be: kept as text. To get a {target} in silver, "
            f"add null_values: [{seen.unusual}] and cast: {column.type}."
        )
    if kind == "numeric" and seen.unusual:
        return "text", f"Holds {seen.unusual}, which no decimal of the lake can be: kept as text."
    return _numeric_store(column, seen) if kind == "numeric" else (None, "")


def _numeric_store(column: CatalogueColumn, seen: ColumnSample) -> tuple[str | None, str]:
    digits = seen.digits or 0
    declared = _PRECISION.fullmatch(normalise_type(column.type))
    if declared is None:
        precision, scale = (int(part) for part in _PRECISION.findall(UNCONSTRAINED_NUMERIC)[0])
        if digits > precision - scale or (seen.scale or 0) > scale:
            return _wide_number(digits, seen.scale or 0)
        return (None, "") if seen.scale is None else _proposed_number(digits, seen.scale)
    precision, scale = int(declared[1]), int(declared[2])
    if scale < 0 and precision - scale <= MAXIMUM_PRECISION:
        return f"numeric({precision - scale},0)", "A negative scale: the same whole numbers."
    if precision < scale <= MAXIMUM_PRECISION:
        return f"numeric({scale},{scale})", "The scale is above the precision: the same fractions."
    if precision <= MAXIMUM_PRECISION and 0 <= scale <= precision:
        return None, ""
    return ("text", _TOO_WIDE) if seen.scale is None else _wide_number(digits, max(scale, 0))


def _proposed_number(digits: int, seen_scale: int) -> tuple[str | None, str]:
    """A precision and scale for a numeric without any, from the values that were seen."""
    scale = seen_scale + _ROOM_AFTER
    precision = max(_COMFORTABLE_PRECISION, digits + _ROOM_BEFORE + scale)
    if precision > MAXIMUM_PRECISION:
        return None, ""
    return (
        f"numeric({precision},{scale})",
        f"No precision in the source. Seen were {digits} digits before and {seen_scale} after the point; this leaves "
        f"{precision - scale} and {scale}, so that products of two such columns stay exact in gold. A value that does "
        "not fit stops the load: then write a wider one.",
    )


def _wide_number(digits: int, scale: int) -> tuple[str, str]:
    if digits + scale > MAXIMUM_PRECISION:
        return "text", _TOO_WIDE
    left = MAXIMUM_PRECISION - scale
    return (
        f"numeric({MAXIMUM_PRECISION},{scale})",
        f"The lake's decimals have 38 digits. Seen were {digits} before and {scale} after the point; a value with more "
        f"than {left} before stops the load: then write bronze_type: text.",
    )
