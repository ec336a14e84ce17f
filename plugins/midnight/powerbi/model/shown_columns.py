"""How a column of a view appears in Power BI."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.types import APPROXIMATE, INTEGERS, TEXTS, TIMESTAMPS
from midnight.powerbi.model.views import ShownColumn

_TYPES: tuple[tuple[tuple[str, ...], tuple[str, str | None]], ...] = (
    (INTEGERS, ("int64", "0")),
    (("date",), ("dateTime", "yyyy-mm-dd")),
    ((*TIMESTAMPS, "time"), ("dateTime", "yyyy-mm-dd hh:nn")),
    (APPROXIMATE, ("double", None)),
    (("bit",), ("boolean", None)),
    (TEXTS, ("string", None)),
)


def shown_name(column: str) -> str:
    """The shown name of a column: ``On time share`` for ``on_time_share``."""
    text = column.replace("_", " ")
    return text[:1].upper() + text[1:]


def tmdl_type(column: ShownColumn) -> tuple[str, str | None] | None:
    """TMDL type and format string; None when the type is not known from the view's query."""
    if column.type is None:
        return None
    if column.type.kind == "decimal":
        # Power BI's decimal has four digits after the point.
        return ("decimal" if column.type.scale <= 4 else "double"), None
    for kinds, tmdl in _TYPES:
        if column.type.kind in kinds:
            return (tmdl[0], "0.0 %") if tmdl[0] == "double" and column.name.endswith("_share") else tmdl
    return None
