"""The page of a configuration's lineage: one self-contained file without scripts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from midnight.lineage.column_uses import DIRECT
from midnight.lineage.graph import Graph, Node
from midnight.lineage.picture import LANES, Place, columns_picture, objects_picture
from midnight.report.templates import FOLDER as REPORT_FOLDER

FOLDER = Path(__file__).parent


def lineage_page(graph: Graph, start: Collection[Node] = ()) -> str:
    """The page: a picture of all tables and views, and the columns of each with what they depend on.

    Args:
        graph: of a configuration.
        start: columns whose own picture comes first.
    """
    places = [place for layer in LANES for place in graph.objects if place[0] == layer]
    links = {place: f"o{number}" for number, place in enumerate(places)}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    style = Markup((REPORT_FOLDER / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template("page.html.j2").render(
        style=style,
        name=next(iter(start)).name if start else "",
        of_columns=columns_picture(graph, start, links) if start else "",
        of_objects=objects_picture(graph, links),
        unknown=[(node, reason) for node, reasons in graph.unknown.items() for reason in reasons],
        objects=[_described(graph, place, links[place]) for place in places],
    )


def _described(graph: Graph, place: Place, link: str) -> dict[str, Any]:
    layer, name = place
    nodes = [node for node in graph.of_object(layer, name) if node.is_column]
    columns = []
    for node in nodes:
        sources = graph.next(node, downstream=False)
        if layer == "silver":  # of bronze, whose columns are those of the source
            sources = {s: use for b, use in sources.items() for s in graph.next(b, downstream=False) if s.is_column}
        columns.append(
            {
                "name": node.column,
                "values": [s.name for s, use in sources.items() if use in DIRECT],
                "decides": [s.name for s, use in sources.items() if use not in DIRECT and s.is_column],
                "note": graph.notes.get(node, ""),
            }
        )
    rows = graph.next(Node(layer, name, "*"), downstream=False)
    return {
        "layer": layer, "name": name, "link": link, "columns": columns,
        "rows": [node.name for node in rows if node.is_column],
    }  # fmt: skip
