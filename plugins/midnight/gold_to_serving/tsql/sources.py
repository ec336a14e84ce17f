"""FROM: views, derived tables, joins, APPLY, PIVOT, and table functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.construct import UnknownError
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.expressions import Expressions
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.scope import Column, Scope, Source
from midnight.gold_to_serving.tsql.table_functions import table_function
from midnight.gold_to_serving.tsql.types import INT, SqlType
from midnight.sql_text import quote_identifier

Schema = Mapping[str, Mapping[str, SqlType]]
_OUTER = {"LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN", "INNER": "INNER JOIN"}


class Sources(Expressions):
    """Translates FROM.

    Args:
        schema: ``gold.x`` and ``reporting.y`` with their columns.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.ctes: dict[str, tuple[str, tuple[Column, ...]]] = {}
        self._aliases: set[str] = set()

    def unique_alias(self, name: str) -> str:
        """Return a name that no other source of the view has in any case, since DuckDB ignores case."""
        alias, count = name, 1
        while alias.casefold() in self._aliases:
            count += 1
            alias = f"{name}_{count}"
        self._aliases.add(alias.casefold())
        return alias

    def source(self, node: s.Node, parent: Scope | None) -> tuple[str, list[Source]]:
        """Translate a part of FROM; return its SQL and the sources that can be referenced.

        Raises:
            UnknownError: nothing is known of its columns; the problems are noted.
            RefusedError: as ``UnknownError``, with the problem.
        """
        if isinstance(node, q.Table):
            return self._table(node)
        if isinstance(node, q.Derived):
            return self._derived(node, parent)
        if isinstance(node, q.Join):
            return self._join(node, parent)
        if isinstance(node, q.TableFunction):
            return self._function(node, parent)
        if isinstance(node, q.Pivot):
            return self._pivot(node, parent)
        if isinstance(node, q.Unpivot):
            return self._unpivot(node, parent)
        raise RefusedError(node.line, f"{type(node).__name__} is not supported in FROM", "write a join")

    def _named(
        self, name: str, sql: str, columns: Sequence[Column], *, derived: bool = True
    ) -> tuple[str, list[Source]]:
        alias = self.unique_alias(name)
        return f"{sql} AS {quote_identifier(alias)}", [Source(name, alias, tuple(columns), derived)]

    def _table(self, node: q.Table) -> tuple[str, list[Source]]:
        if len(node.parts) == 1 and node.parts[0] in self.ctes:
            sql, columns = self.ctes[node.parts[0]]
            return self._named(node.alias, sql, columns)
        name = ".".join(node.parts)
        if name not in self.schema:
            raise RefusedError(
                node.line, f"reads {name!r}, which is not known", "a reporting view reads gold.* and reporting.*"
            )
        sql = ".".join(quote_identifier(part) for part in node.parts)
        known = [Column(*item) for item in self.schema[name].items()]
        return self._named(node.alias, sql, known, derived=False)

    def _derived(self, node: q.Derived, parent: Scope | None) -> tuple[str, list[Source]]:
        if isinstance(node.query, q.Values):
            sql, columns = self._values(node.query, Scope(parent=parent))
        else:
            if node.query.ctes:
                raise RefusedError(
                    node.line, "T-SQL has WITH only at the start of the statement", "move it to the start"
                )
            sql, columns = self.query(node.query, Scope(parent=parent), named=not node.columns)
        shown = renamed(columns, node.columns, node.line)
        names = ", ".join(quote_identifier(column.name) for column in shown)
        alias = self.unique_alias(node.alias)
        return f"({sql}) AS {quote_identifier(alias)}({names})", [Source(node.alias, alias, shown)]

    def _values(self, node: q.Values, scope: Scope) -> tuple[str, tuple[Column, ...]]:
        rows = [self.values(row, scope) for row in node.rows]
        types = []
        for column in zip(*rows, strict=True):
            type_ = self.common_type(column, node.line, "VALUES")
            types.append(INT if type_.kind == "null" else type_)
        shown = [
            "(" + ", ".join(convert(value, type_, node.line).sql for value, type_ in zip(row, types, strict=True)) + ")"
            for row in rows
        ]
        return f"VALUES {', '.join(shown)}", tuple(Column(f"c{n}", type_) for n, type_ in enumerate(types))

    def _join(self, node: q.Join, parent: Scope | None) -> tuple[str, list[Source]]:
        left_sql, left = self.source(node.left, parent)
        applied = node.kind.endswith("APPLY")
        right_sql, right = self.source(node.right, Scope(left, parent) if applied else parent)
        names = [source.name for source in (*left, *right)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RefusedError(node.line, f"{twice[0]!r} is in FROM twice", "rename one of them with AS")
        sources = [*left, *right]
        if applied:
            lateral = "" if isinstance(node.right, q.Table) else "LATERAL "
            if node.kind == "CROSS APPLY":
                return f"{left_sql} CROSS JOIN {lateral}{right_sql}", sources
            return f"{left_sql} LEFT JOIN {lateral}{right_sql} ON true", sources
        if node.kind == "CROSS" or node.on is None:
            return f"{left_sql} CROSS JOIN {self._nested(node.right, right_sql)}", sources
        try:
            on = self.condition(node.on, Scope(sources, parent))
        except UnknownError:
            on = "true"  # the problem is recorded; the columns are known nevertheless
        return f"{left_sql} {_OUTER[node.kind]} {self._nested(node.right, right_sql)} ON {on}", sources

    def _nested(self, node: s.Node, sql: str) -> str:
        return f"({sql})" if isinstance(node, q.Join) else sql

    def _function(self, node: q.TableFunction, parent: Scope | None) -> tuple[str, list[Source]]:
        sql, columns = table_function(self, node, Scope(parent=parent))
        columns = renamed(columns, node.columns, node.line)
        names = ", ".join(quote_identifier(column.name) for column in columns)
        name = node.alias or node.name
        alias = self.unique_alias(name)
        return f"({sql}) AS {quote_identifier(alias)}({names})", [Source(name, alias, columns)]

    def _columns_of(self, node: s.Node, parent: Scope | None) -> list[Column]:
        """Return the columns of the source of PIVOT or UNPIVOT; their SQL is discarded."""
        noted = list(self.problems)
        _, sources = self.source(node, parent)
        self.problems[:] = noted
        return [column for source in sources for column in source.columns]

    def _pivot(self, node: q.Pivot, parent: Scope | None) -> tuple[str, list[Source]]:
        """Translate PIVOT to an aggregate of CASE for each value, grouped by the columns that PIVOT does not use."""
        line = node.line
        value = node.aggregate.arguments[0]
        if not isinstance(value, s.Name) or node.aggregate.distinct or node.aggregate.over:
            raise RefusedError(line, "PIVOT needs an aggregate of one column", "compute it in a derived table")
        columns = self._columns_of(node.source, parent)
        known = {column.name for column in columns}
        for name in (value.parts[-1], node.column):
            if name not in known:
                raise RefusedError(line, f"PIVOT: column {name!r} could not be resolved", "check its spelling")
        keys = [c.name for c in columns if c.name not in (value.parts[-1], node.column)]
        items = [q.Item(s.Name((key,), line=line), key, line=line) for key in keys]
        for label in node.values:
            condition = s.Comparison(
                "=", s.Name((node.column,), line=line), s.Literal("text", label, line=line), line=line
            )
            chosen = s.Case(None, ((condition, s.Name((value.parts[-1],), line=line)),), None, line=line)
            items.append(q.Item(s.Call(node.aggregate.name, (chosen,), line=line), label, line=line))
        group = tuple(s.Name((key,), line=line) for key in keys)
        select = q.Select(tuple(items), source=node.source, group=group, line=line)
        return self.source(q.Derived(q.Query(select, line=line), node.alias, line=line), parent)

    def _unpivot(self, node: q.Unpivot, parent: Scope | None) -> tuple[str, list[Source]]:
        """Translate UNPIVOT to a row for each column with a value."""
        line = node.line
        columns = {column.name: column for column in self._columns_of(node.source, parent)}
        missing = [name for name in node.columns if name not in columns]
        if missing:
            raise RefusedError(line, f"UNPIVOT: column {missing[0]!r} could not be resolved", "check its spelling")
        types = {columns[name].type for name in node.columns}
        if len(types) > 1:
            shown = ", ".join(sorted(str(type_) for type_ in types))
            raise RefusedError(
                line, f"UNPIVOT: the columns have different types: {shown}", "CAST them to one type in a derived table"
            )
        rows = tuple((s.Literal("ntext", name), s.Name((name,), line=line)) for name in node.columns)
        applied = q.Derived(q.Values(rows, line=line), "unpivoted", (node.name, node.value), line=line)
        others = [name for name in columns if name not in node.columns]
        items = [q.Item(s.Name((name,), line=line), name, line=line) for name in (*others, node.value)]
        label = s.Cast("CAST", s.Name((node.name,), line=line), s.TypeName("nvarchar", ("128",), line=line), line=line)
        items.append(q.Item(label, node.name, line=line))
        where = s.IsNull(s.Name(("unpivoted", node.value), line=line), True, line=line)
        select = q.Select(
            tuple(items), source=q.Join("CROSS APPLY", node.source, applied, line=line), where=where, line=line
        )
        return self.source(q.Derived(q.Query(select, line=line), node.alias, line=line), parent)


def renamed(columns: Sequence[Column], names: tuple[str, ...], line: int) -> tuple[Column, ...]:
    """Rename the columns by the names of ``AS x (a, b)``.

    Raises:
        RefusedError: as many names as columns are needed, all different.
    """
    if names and len(names) != len(columns):
        raise RefusedError(line, f"{len(names)} column names for {len(columns)} columns", "give one name per column")
    found = tuple(
        Column(name, column.type) for name, column in zip(names or [c.name for c in columns], columns, strict=True)
    )
    folded = [column.name.casefold() for column in found]
    twice = [name for name in folded if folded.count(name) > 1]
    if twice:
        raise RefusedError(line, f"column {twice[0]!r} is selected twice", "rename one of them")
    return found
