"""Problems of a measure of the semantic model: columns that do not exist, or that cannot be added up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from midnight.gold_to_serving.tsql.types import SqlType
from midnight.powerbi.model.definition import PowerBiDefinition
from midnight.powerbi.model.measures import EACH_ROW, Measure
from midnight.powerbi.model.views import ShownColumn, ShownView

_DAX_COLUMN = re.compile(r"'((?:[^']|'')+)'\[([^\]]+)\]")
_DAX_MEASURE = re.compile(r"(?<!')(?<![\w\]])\[([^\]]+)\]")
_DAX_TEXT = re.compile(r'"(?:[^"]|"")*"')


def measure_problems(
    measure: Measure, definition: PowerBiDefinition, view: ShownView | None, columns: Mapping[str, set[str]]
) -> Iterator[tuple[str, str]]:
    """Field of the measure, and the problem.

    Args:
        measure: the measure.
        definition: the definition of the model.
        view: of the measure's table; None where the table or its view does not exist.
        columns: names as shown, of each table whose view exists.
    """
    if measure.table not in definition.tables:
        yield "table", f"{measure.table!r} is not a table; hint: one of {sorted(definition.tables)!r}"
    if view is not None:
        for field, name in measure.columns:
            column = view.columns.get(name)
            if column is None:
                yield field, f"{name!r} is not a column of {view_name(measure, definition)}"
            else:
                yield from _wrong_column(measure, field, column)
        if measure.name.casefold() in {column.casefold() for column in columns[measure.table]}:
            yield "name", f"{measure.name!r} is also a column of {measure.table!r}"
    yield from _wrong_references(measure, definition, columns)


def view_name(measure: Measure, definition: PowerBiDefinition) -> str:
    """View of the measure's table."""
    return definition.tables[measure.table].view


def _wrong_column(measure: Measure, field: str, column: ShownColumn) -> Iterator[tuple[str, str]]:
    if field in ("sum", "mean", "median", "weight") and not (column.type and column.type.is_number):
        yield field, f"{column.name!r} is not a number"
    if field == "where":
        (value,) = (value for name, value in measure.where.items() if name == column.name)
        if type(value) is not _python_type(column.type):
            yield field, f"{column.name!r} is compared with {value!r}, which is not of its type"
    if field == "compare" and not (column.type and column.type.kind == "date"):
        yield field, f"{column.name!r} is not a date"
    if field in ("sum", "median", "weight") and column.is_quotient:
        hint = "use mean with its weight" if field != "weight" else "name the column with the number of observations"
        yield field, f"{column.name!r} is a mean, a quantile or a quotient, which cannot be added up; hint: {hint}"
    if field == "mean" and measure.weight == EACH_ROW and column.is_quotient:
        yield (
            field,
            f"{column.name!r} has a mean, a quantile or a quotient in each row, so its rows cannot weigh the same; "
            "hint: weight: the column with the number of observations behind each",
        )


def _python_type(type_: SqlType | None) -> type:
    """Type of a value of YAML that is compared with such a column."""
    if type_ is not None and type_.is_text:
        return str
    return bool if type_ is not None and type_.kind == "bit" else int


def _wrong_references(
    measure: Measure, definition: PowerBiDefinition, columns: Mapping[str, set[str]]
) -> Iterator[tuple[str, str]]:
    measures = {other.name for other in definition.measures}
    for field, name in measure.other_measures:
        if name not in measures:
            yield field, f"{name!r} is not a measure"
        elif name == measure.name:
            yield field, f"{name!r} is a {field} of itself"
    if measure.compare is not None and all(table.date is None for table in definition.tables.values()):
        yield "compare", "needs a date table; hint: name the day of one table by date"
    dax = _DAX_TEXT.sub('""', measure.dax or "")
    for quoted, column in _DAX_COLUMN.findall(dax):
        table = quoted.replace("''", "'")
        if table not in definition.tables or column not in columns.get(table, {column}):
            yield "dax", f"'{quoted}'[{column}] does not exist"
    for name in _DAX_MEASURE.findall(_DAX_COLUMN.sub("", dax)):
        if name not in measures:
            yield "dax", f"[{name}] is not a measure; hint: write columns as 'Table'[Column]"
