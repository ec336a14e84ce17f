"""SELECT, GROUP BY, set operations, TOP and OFFSET, as DuckDB's SQL.

A grouped SELECT becomes two: the inner one groups and aggregates, the outer one computes the columns. The
result does not depend on how DuckDB matches expressions of GROUP BY. DISTINCT, TOP and OFFSET are further levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.comparisons import order_key
from midnight.gold_to_serving.tsql.construct import UnknownError
from midnight.gold_to_serving.tsql.grouping import Grouping, has_aggregate
from midnight.gold_to_serving.tsql.limits import Limit, limit_of
from midnight.gold_to_serving.tsql.ordering import Selected, direction, is_constant_query, position_of, without_limit
from midnight.gold_to_serving.tsql.problems import Problem, RefusedError
from midnight.gold_to_serving.tsql.scope import Column, Scope, Source
from midnight.gold_to_serving.tsql.set_operations import Result, SetOperations
from midnight.gold_to_serving.tsql.sources import renamed
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INT
from midnight.sql_text import quote_identifier


class Queries(SetOperations):
    """Translates whole queries."""

    def view(self, query: q.Query) -> Result | None:
        """Translate the query of a view; None when it was refused."""
        try:
            return self.query(query, None, named=True, top_level=True)
        except UnknownError:
            return None
        except RefusedError as error:
            self.report(error.problem)
            return None

    def query(self, query: q.Query, scope: Scope | None, *, named: bool = True, top_level: bool = False) -> Result:
        """Translate a query inside another one."""
        if query.ctes and not top_level:
            raise RefusedError(query.line, "T-SQL has WITH only at the start of the statement", "move it to the start")
        head = self._common_tables(query) if query.ctes else ""
        body = query.body
        if isinstance(body, q.Query):
            body = replace(body, order=query.order, offset=query.offset, fetch=query.fetch)
            sql, columns = self.query(body, scope, named=named)
        elif isinstance(body, q.SetOperation):
            sql, columns = self._set_operation(query, body, scope, named)
        else:
            sql, columns = self._select(query, body, scope, named)
        return head + sql, columns

    def exists_query(self, query: q.Query, scope: Scope) -> str:
        """Translate a query of EXISTS: its columns and TOP do not matter."""
        if isinstance(query.body, q.Select) and not query.body.group and not has_aggregate(query.body.items):
            one = q.Item(s.Literal("int", "1", line=query.line), "one", line=query.line)
            body = replace(query.body, items=(one,), top=None, distinct=False)
            query = replace(query, body=body, order=(), offset=None, fetch=None)
        return self.query(query, scope, named=False)[0]

    def _common_tables(self, query: q.Query) -> str:
        parts = []
        for cte in query.ctes:
            if cte.name in self.ctes:
                raise RefusedError(cte.line, f"{cte.name!r} is defined twice in WITH", "rename one of them")
            alias = self.unique_alias(cte.name)
            if _reads(cte.query, cte.name):
                raise RefusedError(
                    cte.line,
                    f"{cte.name!r} reads itself: Synapse serverless has no recursive WITH",
                    "join a numbers or date model",
                )
            sql, columns = self.query(cte.query, None, named=not cte.columns)
            columns = renamed(columns, cte.columns, cte.line)
            names = ", ".join(quote_identifier(column.name) for column in columns)
            self.ctes[cte.name] = (quote_identifier(alias), columns)
            parts.append(f"{quote_identifier(alias)}({names}) AS (\n{sql}\n)")
        return f"WITH {', '.join(parts)}\n"

    def _select(self, query: q.Query, select: q.Select, parent: Scope | None, named: bool) -> Result:
        from_sql, sources = self.source(select.source, parent) if select.source is not None else ("", [])
        rows = Scope(sources, parent)
        unknown = False
        where = ""
        try:
            where = f"\nWHERE {self.condition(select.where, rows)}" if select.where is not None else ""
        except UnknownError:
            unknown = True
        grouped = bool(select.group) or select.having is not None or has_aggregate((*select.items, *query.order))
        grouping = None
        scope = Scope(sources, parent, windows=True)
        if grouped:
            grouping = Grouping(self, rows, select.group)
            scope = grouping.scope(self)
        having = ""
        try:
            having = (
                f"\nWHERE {self.condition(select.having, replace_windows(scope))}" if select.having is not None else ""
            )
        except UnknownError:
            unknown = True
        selected = self._items(select, scope, named)
        limit = limit_of(self, query, select.top)
        order = self._order_keys(query, select, selected, scope, limit) if query.order else []
        if unknown:
            raise UnknownError
        inner = f"\nFROM {from_sql}" if from_sql else ""
        body = f"{inner}{where}"
        if grouping is not None:
            body = f"\nFROM (\n{grouping.sql(body)}\n) AS {quote_identifier(grouping.alias)}{having}"
        return self._assemble(selected, body, select.distinct, order, limit)

    def _items(self, select: q.Select, scope: Scope, named: bool) -> Selected:
        selected, unknown = Selected(), False
        for position, item in enumerate(select.items, 1):
            try:
                if isinstance(item.expression, s.Star):
                    for source, column in self._star(item.expression, scope):
                        node = s.Name((source.name, column.name), line=item.line)
                        selected.add(column.name, node, self.value(node, scope))
                    continue
                name = item.alias or (item.expression.parts[-1] if isinstance(item.expression, s.Name) else "")
                if not name and named:
                    message = f"column {position} needs a name: AS …; hint: write AS name after the expression"
                    self.report(Problem(item.line, message, in_tsql=True))
                value = self.value(item.expression, scope)
                selected.add(name or f"c{len(selected.names)}", item.expression, value)
            except UnknownError:
                unknown = True
            except RefusedError as error:
                self.report(error.problem)
                unknown = True
        self._check_names(select, selected)
        if unknown:
            raise UnknownError
        return selected

    def _check_names(self, select: q.Select, selected: Selected) -> None:
        folded = [name.casefold() for name in selected.names]
        for name in sorted({name for name in folded if folded.count(name) > 1}):
            message = f"column {name!r} is selected twice; hint: rename one of them"
            self.report(Problem(select.line, message, in_tsql=True))

    def _star(self, star: s.Star, scope: Scope) -> list[tuple[Source, Column]]:
        if len(star.parts) > 1:
            raise RefusedError(star.line, f"{'.'.join(star.parts)}.*: write the alias of the view", "name the columns")
        sources = [source for source in scope.sources if not star.parts or source.name == star.parts[0]]
        if not sources:
            raise RefusedError(star.line, "'*' without a view in FROM", "name the columns")
        if any(not source.derived for source in sources):
            raise RefusedError(
                star.line,
                "name the columns instead of '*'",
                "Synapse keeps the columns that existed when the view was created",
            )
        return [(source, column) for source in sources for column in source.columns]

    def _order_keys(
        self, query: q.Query, select: q.Select, selected: Selected, scope: Scope, limit: Limit | None
    ) -> list[str]:
        if limit is None:
            raise without_limit(query.order[0])
        keys = []
        for item in query.order:
            index = position_of(item.expression, selected)
            if index is None and select.distinct and item.expression not in selected.nodes:
                raise RefusedError(item.line, "ORDER BY of SELECT DISTINCT must be in the SELECT list", "select it too")
            value = selected.values[index] if index is not None else self.value(item.expression, scope)
            keys.append(direction(order_key(value), item.descending))
        return keys

    def _assemble(self, selected: Selected, body: str, distinct: bool, order: list[str], limit: Limit | None) -> Result:
        columns = tuple(
            Column(name, INT if value.is_null else value.type)
            for name, value in zip(selected.names, selected.values, strict=True)
        )
        shown = [
            f"{_as_type(v, c)} AS {quote_identifier(c.name)}" for v, c in zip(selected.values, columns, strict=True)
        ]
        if limit is None:
            sql = f"SELECT\n    {', '.join(shown) if len(shown) < 2 else _listed(shown)}{body}"
            return (self.distinct(sql, columns) if distinct else sql), columns
        keys = [(f"order {n}", *key.rsplit("\0", 1)) for n, key in enumerate(order)]
        hidden = [f"{sql} AS {quote_identifier(name)}" for name, sql, _ in keys]
        sql = f"SELECT\n    {_listed([*shown, *hidden])}{body}"
        if distinct:
            every = (*columns, *(Column(name, INT) for name, _, _ in keys))
            sql = self.distinct(sql, columns, every)
        order_by = ", ".join(f"{quote_identifier(name)} {direction_}" for name, _, direction_ in keys)
        return limit.applied(
            sql, [quote_identifier(c.name) for c in columns], order_by, self.unique_alias("limited")
        ), columns

    def order_by(self, items: Sequence[s.OrderItem], scope: Scope, *, constants: bool = False) -> str:
        """Translate ORDER BY of a window or aggregate; with ``constants``, ``(SELECT NULL)`` means no order."""
        keys = []
        for item in items:
            if isinstance(item.expression, s.Literal):
                raise RefusedError(item.line, "ORDER BY of a constant is an error in T-SQL", "sort by a column")
            if constants and is_constant_query(item.expression):
                continue
            keys.append(direction(order_key(self.value(item.expression, scope)), item.descending).replace("\0", " "))
        return ", ".join(keys)


def replace_windows(scope: Scope) -> Scope:
    """Return the same scope without window functions."""
    return replace(scope, windows=False)


def _reads(node: object, name: str) -> bool:
    return any(isinstance(found, q.Table) and found.parts == (name,) for found in s.walk(node))


def _as_type(value: Typed, column: Column) -> str:
    if value.is_column or (value.sql.startswith("CAST(") and value.sql.endswith(f" AS {column.type.duckdb})")):
        return value.sql
    return f"CAST({value.sql} AS {column.type.duckdb})"


def _listed(parts: Sequence[str]) -> str:
    return ",\n    ".join(parts)
