"""What a person names: a column, a table, a measure, a chart or a visual."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from midnight.errors import MidnightError
from midnight.lineage.graph import Graph, Layer, Node
from midnight.sql_text import quote_if_needed

# Of two nodes with one name the first counts: bronze and the base view have the names of source and gold.
_LAYERS: tuple[Layer, ...] = (
    *("source", "silver", "gold", "reporting view", "Power BI table", "Power BI measure", "Power BI visual"),
    *("report", "check"),
)
_TABLES = _LAYERS[:4]


class UnknownNameError(MidnightError):
    """The lineage has nothing with this name."""


def find_nodes(graph: Graph, name: str) -> list[Node]:
    """The nodes of a name; of a table or view with all of its columns.

    Args:
        graph: of a configuration.
        name: ``public.flights.tailnum``, ``silver.flights``, ``gold.dim_date.year``, ``reporting.flight.route``,
            ``Calendar[Year month]``, or the name of a measure, visual, figure, chart or check; case is ignored.

    Raises:
        UnknownNameError: nothing has the name.
    """
    wanted = name.strip().casefold()
    tables: dict[str, tuple[Layer, str]] = {}
    for layer in _LAYERS:
        for place in (place for place in graph.objects if place[0] == layer):
            table = place[1].casefold()
            if layer in _TABLES and wanted == table:
                return graph.of_object(*place)
            if layer in _TABLES and wanted.startswith(f"{table}."):
                tables.setdefault(table, place)
            if layer not in _TABLES or wanted.startswith(f"{table}."):
                found = [node for node in graph.of_object(*place) if node.is_column and wanted in _names(node)]
                if found:
                    return found
    if tables:
        longest = max(tables, key=len)
        wrong = name.strip()[len(longest) + 1 :]
        columns = [node.column for node in graph.of_object(*tables[longest]) if node.is_column]
        raise UnknownNameError(f"{tables[longest][1]} has no column {wrong!r}", _hint(wrong, columns))
    raise UnknownNameError(f"{name!r} is not in the lineage", _hint(name, _shown_names(graph)))


def _names(node: Node) -> set[str]:
    """What a person may call a node, in small letters."""
    if node.layer in _TABLES:
        names = {f"{node.object}.{node.column}", f"{node.object}.{quote_if_needed(node.column)}"}
    elif node.layer == "Power BI table":
        names = {node.name}
    else:
        names = {node.name, node.column, f"[{node.column}]"}
    return {name.casefold() for name in names}


def _shown_names(graph: Graph) -> list[str]:
    """With their case, for hints."""
    tables = [name for layer, name in graph.objects if layer in _TABLES]
    columns = [node.name for node in graph.nodes if node.layer in _LAYERS[:5] and node.is_column]
    return [*dict.fromkeys(tables), *columns, *(n.column for n in graph.nodes if n.layer in _LAYERS[5:] and n.column)]


def _hint(name: str, known: Sequence[str]) -> str:
    folded = {text.casefold(): text for text in reversed(known)}
    close = [folded[text] for text in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return "give schema.table.column, a table, a view, or the name of a measure; midnight lineage --html shows all"
