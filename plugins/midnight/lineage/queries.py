"""Gold models, base views, reporting views and the charts of the report: everything that is a query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from midnight.column_types import tsql_type
from midnight.configuration.checks import Expression, ForeignKey
from midnight.configuration.tables import Table
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import TypeNotSupportedError
from midnight.gold_to_serving.base_views import BASE_SCHEMA
from midnight.gold_to_serving.reporting_views import FOLDER, REPORTING_SCHEMA
from midnight.lineage.column_uses import ROWS, QueryColumns, SourceColumn
from midnight.lineage.graph import EdgeUse, Graph, Node
from midnight.lineage.query_columns import query_columns
from midnight.report.definition import FILE_NAME, ReportDefinition
from midnight.silver_to_gold.models import GoldColumn, GoldModelContract

# What a query can read: its name for a column -> the node; the name of a table -> its columns, in order.
Known = dict[SourceColumn, Node]
Schema = dict[str, list[str]]
# May also be in a comment: the order of the views is all that depends on it.
_VIEW = re.compile(rf"\b{REPORTING_SCHEMA}\.\w+", re.IGNORECASE)


def add_models(graph: Graph, folder: Path, tables: Sequence[Table]) -> dict[str, GoldModelContract | None]:
    """Add the gold models, their base views and checks.

    Args:
        graph: with the tables.
        folder: the configuration folder.
        tables: that the models read.

    Returns:
        The models, each after those that it reads, with their contracts; None for one that is not valid.
    """
    paths = {path.stem: path for path in sorted((folder / "sql" / "gold").glob("*.sql"))}
    contracts = {name: _contract(path.with_suffix(".yml"), folder) for name, path in paths.items()}
    known, schema = Known(), Schema()
    for table in tables:
        add_known(known, schema, Node("silver", f"silver.{table.silver}"), [c.name for c in table.silver_columns])
    for name, contract in contracts.items():
        if contract is not None:
            add_known(known, schema, Node("gold", f"gold.{name}"), [c.name for c in contract.columns])
    queries = {name: query_columns(_text(path), "spark", schema) for name, path in paths.items()}
    order = in_order({f"gold.{name}": query.tables for name, query in queries.items()})
    for name in (full.partition(".")[2] for full in order):
        contract = contracts[name]
        columns = queries[name].columns if contract is None else [c.name for c in contract.columns]
        if contract is None:
            add_known(known, schema, Node("gold", f"gold.{name}"), columns)
        add_query(graph, known, Node("gold", f"gold.{name}"), queries[name], columns)
    _add_rules(graph, contracts, known, schema, tables)
    for name in order:
        _add_base_view(graph, name, contracts[name.partition(".")[2]])
    return {name: contracts[name] for name in (full.partition(".")[2] for full in order)}


def add_views(graph: Graph, folder: Path, models: Iterable[str]) -> Schema:
    """Add the reporting views.

    Returns:
        The columns of every view, by its name with schema.
    """
    known, schema = Known(), Schema()
    for name in models:
        nodes = [n for n in graph.of_object("base view", f"{BASE_SCHEMA}.{name}") if n.is_column]
        add_known(known, schema, Node("base view", f"{BASE_SCHEMA}.{name}"), [n.column for n in nodes])
    texts = {f"{REPORTING_SCHEMA}.{p.stem}": _text(p) for p in sorted((folder / FOLDER).glob("*.sql"))}
    order = in_order({name: map(str.casefold, _VIEW.findall(text)) for name, text in texts.items()})
    for name in order:
        query = query_columns(texts[name], "tsql", schema)
        add_known(known, schema, Node("reporting view", name), query.columns)
        add_query(graph, known, Node("reporting view", name), query, query.columns)
    _add_charts(graph, folder, known, schema)
    return schema


def add_query(
    graph: Graph, known: Mapping[SourceColumn, Node], target: Node, query: QueryColumns, columns: Sequence[str]
) -> None:
    """Add the result columns of a query.

    Args:
        graph: with what the query reads.
        known: the nodes that it can read.
        target: layer and name of the model or view.
        query: its columns.
        columns: names of its result columns, with their case.
    """
    graph.add_unknown(target, query.unknown)
    if not query.unknown:
        missing = [column for column in columns if column.casefold() not in query.outputs]
        graph.add_unknown(target, [f"its query does not return the column {column!r}" for column in missing])
    reached: set[SourceColumn] = set(query.conditions)
    nodes = []
    for column in columns:
        nodes.append(graph.add_node(target._replace(column=column)))
        uses = query.outputs.get(column.casefold(), {})
        reached |= uses.keys()
        for source, use in uses.items():
            if source in known:
                graph.add(known[source], nodes[-1], use)
    for source, use in query.conditions.items():
        if source in known:
            graph.add(known[source], target._replace(column=ROWS), use)
    for source in sorted(query.reads - reached):
        if source in known:
            graph.add(known[source], target, "reads")
    graph.add_object(nodes)


def add_known(known: Known, schema: Schema, table: Node, columns: Sequence[str]) -> None:
    """Make the columns of a table readable under its name in lower case; without columns they are not known."""
    name = table.object.casefold()
    if columns:
        schema[name] = list(columns)
    known[name, ROWS] = table._replace(column=ROWS)
    known.update({(name, column.casefold()): table._replace(column=column) for column in columns})


def in_order(reads: Mapping[str, Iterable[str]]) -> list[str]:
    """Names of models or views, each after those that it reads; in any order if they read each other in a cycle."""
    names = {name.casefold(): name for name in reads}
    inputs = {n: sorted({names[t] for t in tables if t in names and names[t] != n}) for n, tables in reads.items()}
    try:
        return list(TopologicalSorter(inputs).static_order())
    except CycleError:  # the check of the configuration reports it
        return list(reads)


def _add_base_view(graph: Graph, name: str, contract: GoldModelContract | None) -> None:
    columns = {} if contract is None else {column.name: column for column in contract.columns}
    nodes = []
    for node in [n for n in graph.of_object("gold", name) if n.is_column]:
        nodes.append(graph.add_node(node._replace(layer="base view"), _tsql_type(columns.get(node.column))))
        graph.add(node, nodes[-1], "identity")
    graph.add(Node("gold", name, ROWS), Node("base view", name, ROWS), "rows")
    graph.add_object(nodes)


def _tsql_type(column: GoldColumn | None) -> str:
    try:
        return "" if column is None else tsql_type(column.type, column.max_length)
    except TypeNotSupportedError:
        return ""  # the check of the configuration reports it


def _add_rules(
    graph: Graph,
    contracts: Mapping[str, GoldModelContract | None],
    known: Mapping[SourceColumn, Node],
    schema: Schema,
    tables: Sequence[Table],
) -> None:
    """The checks of gold models, and their comparisons with the source."""
    columns = {t.qualified_name.casefold(): [c.source_name for c in t.columns] for t in tables}
    source = {(t.schema_name.casefold(), t.table.casefold()): t.qualified_name for t in tables}
    plain = {f"{s}.{n}": columns[name.casefold()] for (s, n), name in source.items()}
    for name, contract in contracts.items():
        own = f"gold.{name}".casefold()
        for check in contract.checks if contract is not None else ():
            node = graph.add_node(Node("check", f"gold.{name}", check.label), f"{check.rule}, {check.on_failure}")
            read = {(own, column.casefold()) for column in check.used_columns}
            if isinstance(check, Expression):
                found = query_columns(f"SELECT {check.sql} FROM gold.{name}", "spark", schema)
                read |= found.reads
                graph.add_unknown(node, found.unknown)
            if isinstance(check, ForeignKey):
                read |= {(f"gold.{check.table}".casefold(), column.casefold()) for column in check.references}
            for read_column in sorted(read & known.keys()):
                graph.add(known[read_column], node, "check")
        for rule in contract.reconcile if contract is not None else ():
            node = graph.add_node(Node("check", f"gold.{name}", rule.name), "compared with the source")
            for used in (*rule.group_by, *(figure for _, _, figure in rule.measures if figure)):
                graph.add(Node("gold", f"gold.{name}", used), node, "check")
            compared = query_columns(rule.source, "postgres", plain)
            graph.add_unknown(node, compared.unknown)
            for table, column in sorted(compared.reads):
                schema_name, _, table_name = table.partition(".")
                qualified = source.get((schema_name, table_name))
                names = {c.casefold(): c for c in columns.get((qualified or "").casefold(), ())}
                if qualified is not None and column in names:
                    graph.add(Node("source", qualified, names[column]), node, "check")


def _add_charts(graph: Graph, folder: Path, known: Mapping[SourceColumn, Node], schema: Schema) -> None:
    if not (folder / FILE_NAME).exists():
        return
    definition = YamlDocument(folder / FILE_NAME, folder).validate(ReportDefinition)
    if definition is None:
        graph.add_unknown(Node("report", FILE_NAME), ["it is not valid; hint: midnight check"])
        return
    named = [("figure", figure.title, figure.sql) for figure in definition.figures]
    named += [("chart", chart.title, chart.sql) for chart in definition.charts]
    named += [("chart", chart.title, chart.insight) for chart in definition.charts if chart.insight is not None]
    named += [("headline", definition.title, definition.headline)] if definition.headline is not None else []
    for kind, title, sql in named:
        node = graph.add_node(Node("report", kind, title))
        query = query_columns(sql, "duckdb", schema)
        graph.add_unknown(node, query.unknown)
        uses: list[tuple[SourceColumn, EdgeUse]] = [pair for of in query.outputs.values() for pair in of.items()]
        uses += [*query.conditions.items(), *((source, "reads") for source in sorted(query.reads))]
        for source, use in uses:
            if source in known:
                graph.add(known[source], node, use)


def _contract(path: Path, folder: Path) -> GoldModelContract | None:
    return YamlDocument(path, folder).validate(GoldModelContract) if path.exists() else None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
