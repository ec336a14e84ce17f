"""What is wrong with the definition of the semantic model, all at once: names of things that do not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from midnight.powerbi_model.definition import Measure, ModelTable, PowerBiDefinition, split_field
from midnight.powerbi_model.shown_columns import shown_name, tmdl_type
from midnight.powerbi_model.views import ShownView, ShownViews
from midnight.yaml_documents import Location

_DAX_COLUMN = re.compile(r"'([^']+)'\[([^\]]+)\]")
_DAX_MEASURE = re.compile(r"(?<!')(?<![\w\]])\[([^\]]+)\]")


def definition_problems(definition: PowerBiDefinition, shown: ShownViews) -> Iterator[tuple[Location, str]]:
    """Where in the file, and what to correct."""
    columns: dict[str, set[str]] = {}  # as shown, of the tables whose view exists
    for name, table in definition.tables.items():
        view = shown.views.get(table.view)
        if table.view in shown.unreadable:
            continue
        if view is None:
            yield ("tables", name, "view"), f"{table.view!r} does not exist; known are {sorted(shown.views)!r}"
        else:
            columns[name] = {shown_name(column) for column in view.columns}
            yield from _column_problems(name, table, view)
    measures = [measure.name for measure in definition.measures]
    for index, measure in enumerate(definition.measures):
        if measures.index(measure.name) != index:
            yield ("measures", index, "name"), f"{measure.name!r} is given twice; measures share one name space"
        for field, message in _measure_problems(measure, definition, columns, measures):
            yield ("measures", index, field), message
    for page_index, page in enumerate(definition.pages):
        for index, visual in enumerate(page.visuals):
            for field in visual.fields:
                table_name, name = split_field(field)
                known = measures if table_name is None else columns.get(table_name, ())
                if name not in known and (table_name not in definition.tables or table_name in columns):
                    yield ("pages", page_index, "visuals", index), f"{field} does not exist"


def _measure_problems(
    measure: Measure, definition: PowerBiDefinition, columns: Mapping[str, set[str]], measures: list[str]
) -> Iterator[tuple[str, str]]:
    if measure.table not in definition.tables:
        yield "table", f"{measure.table!r} is no table; known are {sorted(definition.tables)!r}"
    elif measure.table in columns:
        for kind in ("sum", "average"):
            column = getattr(measure, kind)
            if column is not None and shown_name(column) not in columns[measure.table]:
                yield kind, f"{column!r} is no column of {definition.tables[measure.table].view}"
        if measure.name in columns[measure.table]:
            yield "name", f"{measure.name!r} is also a column of {measure.table!r}"
    for name in measure.share or ():
        if name not in measures:
            yield "share", f"{name!r} is no measure"
    dax = measure.dax or ""
    for table, column in _DAX_COLUMN.findall(dax):
        if table not in definition.tables or column not in columns.get(table, {column}):
            yield "dax", f"'{table}'[{column}] does not exist"
    for name in _DAX_MEASURE.findall(_DAX_COLUMN.sub("", dax)):
        if name not in measures:
            yield "dax", f"[{name}] is no measure; write columns as 'Table'[Column]"


def _column_problems(name: str, table: ModelTable, view: ShownView) -> Iterator[tuple[Location, str]]:
    named = {
        "hide": table.hide,
        "describe": table.describe,
        "sort": [*table.sort, *table.sort.values()],
        "date": [table.date] if table.date else [],
    }
    for field, columns in named.items():
        for column in columns:
            if column not in view.columns:
                yield ("tables", name, field), f"{column!r} is no column of {table.view}; it has {list(view.columns)!r}"
    for shown in view.columns.values():
        if tmdl_type(shown) is None:
            yield ("tables", name, "view"), f"{shown.name!r} has no type that can be told; CAST it in {table.view}"
