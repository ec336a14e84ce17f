"""All problems of the definition of the semantic model: names that do not exist, duplicate names, unknown types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from midnight.configuration.yaml_document import Location
from midnight.powerbi.model.definition import ModelTable, PowerBiDefinition, split_field
from midnight.powerbi.model.measure_problems import measure_problems
from midnight.powerbi.model.shown_columns import shown_name, tmdl_type
from midnight.powerbi.model.views import ShownView, ShownViews


def definition_problems(definition: PowerBiDefinition, shown: ShownViews) -> Iterator[tuple[Location, str]]:
    """Location in the file, and the problem."""
    columns: dict[str, set[str]] = {}  # as shown, of the tables whose view exists
    yield from _same_names((("tables", name), name) for name in definition.tables)
    for name, table in definition.tables.items():
        view = shown.views.get(table.view)
        if table.view in shown.unreadable:
            continue
        if view is None:
            yield ("tables", name, "view"), f"{table.view!r} does not exist; hint: one of {sorted(shown.views)!r}"
        else:
            columns[name] = {shown_name(column) for column in view.columns}
            yield from _table_problems(name, table, view)
    measures = [measure.name for measure in definition.measures]
    yield from _same_names((("measures", index, "name"), name) for index, name in enumerate(measures))
    for index, measure in enumerate(definition.measures):
        of_measure = definition.tables.get(measure.table)
        view = shown.views.get(of_measure.view) if of_measure else None
        for field, message in measure_problems(measure, definition, view, columns):
            yield ("measures", index, field), message
    for page_index, page in enumerate(definition.pages):
        for field in page.drill_through:
            if not _exists(field, measures, definition, columns):
                yield ("pages", page_index, "drill_through"), f"{field} does not exist"
        for index, visual in enumerate(page.visuals):
            for field in visual.fields:
                if not _exists(field, measures, definition, columns):
                    yield ("pages", page_index, "visuals", index), f"{field} does not exist"


def _exists(field: str, measures: list[str], definition: PowerBiDefinition, columns: Mapping[str, set[str]]) -> bool:
    """A column of a table whose view is unknown counts as existing: the view is reported already."""
    table, name = split_field(field)
    if table is None:
        return name in measures
    return table in definition.tables and (table not in columns or name in columns[table])


def _same_names(named: Iterable[tuple[Location, str]]) -> Iterator[tuple[Location, str]]:
    """Names that are the same to Power BI, which ignores case."""
    first: dict[str, str] = {}
    for location, name in named:
        if name.casefold() in first:
            other = first[name.casefold()]
            yield (
                location,
                f"{name!r} and {other!r} are the same name to Power BI, which ignores case; hint: rename one",
            )
        first.setdefault(name.casefold(), name)


def _table_problems(name: str, table: ModelTable, view: ShownView) -> Iterator[tuple[Location, str]]:
    named: dict[str, Iterable[str]] = {
        "hide": table.hide,
        "describe": table.describe,
        "sort": [*table.sort, *table.sort.values()],
        "date": [table.date] if table.date else [],
        "one_value": [table.one_value] if table.one_value else [],
    }
    for field, columns in named.items():
        for unknown in (column for column in columns if column not in view.columns):
            yield (
                ("tables", name, field),
                f"{unknown!r} is not a column of {table.view}; hint: one of {list(view.columns)!r}",
            )
    seen: dict[str, str] = {}
    for column in view.columns.values():
        if tmdl_type(column) is None:
            yield ("tables", name, "view"), f"the type of {column.name!r} is unknown; hint: CAST it in {table.view}"
        other = seen.setdefault(shown_name(column.name).casefold(), column.name)
        if other != column.name:
            yield (
                ("tables", name, "view"),
                f"{column.name!r} and {other!r} would both be shown as {shown_name(column.name)!r}; hint: rename one",
            )
        described = column.name in table.hide or column.description or table.describe.get(column.name)
        if not described:
            yield ("tables", name, "describe", column.name), "is missing; hint: add a description"
