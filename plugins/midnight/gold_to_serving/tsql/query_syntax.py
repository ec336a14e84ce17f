"""The syntax tree of T-SQL queries: SELECT, set operations, FROM, GROUP BY and views."""

from __future__ import annotations

from dataclasses import dataclass

from midnight.gold_to_serving.tsql.syntax import Call, Node, OrderItem, TypeName


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
    """ROLLUP (…), CUBE (…) or GROUPING SETS (…): each member is a list of expressions or nested sets."""

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
    """A SELECT or set operation, with WITH, ORDER BY and OFFSET."""

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
