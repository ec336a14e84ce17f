"""From the source to silver: the columns of each configured table, with the rules of its file."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.configuration.checks import Expression, ForeignKey
from midnight.configuration.columns import Column, Fill
from midnight.configuration.tables import Table
from midnight.lineage.column_uses import ROWS
from midnight.lineage.graph import EdgeUse, Graph, Node
from midnight.lineage.query_columns import query_columns


def add_tables(graph: Graph, tables: Sequence[Table]) -> None:
    """Add the columns of source, bronze and silver, and the checks of silver."""
    for table in tables:
        _add_columns(graph, table)
    for table in tables:
        _add_checks(graph, table)


def silver_name(table: Table) -> str:
    return f"silver.{table.silver}"


def _add_columns(graph: Graph, table: Table) -> None:
    source, silver = table.qualified_name, silver_name(table)
    keys = {*table.key, *(name for name, _ in table.ordering), *([table.cursor_name] if table.cursor_name else [])}
    nodes = []
    for column in table.columns:
        before, bronze = Node("source", source, column.source_name), Node("bronze", source, column.name)
        graph.add_node(before, column.type)
        graph.add_node(bronze, _bronze_note(column))
        graph.add(before, bronze, "identity" if column.bronze_type is None else "transformation")
        nodes += [before, bronze]
        if column.name in keys:
            graph.add(bronze, Node("silver", silver, ROWS), "key")
        elif column.nulls == "drop_row":
            graph.add(bronze, Node("silver", silver, ROWS), "filter")
        if not column.drop:
            target = graph.add_node(Node("silver", silver, column.name), ", ".join(_rules(table, column)))
            graph.add(bronze, target, _use(table, column))
            nodes.append(target)
    graph.add(Node("source", source, ROWS), Node("bronze", source, ROWS), "rows")
    graph.add(Node("bronze", source, ROWS), Node("silver", silver, ROWS), "rows")
    graph.add_object(nodes)


def _add_checks(graph: Graph, table: Table) -> None:
    for check in table.checks:
        node = graph.add_node(Node("check", silver_name(table), check.label), f"{check.rule}, {check.on_failure}")
        names = list(check.used_columns)
        if isinstance(check, Expression):
            query = query_columns(f"SELECT {check.sql} FROM t", "spark", {"t": [c.name for c in table.columns]})
            names += [c.name for c in table.silver_columns if ("t", c.name.casefold()) in query.reads]
            graph.add_unknown(node, query.unknown)
        for name in names:
            graph.add(Node("silver", silver_name(table), name), node, "check")
        if isinstance(check, ForeignKey):
            for name in check.references:
                graph.add(Node("silver", f"silver.{check.table}", name), node, "check")


def _bronze_note(column: Column) -> str:
    stored = f"as {column.bronze_type}" if column.bronze_type is not None else ""
    renamed = f"renamed from {column.source_name}" if column.source_name != column.name else ""
    return ", ".join(filter(None, (renamed, stored, "not in silver" if column.drop else "")))


def _rules(table: Table, column: Column) -> list[str]:
    found = [f"cast to {column.cast}"] if column.cast is not None else []
    texts = table.null_values if column.null_values is None else column.null_values
    if texts and _is_text(column):
        found.append(f"null where {', '.join(map(repr, texts))}")
    if isinstance(column.nulls, Fill):
        found.append(f"null becomes {column.nulls.fill!r}")
    elif column.nulls == "drop_row":
        found.append("rows with null are dropped")
    if column.mask is not None:
        found.append("masked: a pseudonym")
    return found


def _is_text(column: Column) -> bool:
    kind = (column.bronze_type or column.type).lower()
    return kind.startswith(("text", "character", "char", "varchar", "citext", "name"))


def _use(table: Table, column: Column) -> EdgeUse:
    changed = column.cast is not None or isinstance(column.nulls, Fill) or column.mask is not None
    texts = table.null_values if column.null_values is None else column.null_values
    return "transformation" if changed or (texts and _is_text(column)) else "identity"
