"""The ``bronze_type`` of a column whose values the lake's types cannot hold exactly."""

from __future__ import annotations

import re

from midnight.column_types import MAXIMUM_PRECISION, UNCONSTRAINED_NUMERIC, normalise_type
from midnight.postgres_to_bronze.catalogue import CatalogueColumn
from midnight.scaffold.value_sample import ColumnSample, value_kind

# Two decimals of up to 18 digits have an exact product: p1 + p2 + 1 of at most 38 digits.
_COMFORTABLE_PRECISION = 18
# Spare digits of a proposed numeric, before and after the point.
_ROOM_BEFORE, _ROOM_AFTER = 4, 2
_LONGEST_EXAMPLE = 40
_TOO_WIDE = "More than 38 digits, the limit of the lake's decimals: kept as text."
_PRECISION = re.compile(r"numeric\((\d+),(-?\d+)\)")


def choose_bronze_type(column: CatalogueColumn, seen: ColumnSample) -> tuple[str | None, str]:
    """The ``bronze_type`` of a column (None if it needs none), and the comment with the reason.

    Args:
        column: of the source.
        seen: a sample of its values; without values, the default of the type applies.
    """
    return _numeric_store(column, seen) if value_kind(column) == "numeric" else (None, "")


def unrepresentable_reason(column: CatalogueColumn, seen: ColumnSample, *, identifying: bool) -> str:
    """The comment of a column that needs ``on_unrepresentable: text``; empty for one whose values bronze can hold.

    Args:
        column: of the source.
        seen: a sample of its values.
        identifying: the column is part of a key, which cannot be null.
    """
    if not seen.unusual:
        return ""
    targets = {"time": "date" if column.type == "date" else "timestamp", "numeric": "decimal"}
    target = targets.get(value_kind(column))
    example = seen.unusual if len(seen.unusual) <= _LONGEST_EXAMPLE else f"{seen.unusual[:_LONGEST_EXAMPLE]}…"
    if target is None:
        return f"Holds {example}, which JSON does not keep exactly: kept as PostgreSQL prints it."
    instead = "" if identifying else f" For a {target} in silver write null instead: such values become null, counted."
    return f"Holds {example}, which is not a valid {target} in the lake: kept as text.{instead}"


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
        return f"numeric({precision - scale},0)", "A negative scale, written as whole numbers."
    if precision < scale <= MAXIMUM_PRECISION:
        return f"numeric({scale},{scale})", "The scale exceeds the precision, which the lake does not allow."
    if precision <= MAXIMUM_PRECISION and 0 <= scale <= precision:
        return None, ""
    return ("text", _TOO_WIDE) if seen.scale is None else _wide_number(digits, max(scale, 0))


def _proposed_number(digits: int, seen_scale: int) -> tuple[str | None, str]:
    """Precision and scale for a numeric without them, from the sampled values."""
    scale = seen_scale + _ROOM_AFTER
    precision = max(_COMFORTABLE_PRECISION, digits + _ROOM_BEFORE + scale)
    if precision > MAXIMUM_PRECISION:
        return None, ""
    return (
        f"numeric({precision},{scale})",
        f"No precision in the source. The sample has up to {digits} digits before and {seen_scale} after the point. "
        f"This type has {precision - scale} and {scale}; products of two such columns are exact in gold. A value that "
        "does not fit stops the load; then write a wider type.",
    )


def _wide_number(digits: int, scale: int) -> tuple[str, str]:
    if digits + scale > MAXIMUM_PRECISION:
        return "text", _TOO_WIDE
    left = MAXIMUM_PRECISION - scale
    return (
        f"numeric({MAXIMUM_PRECISION},{scale})",
        f"The lake's decimals have 38 digits. The sample has up to {digits} before and {scale} after the point. A "
        f"value with more than {left} before it stops the load; then write bronze_type: text.",
    )
