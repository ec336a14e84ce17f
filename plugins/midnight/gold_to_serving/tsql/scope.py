"""The columns that a name can refer to at each place of a query."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.sql_text import quote_identifier


@dataclass(frozen=True)
class Column:
    """A column of a view or of a part of a query."""

    name: str
    type: SqlType


@dataclass(frozen=True)
class Source:
    """A source in FROM, with its name.

    Args:
        name: in T-SQL.
        alias: in DuckDB's SQL, where names differ in more than case.
        columns: its columns in order.
        derived: whether this query defines it, so that ``*`` does not change with a view.
    """

    name: str
    alias: str
    columns: tuple[Column, ...]
    derived: bool = True

    def value(self, column: Column) -> Typed:
        sql = f"{quote_identifier(self.alias)}.{quote_identifier(column.name)}"
        return Typed(sql, column.type, is_column=True)


@dataclass
class Scope:
    """The sources of one SELECT, and of the queries around it.

    Args:
        sources: in the order of FROM.
        parent: of the query around it.
        aggregate: translates an aggregate of a grouped SELECT; None where aggregates are not allowed.
        grouped: by the key of an expression of GROUP BY, its value after grouping; None when the SELECT does not group.
        windows: whether window functions are allowed.
    """

    sources: list[Source] = field(default_factory=list)
    parent: Scope | None = None
    aggregate: Callable[[s.Call], Typed] | None = None
    grouped: Mapping[Hashable, Typed] | None = None
    windows: bool = False

    def resolve(self, name: s.Name) -> Typed:
        """Resolve a name to its column.

        Raises:
            RefusedError: the column does not exist, or is ambiguous.
        """
        scope: Scope | None = self
        while scope is not None:
            found = scope._find(name)
            if found is not None:
                if scope.grouped is not None:
                    return scope._after_grouping(name, found)
                return found
            scope = scope.parent
        raise RefusedError(
            name.line, f"Column {'.'.join(name.parts)!r} could not be resolved", self._hint(name), in_tsql=True
        )

    def _find(self, name: s.Name) -> Typed | None:
        *qualifier, column_name = name.parts
        if len(qualifier) > 1:
            raise RefusedError(
                name.line, f"{'.'.join(name.parts)}: write the alias of the view before a column", "use AS in FROM"
            )
        found = [
            (source, column)
            for source in self.sources
            if not qualifier or source.name == qualifier[0]
            for column in source.columns
            if column.name == column_name
        ]
        if len(found) > 1:
            places = " and ".join(source.name for source, _ in found)
            raise RefusedError(
                name.line,
                f"Column {column_name!r} is ambiguous: {places} have it",
                "write the alias before it",
                in_tsql=True,
            )
        return found[0][0].value(found[0][1]) if found else None

    def _after_grouping(self, name: s.Name, found: Typed) -> Typed:
        value = (self.grouped or {}).get(("column", found.sql))
        if value is None:
            raise RefusedError(
                name.line,
                f"Column {'.'.join(name.parts)!r} is neither in GROUP BY nor in an aggregate",
                "add it to GROUP BY, or write MIN(…)",
                in_tsql=True,
            )
        return value

    def _hint(self, name: s.Name) -> str:
        known = [column.name for source in self.sources for column in source.columns]
        same = [other for other in known if other.casefold() == name.parts[-1].casefold()]
        if same:
            return f"write {same[0]!r}: names are case-sensitive"
        return "check its spelling (names are case-sensitive); an alias of SELECT is known only in ORDER BY"


def key_of(node: object, scope: Scope) -> Hashable:
    """Return a key that is equal for equal expressions over the same columns, to match expressions of GROUP BY."""
    if isinstance(node, s.Name):
        plain = Scope(scope.sources, scope.parent)
        try:
            return ("column", plain.resolve(node).sql)
        except RefusedError:
            return ("word", node.parts)  # of DATEPART(month, day); a misspelt column is reported where it is translated
    if isinstance(node, tuple):
        return tuple(key_of(part, scope) for part in node)
    if isinstance(node, q.Query):
        return id(node)
    if isinstance(node, s.Node):
        parts = (key_of(getattr(node, part.name), scope) for part in fields(node) if part.name != "line")
        return (type(node).__name__, *parts)
    return node if isinstance(node, Hashable) else repr(node)
