"""The semantic model: the definition joined with the columns of the views."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from midnight.errors import ConfigurationError
from midnight.gold_to_serving.run_views import RUN_SCHEMA
from midnight.powerbi.model.definition import ModelTable, PowerBiDefinition, read_definition
from midnight.powerbi.model.definition_problems import definition_problems
from midnight.powerbi.model.measures import Measure, dax_of
from midnight.powerbi.model.run_page import with_run_page
from midnight.powerbi.model.shown_columns import shown_name, tmdl_type
from midnight.powerbi.model.views import ShownView, ShownViews, read_views

_NAMESPACE = uuid.UUID("0d6c5e0a-5f0e-4d0c-9a5b-3c1f5f3f9d11")


def stable_id(*parts: str) -> str:
    """An id that does not change between generations: Power BI identifies an object by it, also after a rename."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


@dataclass(frozen=True)
class ModelColumn:
    """A column of the semantic model.

    Args:
        name: shown name; ``source``: name in the view.
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
    """Many rows of ``from_table`` reference one row of ``to_table``."""

    from_table: str
    from_column: str
    to_table: str
    to_column: str
    active: bool


@dataclass(frozen=True)
class SemanticModel:
    """The input of the TMDL and report writers."""

    definition: PowerBiDefinition
    tables: tuple[BuiltTable, ...]
    relationships: tuple[Relationship, ...]


def build_model(folder: Path) -> SemanticModel:
    """The semantic model that the configuration folder describes.

    Raises:
        ConfigurationError: the definition names what does not exist, or a column lacks its description.
    """
    document, definition = read_definition(folder)
    definition = with_run_page(definition)
    shown = read_views(folder)
    problems = [document.problem(location, message) for location, message in definition_problems(definition, shown)]
    if problems:
        raise ConfigurationError(problems)
    return semantic_model(definition, shown)


def semantic_model(definition: PowerBiDefinition, shown: ShownViews) -> SemanticModel:
    """The semantic model of a definition without ``definition_problems``."""
    relationships = tuple(_relationships(definition, shown))
    tables = tuple(
        _table(name, table, definition, shown, _unrelated(name, definition, relationships))
        for name, table in definition.tables.items()
    )
    return SemanticModel(definition, tables, relationships)


def _table(
    name: str, table: ModelTable, definition: PowerBiDefinition, shown: ShownViews, unrelated: list[str]
) -> BuiltTable:
    view = shown.views[table.view]
    columns = []
    for column in view.columns.values():
        type_, format_ = tmdl_type(column) or ("string", None)
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
        measures=tuple(
            (m, dax_of(m, table.one_value, unrelated, _calendar(definition), _added_up(definition)))
            for m in definition.measures
            if m.table == name
        ),
    )


def _calendar(definition: PowerBiDefinition) -> tuple[str, str] | None:
    """The date table and its column with the day."""
    return next(((name, table.date) for name, table in definition.tables.items() if table.date is not None), None)


def _added_up(definition: PowerBiDefinition) -> list[str]:
    return [measure.name for measure in definition.measures if measure.rows or measure.sum is not None]


def _unrelated(name: str, definition: PowerBiDefinition, relationships: Sequence[Relationship]) -> list[str]:
    """Tables whose filters do not reach the rows of this one: filters follow active relationships from one to many."""
    reaching = {name}
    while True:
        more = {r.to_table for r in relationships if r.active and r.from_table in reaching} - reaching
        if not more:
            tables = definition.tables.items()  # those of the runs are on pages of their own
            return [n for n, table in tables if n not in reaching and not table.view.startswith(f"{RUN_SCHEMA}.")]
        reaching |= more


def _relationships(definition: PowerBiDefinition, shown: ShownViews) -> Iterator[Relationship]:
    """Relationships from each column that references the key of a model to the table that shows this model's rows."""
    tables: Mapping[str, ShownView] = {name: shown.views[table.view] for name, table in definition.tables.items()}
    linked: set[tuple[str, str]] = set()
    for name, view in tables.items():
        for column in view.columns.values():
            for target in sorted(shown.references.get(column.origin, ())) if column.origin else ():
                for other, other_view in tables.items():
                    key = next((c for c in other_view.columns.values() if c.origin == target), None)
                    if other == name or other_view.only_source != target[0] or key is None:
                        continue
                    first = (name, other) not in linked  # Power BI allows one active relationship between two tables
                    linked.add((name, other))
                    yield Relationship(name, shown_name(column.name), other, shown_name(key.name), first)
