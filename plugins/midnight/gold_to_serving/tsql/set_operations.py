"""UNION, EXCEPT and INTERSECT, with T-SQL's equality of rows."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql.comparisons import equality_key, order_key
from midnight.gold_to_serving.tsql.construct import UnknownError
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.limits import limit_of
from midnight.gold_to_serving.tsql.ordering import Selected, direction, position_of, without_limit
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.scope import Column, Scope
from midnight.gold_to_serving.tsql.sources import Sources
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.sql_text import quote_identifier

Result = tuple[str, tuple[Column, ...]]


class SetOperations(Sources):
    """Adds set operations to the translation of FROM."""

    def distinct(self, sql: str, columns: Sequence[Column], every: Sequence[Column] | None = None) -> str:
        """Keep one of the rows that are equal in T-SQL."""
        alias = quote_identifier(self.unique_alias("rows"))
        names = ", ".join(quote_identifier(column.name) for column in every or columns)
        if not any(column.type.is_text for column in columns):
            return f"SELECT DISTINCT {names} FROM (\n{sql}\n) AS {alias}"
        keys = [equality_key(Typed(quote_identifier(c.name), c.type, is_column=True)) for c in columns]
        plain = ", ".join(quote_identifier(column.name) for column in columns)
        return f"SELECT DISTINCT ON ({', '.join(keys)}) {names} FROM (\n{sql}\n) AS {alias} ORDER BY {plain}"

    def _set_operation(self, query: q.Query, body: q.SetOperation, scope: Scope | None, named: bool) -> Result:
        sides = []
        for side, with_names in ((body.left, named), (body.right, False)):
            try:
                sides.append(self.query(side, scope, named=with_names))
            except UnknownError:
                continue
            except RefusedError as error:
                self.report(error.problem)
        if len(sides) < 2:
            raise UnknownError
        (left, left_columns), (right, right_columns) = sides
        if len(left_columns) != len(right_columns):
            raise RefusedError(
                body.line,
                f"{body.operator} of {len(left_columns)} and {len(right_columns)} columns",
                "select as many on both sides",
            )
        columns = []
        for a, b in zip(left_columns, right_columns, strict=True):
            type_ = self.common_type([Typed("", a.type), Typed("", b.type)], body.line, body.operator)
            columns.append(Column(a.name, type_))
        left, right = (
            self._converted(sql, found, columns, body.line)
            for sql, found in ((left, left_columns), (right, right_columns))
        )
        sql = self._combined(body.operator, left, right, tuple(columns))
        if query.order:
            return self._limited_set(query, sql, tuple(columns))
        return sql, tuple(columns)

    def _converted(self, sql: str, found: Sequence[Column], columns: Sequence[Column], line: int) -> str:
        alias = self.unique_alias("side")
        shown = []
        for old, new in zip(found, columns, strict=True):
            value = Typed(f"{quote_identifier(alias)}.{quote_identifier(old.name)}", old.type, is_column=True)
            shown.append(f"{convert(value, new.type, line).sql} AS {quote_identifier(new.name)}")
        return f"SELECT {', '.join(shown)} FROM (\n{sql}\n) AS {quote_identifier(alias)}"

    def _combined(self, operator: str, left: str, right: str, columns: tuple[Column, ...]) -> str:
        if operator == "UNION ALL":
            return f"{left}\nUNION ALL\n{right}"
        if operator == "UNION":
            return self.distinct(f"{left}\nUNION ALL\n{right}", columns)
        a, b = self.unique_alias("rows"), self.unique_alias("other")
        pairs = []
        for column in columns:
            keys = (
                equality_key(Typed(f"{quote_identifier(t)}.{quote_identifier(column.name)}", column.type))
                for t in (a, b)
            )
            pairs.append(" IS NOT DISTINCT FROM ".join(keys))
        found = f"EXISTS (SELECT 1 FROM (\n{right}\n) AS {quote_identifier(b)} WHERE {' AND '.join(pairs)})"
        exists = f"NOT {found}" if operator == "EXCEPT" else found
        return self.distinct(f"SELECT * FROM (\n{left}\n) AS {quote_identifier(a)} WHERE {exists}", columns)

    def _limited_set(self, query: q.Query, sql: str, columns: tuple[Column, ...]) -> Result:
        limit = limit_of(self, query, None)
        if limit is None:
            raise without_limit(query.order[0])
        selected = Selected(
            [c.name for c in columns], [None] * len(columns), [Typed(quote_identifier(c.name), c.type) for c in columns]
        )
        keys = []
        for item in query.order:
            index = position_of(item.expression, selected)
            if index is None:
                raise RefusedError(item.line, "ORDER BY after UNION can only name its columns", "use their names")
            keys.append(direction(order_key(selected.values[index]), item.descending).replace("\0", " "))
        names = [quote_identifier(c.name) for c in columns]
        return limit.applied(sql, names, ", ".join(keys), self.unique_alias("limited")), columns
