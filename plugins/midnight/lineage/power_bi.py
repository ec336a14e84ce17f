"""The Power BI model and report: columns, measures and visuals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from midnight.errors import ConfigurationError
from midnight.lineage.column_uses import ROWS
from midnight.lineage.graph import Graph, Layer, Node
from midnight.powerbi.model.definition import FOLDER, PowerBiDefinition, read_definition, split_field
from midnight.powerbi.model.measures import Measure
from midnight.powerbi.model.shown_columns import shown_name

_DAX_FIELD = re.compile(r"(?:'((?:[^']|'')+)'|(\w+))?\s*\[((?:[^\]]|\]\])+)\]")
_DAX_TABLE = re.compile(r"'((?:[^']|'')+)'(?!\s*\[)|\b(\w+)\b(?!\s*[\[(])")


def add_power_bi(graph: Graph, folder: Path, views: Mapping[str, Sequence[str]]) -> None:
    """Add the model's columns, measures and visuals; nothing without a valid ``model.yml``.

    Args:
        graph: with the views.
        folder: the configuration folder.
        views: the columns of each view, by its name with schema in lower case.
    """
    if not (folder / FOLDER / "model.yml").exists():
        return
    try:
        _, definition = read_definition(folder)
    except ConfigurationError:
        graph.add_unknown(Node("Power BI visual", "model.yml"), ["it is not valid; hint: midnight check"])
        return
    for name, table in definition.tables.items():
        layer: Layer = "base view" if table.view.startswith("gold.") else "reporting view"
        nodes = []
        for column in views.get(table.view.casefold(), ()):
            nodes.append(graph.add_node(Node("Power BI table", name, shown_name(column))))
            graph.add(Node(layer, table.view, column), nodes[-1], "identity")
        graph.add(Node(layer, table.view, ROWS), Node("Power BI table", name, ROWS), "rows")
        graph.add_object(nodes)
    measures = {m.name.casefold(): Node("Power BI measure", m.table, m.name) for m in definition.measures}
    for measure in definition.measures:
        graph.add_node(measures[measure.name.casefold()])
    for measure in definition.measures:
        _add_measure(graph, measure, measures, definition)
    for page in definition.pages:
        for table_of_filter, column in map(split_field, page.drill_through):
            filter_ = graph.add_node(Node("Power BI visual", page.title, "drill through"), "filter of the page")
            graph.add(Node("Power BI table", str(table_of_filter), column), filter_, "filter")
        for visual in page.visuals:
            node = graph.add_node(Node("Power BI visual", page.title, visual.title), visual.kind)
            for of_table, column in map(split_field, visual.fields):
                if of_table is not None:
                    graph.add(Node("Power BI table", of_table, column), node, "identity")
                elif column.casefold() in measures:
                    graph.add(measures[column.casefold()], node, "identity")


def _add_measure(graph: Graph, measure: Measure, measures: Mapping[str, Node], definition: PowerBiDefinition) -> None:
    node = measures[measure.name.casefold()]
    for kind, column in measure.columns:
        source = Node("Power BI table", measure.table, shown_name(column))
        graph.add(source, node, "filter" if kind in ("where", "compare") else "aggregation")
    if measure.rows:
        graph.add(Node("Power BI table", measure.table, ROWS), node, "rows")
    table = definition.tables.get(measure.table)
    if table is not None and table.one_value is not None and not measure.other_measures and measure.dax is None:
        graph.add(Node("Power BI table", measure.table, shown_name(table.one_value)), node, "filter")
    for _, other in measure.other_measures:
        if other.casefold() in measures:
            graph.add(measures[other.casefold()], node, "transformation")
    if measure.dax is not None:
        sources, unknown = _named_in_dax(measure.dax, graph, measures)
        graph.add_unknown(node, [f"its DAX names {name}, which is not in the model" for name in unknown])
        for source in sources:
            graph.add(source, node, "transformation")


def _named_in_dax(dax: str, graph: Graph, measures: Mapping[str, Node]) -> tuple[list[Node], list[str]]:
    """The columns, measures and tables that an expression names, and the columns that are not known."""
    columns = {(n.object.casefold(), n.column.casefold()): n for n in graph.nodes if n.layer == "Power BI table"}
    found, unknown = [], []
    for quoted, plain, column in _DAX_FIELD.findall(dax):
        table, name = _table_name(quoted, plain), column.replace("]]", "]").casefold()
        node = columns.get((table, name)) or measures.get(name)
        if node is not None:
            found.append(node)
        elif table:
            unknown.append(f"{quoted or plain}[{column}]")
    named = {_table_name(quoted, plain) for quoted, plain in _DAX_TABLE.findall(dax)}
    tables = {table: Node("Power BI table", node.object, ROWS) for (table, _), node in columns.items()}
    return [*found, *(node for table, node in tables.items() if table in named)], unknown


def _table_name(quoted: str, plain: str) -> str:
    return (quoted.replace("''", "'") or plain).casefold()
