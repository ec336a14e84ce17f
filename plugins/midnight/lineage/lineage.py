"""The lineage of a configuration, and what it says about a column of silver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from midnight.configuration.tables import Table
from midnight.lineage.column_uses import ROWS
from midnight.lineage.graph import Graph, Node
from midnight.lineage.power_bi import add_power_bi
from midnight.lineage.queries import add_models, add_views
from midnight.lineage.tables import add_tables, silver_name

_NAMED = 3  # columns of a model or view in a message


@dataclass(frozen=True)
class Lineage:
    """The lineage of a configuration; it is computed when it is first used.

    Args:
        folder: the configuration folder.
        tables: that it configures.
    """

    folder: Path
    tables: Sequence[Table]

    @cached_property
    def graph(self) -> Graph:
        """Every column from the source to the report."""
        graph = Graph()
        add_tables(graph, self.tables)
        models = add_models(graph, self.folder, self.tables)
        views = add_views(graph, self.folder, models)
        add_power_bi(graph, self.folder, views)
        return graph

    def uses(self, silver: str, columns: Sequence[str] = ()) -> tuple[str, ...]:
        """What uses some columns of a silver table, directly or through others, for people; in the order of the layers.

        Args:
            silver: name of the table.
            columns: of it; empty for all, as for a table that is missing.
        """
        table = next((t for t in self.tables if t.silver == silver), None)
        if table is None:
            return ()
        start = [Node("silver", silver_name(table), column) for column in columns or (ROWS,)]
        return described(self.graph, [node for node in start if node in self.graph.nodes])


def described(graph: Graph, start: Sequence[Node]) -> tuple[str, ...]:
    """What depends on some nodes, by model, view, chart, measure and visual; checks are left out."""
    found: dict[tuple[str, str], list[Node]] = {}
    for node in graph.reach(start, downstream=True):
        if node.layer in ("base view", "reporting view"):
            found.setdefault((node.layer, node.object), []).append(node)
        elif node.layer == "gold" and not node.column:
            found.setdefault(("base view", node.object), []).append(node)
        elif node.layer in ("report", "Power BI measure", "Power BI visual"):
            found.setdefault((node.layer, node.name), []).append(node)
    return tuple(text for nodes in found.values() for text in _described(graph, nodes))


def _described(graph: Graph, nodes: Sequence[Node]) -> Iterator[str]:
    first = nodes[0]
    if first.layer not in ("gold", "base view", "reporting view"):
        yield f"{first.layer} {first.name}"
        return
    columns = [node.column for node in nodes if node.is_column]
    layer = "base view" if first.layer == "gold" else first.layer
    every = [node for node in graph.of_object(layer, first.object) if node.is_column]
    if not columns:
        yield f"{first.object} (its query)"
    elif len(columns) == len(every):
        yield first.object
    else:
        more = f" and {len(columns) - _NAMED} more" if len(columns) > _NAMED else ""
        yield f"{first.object} ({', '.join(columns[:_NAMED])}{more})"
