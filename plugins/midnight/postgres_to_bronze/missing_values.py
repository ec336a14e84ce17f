"""What rows show that were there before a column: the constant default that PostgreSQL keeps for them."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

from midnight.column_types import TEXT_TYPES, base_name, normalise_type
from midnight.configuration.columns import Column
from midnight.postgres_to_bronze.catalogue import CatalogueColumn

_WHOLE = ("smallint", "integer", "bigint")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
# As PostgreSQL prints values in JSON with our settings: years 0001 to 9999, not infinity, not BC.
_FORMS = {
    "boolean": re.compile(r"true|false"),
    "date": re.compile(r"(?!0000)\d{4}-\d\d-\d\d"),
    "timestamp": re.compile(r"(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(\+00:00)?"),
}


def missing_value(column: Column, actual: CatalogueColumn, stored_as: str) -> tuple[str | None, bool]:
    """The value of rows that were there before a column, and whether only a read can tell it.

    Args:
        column: of the configuration.
        actual: of the catalogue.
        stored_as: stored type of the column.

    Returns:
        The value as text of the stored type; None: null, or unknown if the second part is true. A masked column's value
        is not shown.
    """
    if actual.generated or actual.identity:
        return None, True
    if not actual.has_missing or actual.missing is None:
        return None, actual.has_missing
    known = column.mask is None and column.bronze_type is None and _is_exact(actual, stored_as, actual.missing)
    return (actual.missing, False) if known else (None, True)


def _is_exact(actual: CatalogueColumn, stored_as: str, text: str) -> bool:
    """Whether the text, as PostgreSQL writes it into JSON, is also the text of the value in bronze."""
    if stored_as == "text":
        base = base_name(normalise_type(actual.type))
        return base in (*TEXT_TYPES, "uuid") or actual.category == "E"
    for kind, form in _FORMS.items():
        if stored_as.startswith(kind):
            return form.fullmatch(text) is not None
    try:
        if stored_as in ("real", "double precision"):
            return math.isfinite(float(text))
        number = _NUMERIC.fullmatch(stored_as)
        if stored_as in _WHOLE or (number and actual.type != "money"):
            return _fits(Decimal(text), *((int(number[1]), int(number[2])) if number else (19, 0)))
    except (ValueError, InvalidOperation):
        pass
    return False


def _fits(value: Decimal, precision: int, scale: int) -> bool:
    if not value.is_finite():
        return False
    _, digits, exponent = value.normalize().as_tuple()
    decimals = max(0, -int(exponent))
    return decimals <= scale and len(digits) + int(exponent) <= precision - scale
