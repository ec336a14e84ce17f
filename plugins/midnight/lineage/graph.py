"""The graph of columns: what each depends on, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, cast

from midnight.lineage.column_uses import DIRECT, ROWS, Use, through

Layer = Literal[
    "source",
    "bronze",
    "silver",
    "check",
    "gold",
    "base view",
    "reporting view",
    "report",
    "Power BI table",
    "Power BI measure",
    "Power BI visual",
]
# ``key``: it identifies a row, or chooses between rows of one key; ``check``: a check or a comparison with the source
# reads it; ``reads``: a query names it, and no result column depends on it.
EdgeUse = Literal[Use, "key", "check", "reads"]


class Node(NamedTuple):
    """A column, a measure, a visual, a chart or a check.

    Args:
        layer: where it is.
        object: table, model or view with its schema; page of a visual; ``figure`` or ``chart``.
        column: of the object; ROWS for which rows the object has, empty for its query as a whole.
    """

    layer: Layer
    object: str
    column: str = ""

    @property
    def name(self) -> str:
        """For people, without the layer."""
        if not self.column and self.layer in ("Power BI visual", "report"):
            return self.object  # a file that is not valid
        if self.layer == "Power BI visual":
            return f"{self.column!r} on {self.object!r}"
        if self.layer in ("report", "Power BI measure"):
            return repr(self.column) if self.layer == "Power BI measure" else f"{self.object} {self.column!r}"
        if self.layer == "Power BI table":
            return f"{self.object} (rows)" if self.column == ROWS else f"{self.object}[{self.column}]"
        if self.layer == "check":
            return f"{self.column!r} of {self.object}"
        return {ROWS: f"{self.object} (rows)", "": f"{self.object} (query)"}.get(
            self.column, f"{self.object}.{self.column}"
        )

    @property
    def is_column(self) -> bool:
        """Whether it is one column of a table, model or view."""
        return self.column not in ("", ROWS)


class Graph:
    """Nodes and the uses between them."""

    def __init__(self) -> None:
        self._targets: dict[Node, dict[Node, EdgeUse]] = {}
        self._sources: dict[Node, dict[Node, EdgeUse]] = {}
        self._objects: dict[tuple[Layer, str], dict[Node, None]] = {}
        self.notes: dict[Node, str] = {}
        self.unknown: dict[Node, tuple[str, ...]] = {}

    @property
    def nodes(self) -> Mapping[Node, Mapping[Node, EdgeUse]]:
        """Every node with what uses it, in the order of the layers."""
        return self._targets

    def add_node(self, node: Node, note: str = "") -> Node:
        """Add a node; ``note`` says what happens to its values (its rules, its type), for people."""
        if node not in self._targets:
            self._targets[node], self._sources[node] = {}, {}
            self._objects.setdefault((node.layer, node.object), {})[node] = None
        if note:
            self.notes[node] = note
        return node

    def add(self, source: Node, target: Node, use: EdgeUse) -> None:
        """``target`` uses ``source``; of two uses the first one stays."""
        self.add_node(source)
        self.add_node(target)
        self._targets[source].setdefault(target, use)
        self._sources[target].setdefault(source, use)

    def add_unknown(self, node: Node, reasons: Iterable[str]) -> None:
        """Say what of a query could not be followed, and why."""
        if found := tuple(dict.fromkeys([*self.unknown.get(node, ()), *reasons])):
            self.unknown[node] = found

    def add_object(self, columns: Iterable[Node]) -> None:
        """Each column of an object depends on the rows that it has."""
        for column in columns:
            self.add(Node(column.layer, column.object, ROWS), column, "rows")

    def next(self, node: Node, *, downstream: bool) -> Mapping[Node, EdgeUse]:
        """What uses a node, or what it uses."""
        return (self._targets if downstream else self._sources).get(node, {})

    def reach(self, start: Iterable[Node], *, downstream: bool) -> dict[Node, EdgeUse]:
        """Everything that depends on some nodes, or that they depend on, in the order of the layers.

        Args:
            start: the nodes; they are not part of the result, unless one depends on another.
            downstream: what depends on them; otherwise what they depend on.

        Returns:
            Node -> its use: direct only if a value can go the whole way.
        """
        found: dict[Node, EdgeUse] = {}
        waiting: list[tuple[Node, EdgeUse]] = [(node, "identity") for node in start]
        while waiting:
            node, use = waiting.pop()
            for other, step in self.next(node, downstream=downstream).items():
                combined = _combined(use, step) if downstream else _combined(step, use)
                known = found.get(other)
                if known is None or (known not in DIRECT and combined in DIRECT):
                    found[other] = combined
                    waiting.append((other, combined))
        return {node: found[node] for node in self._targets if node in found}

    @property
    def objects(self) -> Iterable[tuple[Layer, str]]:
        """Every table, model, view and page, with its layer."""
        return self._objects.keys()

    def of_object(self, layer: Layer, name: str) -> list[Node]:
        """The nodes of one object."""
        return list(self._objects.get((layer, name), ()))


def _combined(first: EdgeUse, second: EdgeUse) -> EdgeUse:
    """The use of what is used through another use; of the rows of an object, what decides about them."""
    if second == "rows" and first not in DIRECT:
        return first
    for use in (second, first):
        if use in ("key", "check", "reads"):
            return use
    return through(cast(Use, first), cast(Use, second))
