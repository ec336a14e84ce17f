"""The parts of a T-SQL query. Two nodes are equal when they say the same, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Literal as Choice


@dataclass(frozen=True)
class Node:
    """Anything with a place in the text."""

    line: int = field(default=1, compare=False, kw_only=True)


@dataclass(frozen=True)
class Literal(Node):
    """A constant; ``text`` of a number is as written, of a string its value."""

    kind: Choice["int", "decimal", "float", "text", "ntext", "binary", "null"]
    text: str = ""


@dataclass(frozen=True)
class Name(Node):
    """A column, with what stands in front of it."""

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
    """A function, aggregate or window function; its name in capitals."""

    name: str
    arguments: tuple[Node, ...] = ()
    distinct: bool = False
    within: tuple[OrderItem, ...] = ()
    over: Over | None = None


@dataclass(frozen=True)
class Subquery(Node):
    """A query that gives one value."""

    query: Query


class Condition(Node):
    """What is true, false or unknown; never a value in T-SQL."""


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


@dataclass(frozen=True)
class Table(Node):
    """A view or a common table expression."""

    parts: tuple[str, ...]
    alias: str


@dataclass(frozen=True)
class Values(Node):
    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Derived(Node):
    """``(SELECT …) AS alias (columns)``, or VALUES."""

    query: Query | Values
    alias: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class JsonColumn(Node):
    name: str
    type: TypeName
    path: str | None
    as_json: bool


@dataclass(frozen=True)
class TableFunction(Node):
    """STRING_SPLIT, OPENJSON, GENERATE_SERIES."""

    name: str
    arguments: tuple[Node, ...]
    alias: str
    columns: tuple[str, ...] = ()
    json_columns: tuple[JsonColumn, ...] = ()


@dataclass(frozen=True)
class Join(Node):
    """``kind`` is INNER, LEFT, RIGHT, FULL, CROSS, CROSS APPLY or OUTER APPLY."""

    kind: str
    left: Node
    right: Node
    on: Node | None = None


@dataclass(frozen=True)
class Pivot(Node):
    source: Node
    aggregate: Call
    column: str
    values: tuple[str, ...]
    alias: str


@dataclass(frozen=True)
class Unpivot(Node):
    source: Node
    value: str
    name: str
    columns: tuple[str, ...]
    alias: str


@dataclass(frozen=True)
class GroupingSets(Node):
    """ROLLUP (…), CUBE (…) or GROUPING SETS (…): each member a list of expressions or another of these."""

    kind: str
    members: tuple[tuple[Node, ...] | GroupingSets, ...]


@dataclass(frozen=True)
class Top(Node):
    count: Node
    percent: bool
    with_ties: bool


@dataclass(frozen=True)
class Item(Node):
    """One column of a SELECT list."""

    expression: Node
    alias: str = ""


@dataclass(frozen=True)
class Select(Node):
    items: tuple[Item, ...]
    distinct: bool = False
    top: Top | None = None
    source: Node | None = None
    where: Node | None = None
    group: tuple[Node, ...] = ()
    having: Node | None = None


@dataclass(frozen=True)
class SetOperation(Node):
    """``operator`` is UNION, UNION ALL, EXCEPT or INTERSECT."""

    operator: str
    left: Query
    right: Query


@dataclass(frozen=True)
class Cte(Node):
    name: str
    columns: tuple[str, ...]
    query: Query


@dataclass(frozen=True)
class Query(Node):
    """A SELECT or a combination of them, with what may follow it."""

    body: Select | SetOperation | Query
    ctes: tuple[Cte, ...] = ()
    order: tuple[OrderItem, ...] = ()
    offset: Node | None = None
    fetch: Node | None = None


@dataclass(frozen=True)
class View(Node):
    """``CREATE OR ALTER VIEW``."""

    parts: tuple[str, ...]
    columns: tuple[str, ...]
    query: Query


def children(node: object) -> Iterator[object]:
    """The parts of a node, or of a tuple of nodes."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, Node):
        for part in fields(node):
            if part.name != "line":
                yield getattr(node, part.name)


def walk(node: object) -> Iterator[Node]:
    """The node and everything in it."""
    if isinstance(node, Node):
        yield node
    for child in children(node):
        yield from walk(child)
