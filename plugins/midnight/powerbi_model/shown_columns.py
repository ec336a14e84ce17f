"""How a column of a view appears in Power BI."""

from __future__ import annotations

from typing import Any

from sqlglot import exp  # noqa: TID253 - no DAG file imports this module

from midnight.powerbi_model.views import ShownColumn

_TYPES: tuple[tuple[Any, tuple[str, str | None]], ...] = (
    (exp.DataType.INTEGER_TYPES, ("int64", "0")),
    (["date"], ("dateTime", "yyyy-mm-dd")),
    (exp.DataType.TEMPORAL_TYPES, ("dateTime", "yyyy-mm-dd hh:nn")),
    (["float", "double"], ("double", None)),
    (["bit", "boolean"], ("boolean", None)),
    (exp.DataType.TEXT_TYPES, ("string", None)),
)


def shown_name(column: str) -> str:
    """``on_time_share`` as people read it: ``On time share``."""
    text = column.replace("_", " ")
    return text[:1].upper() + text[1:]


def tmdl_type(column: ShownColumn) -> tuple[str, str | None] | None:
    """TMDL type and format string; None where the view's query does not tell the type."""
    type_ = column.type
    if type_ is not None and type_.is_type("decimal"):
        # Power BI's decimal has four digits after the point.
        scale = int(type_.expressions[1].name) if len(type_.expressions) > 1 else 0
        return ("decimal" if scale <= 4 else "double"), None
    for kinds, tmdl in _TYPES:
        if type_ is not None and type_.is_type(*kinds):
            return (tmdl[0], "0.0 %") if tmdl[0] == "double" and column.name.endswith("_share") else tmdl
    return None
