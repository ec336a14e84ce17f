"""The columns of a SELECT, and how ORDER BY refers to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.typed import Typed


@dataclass
class Selected:
    """The columns of one SELECT: name, node and value."""

    names: list[str] = field(default_factory=list)
    nodes: list[s.Node | None] = field(default_factory=list)
    values: list[Typed] = field(default_factory=list)

    def add(self, name: str, node: s.Node | None, value: Typed) -> None:
        self.names.append(name)
        self.nodes.append(node)
        self.values.append(value)


def direction(key: str, descending: bool) -> str:
    """T-SQL sorts NULL first; a character that SQL cannot contain separates the parts."""
    return f"{key}\0{'DESC NULLS LAST' if descending else 'ASC NULLS FIRST'}"


def position_of(node: s.Node, selected: Selected) -> int | None:
    """Return the index of the selected column that an item of ORDER BY refers to: by alias, number or expression."""
    if isinstance(node, s.Name) and len(node.parts) == 1 and node.parts[0] in selected.names:
        return selected.names.index(node.parts[0])
    if isinstance(node, s.Literal) and node.kind == "int":
        if not 1 <= int(node.text) <= len(selected.names):
            raise RefusedError(node.line, f"ORDER BY {node.text}: there is no such column", "name the column")
        return int(node.text) - 1
    return selected.nodes.index(node) if node in selected.nodes else None


def is_constant_query(node: s.Node) -> bool:
    if not isinstance(node, s.Subquery) or not isinstance(node.query.body, q.Select):
        return False
    select = node.query.body
    return select.source is None and len(select.items) == 1 and isinstance(select.items[0].expression, s.Literal)


def without_limit(item: s.OrderItem) -> RefusedError:
    """Return the error for ORDER BY in a view without TOP or OFFSET."""
    hint = "sort in the query that reads the view"
    return RefusedError(item.line, "ORDER BY is allowed in a view only with TOP or OFFSET", hint, in_tsql=True)
