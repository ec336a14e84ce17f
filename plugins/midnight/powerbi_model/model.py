"""The semantic model: the definition joined with what the views have. All problems are found here, at once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp  # noqa: TID253 - no DAG file imports this module

from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.powerbi_model.definition import Measure, ModelTable, PowerBiDefinition, read_definition, split_field
from midnight.powerbi_model.views import ShownColumn, ShownView, ShownViews, read_views
from midnight.yaml_documents import Location

_NAMESPACE = uuid.UUID("0d6c5e0a-5f0e-4d0c-9a5b-3c1f5f3f9d11")
_DAX_COLUMN = re.compile(r"'([^']+)'\[([^\]]+)\]")
_DAX_MEASURE = re.compile(r"(?<!')(?<![\w\]])\[([^\]]+)\]")

_TYPES: tuple[tuple[Any, tuple[str, str | None]], ...] = (
    (exp.DataType.INTEGER_TYPES, ("int64", "0")),
    (["date"], ("dateTime", "yyyy-mm-dd")),
    (exp.DataType.TEMPORAL_TYPES, ("dateTime", "yyyy-mm-dd hh:nn")),
    (["float", "double"], ("double", None)),
    (["bit", "boolean"], ("boolean", None)),
    (exp.DataType.TEXT_TYPES, ("string", None)),
)


def stable_id(*parts: str) -> str:
    """The same id at every generation: Power BI recognises an object by it, whatever its name becomes."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def shown_name(column: str) -> str:
    """``on_time_share`` as people read it: ``On time share``."""
    text = column.replace("_", " ")
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class ModelColumn:
    """A column of the semantic model.

    Args:
        name: that people see; ``source`` the view's.
        type: of TMDL; ``format`` its format string.
    """

    name: str
    source: str
    type: str
    format: str | None
    description: str
    hidden: bool
    sort_by: str | None
    is_key: bool


@dataclass(frozen=True)
class BuiltTable:
    """A table with its columns and measures (name -> DAX)."""

    name: str
    schema: str
    view: str
    description: str
    is_date_table: bool
    columns: tuple[ModelColumn, ...]
    measures: tuple[tuple[Measure, str], ...]


@dataclass(frozen=True)
class Relationship:
    """Many rows of ``from_table`` lead to one of ``to_table``."""

    from_table: str
    from_column: str
    to_table: str
    to_column: str
    active: bool


@dataclass(frozen=True)
class SemanticModel:
    """Everything that the TMDL and the report are written from."""

    definition: PowerBiDefinition
    tables: tuple[BuiltTable, ...]
    relationships: tuple[Relationship, ...]


def build_model(folder: Path) -> SemanticModel:
    """The semantic model that the configuration folder describes.

    Raises:
        ConfigurationError: the definition names what does not exist, or a column lacks its description.
    """
    document, definition = read_definition(folder)
    shown = read_views(folder)
    problems = [document.problem(location, message) for location, message in _problems(definition, shown)]
    if problems:
        raise ConfigurationError(problems)
    tables = tuple(_table(name, table, definition, shown) for name, table in definition.tables.items())
    model = SemanticModel(definition, tables, tuple(_relationships(definition, shown)))
    unclear = [
        ConfigurationProblem(
            document.where, None, f"tables.{table.name}.describe.{column.source}", "is missing; add it"
        )
        for table in tables
        for column in table.columns
        if not column.description and not column.hidden
    ]
    if unclear:
        raise ConfigurationError(unclear)
    return model


def _problems(definition: PowerBiDefinition, shown: ShownViews) -> Iterator[tuple[Location, str]]:
    columns: dict[str, set[str]] = {}  # as shown, of the tables whose view exists
    for name, table in definition.tables.items():
        view = shown.views.get(table.view)
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
        if _type(shown) is None:
            yield ("tables", name, "view"), f"{shown.name!r} has no type that can be told; CAST it in {table.view}"


def _type(column: ShownColumn) -> tuple[str, str | None] | None:
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


def _table(name: str, table: ModelTable, definition: PowerBiDefinition, shown: ShownViews) -> BuiltTable:
    view = shown.views[table.view]
    columns = []
    for column in view.columns.values():
        type_, format_ = _type(column) or ("string", None)
        columns.append(
            ModelColumn(
                name=shown_name(column.name),
                source=column.name,
                type=type_,
                format=format_,
                description=table.describe.get(column.name, column.description),
                hidden=column.name in table.hide,
                sort_by=shown_name(table.sort[column.name]) if column.name in table.sort else None,
                is_key=column.name == table.date,
            )
        )
    schema, _, view_name = table.view.partition(".")
    source = shown.views.get(f"gold.{view.only_source}")
    return BuiltTable(
        name=name,
        schema=schema,
        view=view_name,
        description=table.description or (source.description if source else ""),
        is_date_table=table.date is not None,
        columns=tuple(columns),
        measures=tuple((m, _dax(m)) for m in definition.measures if m.table == name),
    )


def _dax(measure: Measure) -> str:
    table = "'" + measure.table.replace("'", "''") + "'"
    if measure.rows:
        return f"COUNTROWS({table})"
    if measure.sum is not None:
        return f"SUM({table}[{shown_name(measure.sum)}])"
    if measure.average is not None:
        return f"AVERAGE({table}[{shown_name(measure.average)}])"
    if measure.share is not None:
        return f"DIVIDE([{measure.share[0]}], [{measure.share[1]}])"
    return (measure.dax or "").strip()


def _relationships(definition: PowerBiDefinition, shown: ShownViews) -> Iterator[Relationship]:
    """From each column that leads to the key of a model, to the table that shows this model's rows."""
    tables: Mapping[str, ShownView] = {name: shown.views[table.view] for name, table in definition.tables.items()}
    linked: set[tuple[str, str]] = set()
    for name, view in tables.items():
        for column in view.columns.values():
            for target in sorted(shown.leads_to.get(column.origin, ())) if column.origin else ():
                for other, other_view in tables.items():
                    key = next((c for c in other_view.columns.values() if c.origin == target), None)
                    if other == name or other_view.only_source != target[0] or key is None:
                        continue
                    first = (name, other) not in linked  # Power BI follows one path between two tables by itself
                    linked.add((name, other))
                    yield Relationship(name, shown_name(column.name), other, shown_name(key.name), first)
