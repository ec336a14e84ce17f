"""The semantic model as TMDL (learn.microsoft.com/analysis-services/tmdl): one text per file of ``definition/``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from midnight.powerbi.model.folder_names import file_name
from midnight.powerbi.model.semantic_model import BuiltTable, ModelColumn, Relationship, SemanticModel, stable_id

COMPATIBILITY_LEVEL = 1601  # the lowest with everything that is used here
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")


def quoted(name: str) -> str:
    """An object's name in TMDL: in single quotes unless it is a plain word."""
    return name if _PLAIN_NAME.fullmatch(name) else "'" + name.replace("'", "''") + "'"


def tmdl_files(model: SemanticModel) -> dict[str, str]:
    """Path below ``definition/`` -> text."""
    files = {
        "database.tmdl": _text(["database", f"\tcompatibilityLevel: {COMPATIBILITY_LEVEL}"]),
        "model.tmdl": _text(_model(model)),
        "expressions.tmdl": _text(_parameters(model)),
        "relationships.tmdl": _text(line for item in model.relationships for line in _relationship(item)),
    }
    return files | {f"tables/{file_name(table.name)}.tmdl": _text(_table(table)) for table in model.tables}


def _text(lines: Iterator[str] | list[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def _description(text: str, indent: str) -> list[str]:
    return [f"{indent}/// {line}" for line in text.split("\n") if line]


def _model(model: SemanticModel) -> Iterator[str]:
    yield from _description(model.definition.description, "")
    yield "model Model"
    yield "\tculture: en-US"
    yield "\tdefaultPowerBIDataSourceVersion: powerBI_V3"
    yield "\tdiscourageImplicitMeasures"  # a sum of shares would be wrong: measures define the aggregation
    yield "\tsourceQueryCulture: en-US"
    yield ""
    yield "\tannotation __PBI_TimeIntelligenceEnabled = 0"  # no hidden date table per date column
    yield ""
    for table in model.tables:
        yield f"ref table {quoted(table.name)}"


def _parameters(model: SemanticModel) -> Iterator[str]:
    values = {
        "Server": (
            model.definition.server,
            "The workspace's serverless SQL endpoint: terraform output synapse_sql_endpoint.",
        ),
        "Database": (model.definition.database, "Midnight's database there."),
    }
    for name, (value, description) in values.items():
        yield from _description(description, "")
        text = value.replace('"', '""')
        yield f'expression {name} = "{text}" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]'
        yield f"\tlineageTag: {stable_id('parameter', name)}"
        yield ""
        yield "\tannotation PBI_ResultType = Text"
        yield ""


def _relationship(relationship: Relationship) -> Iterator[str]:
    from_ = f"{quoted(relationship.from_table)}.{quoted(relationship.from_column)}"
    to = f"{quoted(relationship.to_table)}.{quoted(relationship.to_column)}"
    yield f"relationship {stable_id('relationship', from_, to)}"
    if not relationship.active:
        yield "\tisActive: false"
    yield f"\tfromColumn: {from_}"
    yield f"\ttoColumn: {to}"
    yield ""


def _table(table: BuiltTable) -> Iterator[str]:
    yield from _description(table.description, "")
    yield f"table {quoted(table.name)}"
    yield f"\tlineageTag: {stable_id('table', table.name)}"
    if table.is_date_table:
        yield "\tdataCategory: Time"
    yield ""
    for measure, dax in table.measures:
        yield from _description(measure.description, "\t")
        yield f"\tmeasure {quoted(measure.name)} = {dax}"
        yield f"\t\tformatString: {measure.format}"
        yield f"\t\tlineageTag: {stable_id('measure', measure.name)}"
        yield ""
    for column in table.columns:
        yield from _column(table, column)
    yield f"\tpartition {quoted(table.name)} = m"
    yield "\t\tmode: import"
    yield "\t\tsource ="
    yield "\t\t\t\tlet"
    yield "\t\t\t\t    Source = Sql.Database(Server, Database),"
    yield f'\t\t\t\t    View = Source{{[Schema = "{table.schema}", Item = "{table.view}"]}}[Data]'
    yield "\t\t\t\tin"
    yield "\t\t\t\t    View"


def _column(table: BuiltTable, column: ModelColumn) -> Iterator[str]:
    yield from _description(column.description, "\t")
    yield f"\tcolumn {quoted(column.name)}"
    yield f"\t\tdataType: {column.type}"
    if column.hidden:
        yield "\t\tisHidden"
    if column.is_key:
        yield "\t\tisKey"
    if column.format is not None:
        yield f"\t\tformatString: {column.format}"
    yield f"\t\tlineageTag: {stable_id('column', table.name, column.source)}"
    yield "\t\tsummarizeBy: none"
    yield f"\t\tsourceColumn: {column.source}"
    if column.sort_by is not None:
        yield f"\t\tsortByColumn: {quoted(column.sort_by)}"
    yield ""
