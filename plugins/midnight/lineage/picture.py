"""The picture of a lineage: boxes in one lane per layer, and lines from what is read to what reads it, as SVG."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from midnight.lineage.column_uses import DIRECT, ROWS
from midnight.lineage.graph import Graph, Layer, Node

# Bronze has the columns of the source, and a base view those of its model: they have no lane of their own.
LANES: tuple[Layer, ...] = (
    *("source", "silver", "gold", "reporting view", "report"),
    *("Power BI table", "Power BI measure", "Power BI visual"),
)
_WIDTH, _GAP, _LINE, _HEAD, _SPACE, _TOP = 236, 72, 18, 26, 14, 46  # pixels
_LETTERS = 29  # of a name in a box

Place = tuple[Layer, str]


@dataclass
class _Box:
    layer: Layer
    name: str
    rows: list[str] = field(default_factory=list)
    lane: int = 0
    x: float = 0
    y: float = 0

    @property
    def height(self) -> float:
        return _HEAD + _LINE * len(self.rows) + (6 if self.rows else 0)


def objects_picture(graph: Graph, links: Mapping[Place, str]) -> Markup:
    """The picture of all tables, models, views, measures and visuals, without their columns.

    Args:
        graph: of a configuration.
        links: address of each box.
    """
    boxes = {place: _Box(*place) for place in graph.objects if place[0] in LANES}
    lines: dict[tuple[Place, str, Place, str], bool] = {}
    for source, target, direct in _edges(graph, graph.nodes):
        if (source.layer, source.object) != (target.layer, target.object):
            key = ((source.layer, source.object), "", (target.layer, target.object), "")
            lines[key] = lines.get(key, False) or direct
    return _svg(boxes, lines, links, "Tables, models, views, measures and visuals, and what each of them reads")


def columns_picture(graph: Graph, start: Collection[Node], links: Mapping[Place, str]) -> Markup:
    """The picture of some columns, of what they depend on, and of what depends on them.

    Columns that only depend on which rows their table has are shown together, as its rows.
    """
    uses = dict.fromkeys(start, "identity")
    for downstream in (False, True):
        for node, use in graph.reach(start, downstream=downstream).items():
            uses.setdefault(node, use)
    rows = {(node.layer, node.object) for node in uses if node.column == ROWS}

    def row_of(node: Node) -> Node:
        place = (node.layer, node.object)
        together = node not in start and uses[node] not in DIRECT and place in rows
        return node._replace(column=ROWS) if together or not node.column else node

    boxes: dict[Place, _Box] = {}
    lines: dict[tuple[Place, str, Place, str], bool] = {}
    for node in uses:
        own = _shown(graph, node)
        if own is not None and own in uses and own.layer in LANES and own != own._replace(layer="source", column=ROWS):
            box = boxes.setdefault((own.layer, own.object), _Box(own.layer, own.object))
            text = _row_name(row_of(own))
            if text not in box.rows:
                box.rows.append(text)
    for source, target, direct in _edges(graph, uses):
        if source in uses and target in uses:
            one, two = row_of(source), row_of(target)
            key = ((one.layer, one.object), _row_name(one), (two.layer, two.object), _row_name(two))
            if key[0] in boxes and key[2] in boxes and key[0] != key[2]:
                lines[key] = lines.get(key, False) or direct
    name = next(iter(start)).name
    return _svg(boxes, lines, links, f"What {name} depends on, and what depends on it")


def _row_name(node: Node) -> str:
    return "its rows" if node.column == ROWS else node.column


def _edges(graph: Graph, nodes: Iterable[Node]) -> Iterable[tuple[Node, Node, bool]]:
    for node in nodes:
        source = _shown(graph, node)
        for other, use in graph.next(node, downstream=True).items():
            target = _shown(graph, other)
            if source and target and source != target and source.layer in LANES and target.layer in LANES:
                yield source, target, use in DIRECT


def _shown(graph: Graph, node: Node) -> Node | None:
    """The node in whose place it is drawn."""
    if node.layer == "base view":
        return node._replace(layer="gold")
    if node.layer != "bronze":
        return node
    return next((n for n in graph.next(node, downstream=False) if n.column != ROWS or node.column == ROWS), None)


def _svg(
    boxes: Mapping[Place, _Box],
    lines: Mapping[tuple[Place, str, Place, str], bool],
    links: Mapping[Place, str],
    title: str,
) -> Markup:
    lanes = _arrange(boxes, {(key[0], key[2]) for key in lines})
    width = len(lanes) * (_WIDTH + _GAP) - _GAP + 2
    height = max((box.y + box.height for box in boxes.values()), default=_TOP) + 8
    size = Markup('width="{0}" height="{1}" viewBox="0 0 {0} {1}"').format(width, round(height))
    parts = [Markup('<svg class="lineage" role="img" {}><title>{}</title>').format(size, title)]
    seen: set[str] = set()
    for lane in lanes:
        layer = lane[0].layer
        if layer not in seen:
            parts.append(Markup('<text class="lane" x="{}" y="20">{}</text>').format(lane[0].x + 2, layer))
        seen.add(layer)
    for (one, row, two, other), direct in sorted(lines.items(), key=lambda line: line[1]):
        parts.append(_line(boxes[one], row, boxes[two], other, direct))
    parts += [_drawn(box, links.get(place, "")) for place, box in boxes.items()]
    return Markup("\n").join([*parts, Markup("</svg>")])


def _arrange(boxes: Mapping[Place, _Box], reads: Collection[tuple[Place, Place]]) -> list[list[_Box]]:
    """Give each box its lane and place: a box stands to the right of those that it reads, near their height."""
    inputs: dict[Place, list[Place]] = {place: [] for place in boxes}
    for one, two in reads:
        inputs[two].append(one)
    depth: dict[Place, int] = {}

    def depth_in_layer(place: Place, above: frozenset[Place] = frozenset()) -> int:
        if place not in depth:
            same = [p for p in inputs[place] if p[0] == place[0] and p not in above and p != place]
            depth[place] = max((depth_in_layer(p, above | {place}) + 1 for p in same), default=0)
        return depth[place]

    keys = sorted({(LANES.index(place[0]), depth_in_layer(place)) for place in boxes})
    lanes: list[list[_Box]] = [[] for _ in keys]
    for place, box in boxes.items():
        box.lane = keys.index((LANES.index(place[0]), depth[place]))
        lanes[box.lane].append(box)
    of_box = {id(box): place for place, box in boxes.items()}
    for number, lane in enumerate(lanes):
        heights = {
            id(box): [boxes[p].y + boxes[p].height / 2 for p in inputs[of_box[id(box)]] if boxes[p].lane < number]
            for box in lane
        }
        lane.sort(key=lambda box: sum(heights[id(box)]) / len(heights[id(box)]) if heights[id(box)] else 0)
        y = float(_TOP)
        for box in lane:
            box.x, box.y = 1 + number * (_WIDTH + _GAP), y
            y += box.height + _SPACE
    return lanes


def _line(one: _Box, row: str, two: _Box, other: str, direct: bool) -> Markup:
    x1, x2 = one.x + _WIDTH, two.x
    y1, y2 = _row_height(one, row), _row_height(two, other)
    if x2 <= x1:  # in one lane
        x2 = two.x + _WIDTH
        middle1 = middle2 = x1 + _GAP / 2
    else:
        middle1, middle2 = x1 + _GAP / 2, x2 - _GAP / 2
    return Markup('<path class="{}" d="M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}"/>').format(
        "value" if direct else "decides", x1, y1, middle1, y1, middle2, y2, x2, y2
    )


def _row_height(box: _Box, row: str) -> float:
    place = box.rows.index(row) if row in box.rows else -1
    return box.y + (_HEAD / 2 if place < 0 else _HEAD + _LINE * place + _LINE / 2)


def _drawn(box: _Box, link: str) -> Markup:
    text = Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="6"/>').format(box.x, box.y, _WIDTH, box.height)
    text += Markup('<text class="name" x="{}" y="{}">{}</text>').format(box.x + 10, box.y + 17, _short(box.name))
    for place, row in enumerate(box.rows):
        y = box.y + _HEAD + _LINE * place + 13
        kind = "row all" if row == "its rows" else "row"
        text += Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, box.x + 10, y, _short(row))
    hover = Markup("<title>{}</title>").format(f"{box.layer}: {box.name}")
    inner = Markup('<g class="{}">{}{}</g>').format(box.layer.replace(" ", "-").lower(), hover, text)
    return Markup('<a href="#{}">{}</a>').format(link, inner) if link else inner


def _short(text: str) -> Markup:
    return escape(text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…")
