"""`midnight lineage`: where a column comes from, and what depends on it; no service and no data is needed."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.console.lineage_tree import lineage_tree
from midnight.configuration.files import ConfigurationFiles, read_configuration
from midnight.lineage.column_uses import DIRECT
from midnight.lineage.find import find_nodes
from midnight.lineage.graph import EdgeUse, Graph, Node
from midnight.lineage.lineage import Lineage
from midnight.settings import load_settings

_WIDTH = 240


def main(*, of: str | None, directions: Sequence[str], as_json: bool = False, html: Path | None = None) -> int:
    """Print the lineage of a name, or write the page.

    Args:
        of: a column, table, view, measure, visual, chart or check; None only with ``html``.
        directions: ``upstream``, ``downstream`` or both.
        as_json: print one JSON document.
        html: file for the page, which shows all columns, and opens at ``of``.

    Returns:
        0. Errors are raised as ``MidnightError``.
    """
    folder = load_settings().config
    files, graph = _read(folder)
    if files.problems:
        print("warning: the configuration has problems, so the lineage may not be complete; hint: midnight check",
              file=sys.stderr)  # fmt: skip
    start = [] if of is None else find_nodes(graph, of)
    if html is not None:
        from midnight.lineage.page import lineage_page

        html.write_text(lineage_page(graph, start), encoding="utf-8")
        print(f"The page is at {html}", file=sys.stderr if as_json else sys.stdout)
    if of is None:
        return 0
    found = {direction: graph.reach(start, downstream=direction == "downstream") for direction in directions}
    if as_json:
        document = {"of": [_as_json(graph, node) for node in start]}
        document |= {key: [_as_json(graph, node, use) for node, use in nodes.items()] for key, nodes in found.items()}
        document["unknown"] = [
            {**_as_json(graph, node), "reason": reason} for node, reasons in graph.unknown.items() for reason in reasons
        ]
        print(json.dumps(document, indent=1, ensure_ascii=False))
    elif html is None:
        # A pipe has no width, and a line must not be cut off in it.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
        console.print(lineage_tree(graph, of, start, found))
        # Also of queries that are not in the tree: they may read what was asked for.
        for node, reasons in graph.unknown.items():
            for reason in reasons:
                console.print(f"unknown: {node.layer} {node.name}: {reason}", markup=False, soft_wrap=True)
    return 0


def _read(folder: Path) -> tuple[ConfigurationFiles, Graph]:
    gc.disable()  # nothing of it becomes garbage, and with 500 tables the search for it takes a quarter of the time
    try:
        files = read_configuration(folder)
        return files, Lineage(folder, files.tables).graph
    finally:
        gc.enable()


def _as_json(graph: Graph, node: Node, use: EdgeUse | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {"layer": node.layer, "name": node.name, "object": node.object, "column": node.column}
    if use is not None:
        shown |= {"use": use, "direct": use in DIRECT}
    return shown | ({"note": graph.notes[node]} if node in graph.notes else {})
