"""The syntax tree of T-SQL expressions and conditions. Nodes are equal when they have the same content on any line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING
from typing import Literal as Choice

if TYPE_CHECKING:
    from midnight.gold_to_serving.tsql.query_syntax import Query


@dataclass(frozen=True)
class Node:
    """A node of the tree, with its line in the text."""

    line: int = field(default=1, compare=False, kw_only=True)


@dataclass(frozen=True)
class Literal(Node):
    """A constant; ``text`` is a number as written, or the value of a string."""

    kind: Choice["int", "decimal", "float", "text", "ntext", "binary", "null"]
    text: str = ""


@dataclass(frozen=True)
class Name(Node):
    """A column, with its qualifiers."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Star(Node):
    """``*`` or ``t.*``."""

    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unary(Node):
    """``-x``, ``+x``, ``~x``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    """``+ - * / % & | ^``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Collate(Node):
    operand: Node
    collation: str


@dataclass(frozen=True)
class AtTimeZone(Node):
    operand: Node
    zone: Node


@dataclass(frozen=True)
class TypeName(Node):
    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cast(Node):
    """CAST, TRY_CAST, CONVERT and TRY_CONVERT."""

    function: str
    operand: Node
    type: TypeName
    style: Node | None = None


@dataclass(frozen=True)
class Case(Node):
    operand: Node | None
    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True)
class OrderItem(Node):
    expression: Node
    descending: bool = False


@dataclass(frozen=True)
class Frame(Node):
    """Bounds are ``UNBOUNDED PRECEDING``, ``3 PRECEDING``, ``CURRENT ROW`` …"""

    unit: str
    start: str
    end: str


@dataclass(frozen=True)
class Over(Node):
    partition: tuple[Node, ...] = ()
    order: tuple[OrderItem, ...] = ()
    frame: Frame | None = None


@dataclass(frozen=True)
class Call(Node):
    """A function, aggregate or window function; its name in upper case."""

    name: str
    arguments: tuple[Node, ...] = ()
    distinct: bool = False
    within: tuple[OrderItem, ...] = ()
    over: Over | None = None


@dataclass(frozen=True)
class Subquery(Node):
    """A query that returns one value."""

    query: Query


class Condition(Node):
    """True, false or unknown; in T-SQL not a value."""


@dataclass(frozen=True)
class Comparison(Condition):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Logic(Condition):
    operator: Choice["AND", "OR"]
    left: Node
    right: Node


@dataclass(frozen=True)
class Not(Condition):
    operand: Node


@dataclass(frozen=True)
class IsNull(Condition):
    operand: Node
    negated: bool


@dataclass(frozen=True)
class DistinctFrom(Condition):
    left: Node
    right: Node
    negated: bool


@dataclass(frozen=True)
class Between(Condition):
    operand: Node
    low: Node
    high: Node
    negated: bool


@dataclass(frozen=True)
class In(Condition):
    operand: Node
    items: tuple[Node, ...]
    query: Query | None
    negated: bool


@dataclass(frozen=True)
class Like(Condition):
    operand: Node
    pattern: Node
    escape: Node | None
    negated: bool


@dataclass(frozen=True)
class Exists(Condition):
    query: Query


@dataclass(frozen=True)
class Quantified(Condition):
    """``x > ALL (SELECT …)``; SOME is ANY."""

    operator: str
    left: Node
    quantifier: Choice["ANY", "ALL"]
    query: Query


def children(node: object) -> Iterator[object]:
    """Yield the parts of a node or of a tuple."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, Node):
        for part in fields(node):
            if part.name != "line":
                yield getattr(node, part.name)


def walk(node: object) -> Iterator[Node]:
    """Yield the node and all nodes in it."""
    if isinstance(node, Node):
        yield node
    for child in children(node):
        yield from walk(child)
