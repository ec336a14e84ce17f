"""The lineage of a column as a tree for a terminal: by layer and table, values before what only decides about rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from rich.tree import Tree

from midnight.lineage.column_uses import DIRECT, ROWS
from midnight.lineage.graph import EdgeUse, Graph, Node

_USES: dict[EdgeUse, str] = {
    "identity": "the value",
    "transformation": "computed from it",
    "aggregation": "aggregated from it",
    "condition": "chosen by it",
    "window": "its window depends on it",
    "join": "through a join",
    "filter": "through a filter",
    "group": "through the groups",
    "sort": "through the order",
    "rows": "through the rows",
    "key": "through the key",
    "check": "checks it",
    "reads": "only its query names it",
}
_EMPTY = {"upstream": "nothing: it comes from the source", "downstream": "nothing uses it"}


def lineage_tree(graph: Graph, name: str, start: Sequence[Node], found: Mapping[str, Mapping[Node, EdgeUse]]) -> Tree:
    """The tree.

    Args:
        graph: of the configuration.
        name: what was asked for.
        start: its nodes.
        found: ``upstream`` and ``downstream`` -> what was found there, in the order of the layers.
    """
    first = start[0]
    note = graph.notes.get(first, "") if len(start) == 1 else f"{sum(n.is_column for n in start)} columns"
    of_one = len(start) == 1
    root = Tree(_line(first.name if of_one else name, first.layer, note))
    for direction, nodes in found.items():
        branch = root.add(Text(direction, "bold"))
        if not nodes:
            branch.add(Text(_EMPTY[direction], "dim"))
        layers: dict[str, Tree] = {}
        objects: dict[tuple[str, str], dict[Node, EdgeUse]] = {}
        for node, use in nodes.items():
            objects.setdefault((node.layer, node.object), {})[node] = use
        for (layer, shown), uses in objects.items():
            parent = layers[layer] = layers.get(layer) or branch.add(Text(layer, "cyan"))
            _add_object(parent, graph, shown, uses, "all columns" if direction == "downstream" else "its rows")
    return root


def _add_object(parent: Tree, graph: Graph, name: str, uses: Mapping[Node, EdgeUse], of_rows: str) -> None:
    rows = next((use for node, use in uses.items() if node.column == ROWS), None)
    own = parent.add(Text(name))
    if rows is not None:
        own.add(Text.assemble((of_rows, "italic"), (f"  {_USES[rows]}", "dim")))
    for node, use in uses.items():
        if node.column == ROWS or (rows is not None and use not in DIRECT and use == rows):
            continue
        own.add(_line(node.column or "its query", _USES[use], graph.notes.get(node, "")))


def _line(name: str, *details: str) -> Text:
    shown = "; ".join(filter(None, details))
    return Text.assemble(name, (f"  {shown}" if shown else "", "dim"))
