"""T-SQL's grammar of queries: SELECT, set operations, FROM with joins, APPLY, PIVOT, and what a view's statement is.

Source: "SELECT", "FROM", "GROUP BY", "ORDER BY clause", "TOP", "WITH common_table_expression", "Table Value Constructor".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_expression import ExpressionParser
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.tokens import tokenize

_JOINS = {"INNER": "INNER", "JOIN": "INNER", "LEFT": "LEFT", "RIGHT": "RIGHT", "FULL": "FULL"}
_HINTS = ("HASH", "MERGE", "LOOP", "REMOTE", "REDUCE", "REPLICATE", "REDISTRIBUTE")
_ROWSETS = {
    "OPENROWSET": "a reporting view reads the base views gold.*, which are generated, not files",
    "OPENQUERY": "Synapse serverless has no linked servers",
    "OPENXML": "Synapse serverless has no OPENXML",
    "OPENDATASOURCE": "Synapse serverless has no linked servers",
}


def parse_view(sql: str) -> s.View:
    """The statement ``CREATE OR ALTER VIEW … AS SELECT …``.

    Raises:
        RefusedError: it is not T-SQL, or T-SQL that no view can hold.
    """
    return QueryParser(tokenize(sql)).view()


def parse_query(sql: str) -> s.Query:
    """A SELECT statement.

    Raises:
        RefusedError: as ``parse_view``.
    """
    parser = QueryParser(tokenize(sql))
    query = parser.query()
    parser.expect_end()
    return query


class QueryParser(ExpressionParser):
    """Adds queries to the expressions."""

    def view(self) -> s.View:
        line = self.token.line
        if not (self.accept("CREATE") and self.accept("OR") and self.accept("ALTER") and self.accept("VIEW")):
            raise RefusedError(
                line, "must hold one statement", "write CREATE OR ALTER VIEW reporting.<file name> AS SELECT …"
            )
        parts = self.dotted_name()
        columns = self.column_names() if self.at("(") else ()
        if self.accept("WITH"):
            raise RefusedError(
                self.token.line, f"WITH {self.token.text} is not supported in Synapse serverless", "remove it"
            )
        self.expect("AS")
        query = self.query()
        if self.accept("WITH"):
            raise RefusedError(self.token.line, "WITH CHECK OPTION has no meaning here", "remove it")
        self.expect_end()
        return s.View(parts, columns, query, line=line)

    def expect_end(self) -> None:
        self.accept(";")
        if self.token.kind != "end":
            if self.at("LIMIT"):
                raise RefusedError(self.token.line, "T-SQL has no LIMIT", "write SELECT TOP (n) … ORDER BY …")
            if self.at("OPTION"):
                raise RefusedError(self.token.line, "OPTION: query options cannot stand in a view", "remove it")
            if self.at("QUALIFY"):
                raise RefusedError(
                    self.token.line, "T-SQL has no QUALIFY", "filter the window function in an outer SELECT"
                )
            raise RefusedError(
                self.token.line, f"is not T-SQL: unexpected {self.token.text!r}; a file must hold one statement"
            )

    def query(self) -> s.Query:
        line = self.token.line
        ctes: list[s.Cte] = []
        if self.accept("WITH"):
            ctes.append(self._cte())
            while self.accept(","):
                ctes.append(self._cte())
        body = self._set_operation()
        order, offset, fetch = self._order_by()
        return s.Query(body, tuple(ctes), order, offset, fetch, line=line)

    def _order_by(self) -> tuple[tuple[s.OrderItem, ...], s.Node | None, s.Node | None]:
        if not self.at("ORDER"):
            return (), None, None
        order = self.order_items()
        offset = fetch = None
        if self.accept("OFFSET"):
            offset = self.additive()
            self.expect("ROWS", "ROW")
            if self.accept("FETCH"):
                self.expect("NEXT", "FIRST")
                fetch = self.additive()
                self.expect("ROWS", "ROW")
                self.expect("ONLY")
        return order, offset, fetch

    def _cte(self) -> s.Cte:
        line = self.token.line
        name = self.identifier("the name of a common table expression")
        columns = self.column_names() if self.at("(") else ()
        self.expect("AS")
        self.expect("(")
        query = self.query()
        self.expect(")")
        return s.Cte(name, columns, query, line=line)

    def _set_operation(self) -> s.Select | s.SetOperation | s.Query:
        left = self._intersection()
        while self.at("UNION") or self.at("EXCEPT"):
            line, operator = self.token.line, self.advance().upper
            if operator == "UNION" and self.accept("ALL"):
                operator = "UNION ALL"
            left = s.SetOperation(operator, _as_query(left), _as_query(self._intersection()), line=line)
        return left

    def _intersection(self) -> s.Select | s.SetOperation | s.Query:
        left = self._query_term()
        while self.at("INTERSECT"):
            line = self.advance().line
            left = s.SetOperation("INTERSECT", _as_query(left), _as_query(self._query_term()), line=line)
        return left

    def _query_term(self) -> s.Select | s.Query:
        if self.accept("("):
            line = self.token.line
            body = self._set_operation()
            if self.at("ORDER"):
                raise RefusedError(
                    line, "ORDER BY cannot stand inside parentheses of UNION", "put it after the last SELECT"
                )
            self.expect(")")
            return s.Query(body, line=line)
        return self._select()

    def _select(self) -> s.Select:
        line = self.token.line
        self.expect("SELECT")
        distinct = self.accept("DISTINCT")
        if not distinct:
            self.accept("ALL")
        top = self._top() if self.at("TOP") else None
        items = [self._item()]
        while self.accept(","):
            items.append(self._item())
        if self.at("INTO"):
            raise RefusedError(self.token.line, "a view cannot create a table (INTO)", "remove INTO")
        source = self._from() if self.accept("FROM") else None
        where = self.condition() if self.accept("WHERE") else None
        group = self._group_by() if self.at("GROUP") else ()
        having = self.condition() if self.accept("HAVING") else None
        return s.Select(tuple(items), distinct, top, source, where, group, having, line=line)

    def _top(self) -> s.Top:
        line = self.advance().line
        if self.accept("("):
            count = self.additive()
            self.expect(")")
        else:
            count = self.primary()
        percent = self.accept("PERCENT")
        with_ties = False
        if self.accept("WITH"):
            self.expect("TIES")
            with_ties = True
        return s.Top(count, percent, with_ties, line=line)

    def _item(self) -> s.Item:
        line = self.token.line
        if self.at("FROM") or self.token.kind == "end":
            raise RefusedError(line, "SELECT names no column", "list the columns after SELECT")
        if self.accept("*"):
            return s.Item(s.Star(line=line), line=line)
        expression = self.condition()
        if isinstance(expression, s.Comparison) and expression.operator == "=" and isinstance(expression.left, s.Name):
            if len(expression.left.parts) == 1:  # alias = expression
                return s.Item(expression.right, expression.left.parts[0], line=line)
        return s.Item(expression, self.alias(), line=line)

    def _group_by(self) -> tuple[s.Node, ...]:
        self.advance()
        self.expect("BY")
        if self.at("ALL"):
            raise RefusedError(self.token.line, "GROUP BY ALL is not supported in Synapse", "list the expressions")
        items = [self._group_item()]
        while self.accept(","):
            items.append(self._group_item())
        if self.at("WITH"):
            raise RefusedError(self.token.line, "GROUP BY … WITH ROLLUP is deprecated", "write GROUP BY ROLLUP (a, b)")
        return tuple(items)

    def _group_item(self) -> s.Node:
        sets = self._grouping_sets()
        if sets:
            return sets
        if self.at("(") and self.peek(1).upper == ")":
            line = self.advance().line
            self.advance()
            return s.GroupingSets("GROUPING SETS", ((),), line=line)
        return self.additive()

    def _grouping_sets(self) -> s.GroupingSets | None:
        line = self.token.line
        if self.at("GROUPING") and self.peek(1).upper == "SETS":
            self.advance()
            kind = "GROUPING SETS"
        elif self.token.upper in ("ROLLUP", "CUBE") and self.peek(1).upper == "(":
            kind = self.token.upper
        else:
            return None
        self.advance()
        self.expect("(")
        members = [self._grouping_member()]
        while self.accept(","):
            members.append(self._grouping_member())
        self.expect(")")
        return s.GroupingSets(kind, tuple(members), line=line)

    def _grouping_member(self) -> tuple[s.Node, ...] | s.GroupingSets:
        nested = self._grouping_sets()
        if nested:
            return nested
        if not self.at("("):
            return (self.additive(),)
        self.advance()
        if self.accept(")"):
            return ()
        members = [self.additive()]
        while self.accept(","):
            members.append(self.additive())
        self.expect(")")
        return tuple(members)

    # FROM

    def _from(self) -> s.Node:
        source = self._joined()
        while self.at(","):
            line = self.advance().line
            source = s.Join("CROSS", source, self._joined(), line=line)
        return source

    def _joined(self) -> s.Node:
        left = self._table_source()
        while True:
            line, word = self.token.line, self.token.upper
            if word in ("CROSS", "OUTER") and self.peek(1).upper in ("JOIN", "APPLY"):
                self.advance()
                kind = "CROSS" if self.advance().upper == "JOIN" else f"{word} APPLY"
                left = s.Join(kind, left, self._table_source(), line=line)
            elif word in _JOINS:
                left = self._join(left, _JOINS[word], line)
            elif word == "NATURAL":
                raise RefusedError(line, "T-SQL has no NATURAL JOIN", "write INNER JOIN … ON a.x = b.x")
            else:
                return left

    def _join(self, left: s.Node, kind: str, line: int) -> s.Join:
        if not self.at("JOIN"):
            self.advance()
            if kind != "INNER":
                self.accept("OUTER")
        if self.token.upper in _HINTS:
            raise RefusedError(self.token.line, f"join hint {self.token.text}: serverless has none", "remove it")
        self.expect("JOIN")
        right = self._joined()
        if self.at("USING"):
            raise RefusedError(self.token.line, "T-SQL has no USING", "write ON a.x = b.x")
        if not self.at("ON"):
            raise RefusedError(line, f"{kind} JOIN without ON", "write ON a.x = b.x, or CROSS JOIN")
        self.advance()
        return s.Join(kind, left, right, self.condition(), line=line)

    def _table_source(self) -> s.Node:
        source = self._plain_source()
        while self.at("PIVOT") or self.at("UNPIVOT"):
            source = self._pivot(source) if self.at("PIVOT") else self._unpivot(source)
        return source

    def _plain_source(self) -> s.Node:
        line = self.token.line
        if self.at("("):
            return self._parenthesised_source()
        if self.token.upper in _ROWSETS:
            raise RefusedError(line, f"{self.token.upper}: {_ROWSETS[self.token.upper]}")
        if self.token.upper in ("LATERAL", "UNNEST"):
            raise RefusedError(line, f"T-SQL has no {self.token.upper}", "write CROSS APPLY (SELECT …) AS x")
        parts = self.dotted_name()
        if self.at("("):
            return self._table_function(parts, line)
        if self.at("FOR"):
            raise RefusedError(
                self.token.line, "FOR SYSTEM_TIME: a view has no history", "read the model that keeps it"
            )
        if self.at("TABLESAMPLE"):
            raise RefusedError(self.token.line, "TABLESAMPLE gives other rows each time", "filter the rows by a key")
        alias = self.alias() or parts[-1]
        if self.at("WITH") or (self.at("(") and self.peek(1).upper == "NOLOCK"):
            raise RefusedError(self.token.line, "Synapse serverless has no table hints", "remove WITH (…)")
        return s.Table(parts, alias, line=line)

    def _parenthesised_source(self) -> s.Node:
        line = self.advance().line
        if self.at("VALUES"):
            values = self._values()
            self.expect(")")
            alias, columns = self._alias_with_columns(line, "VALUES")
            if not columns:
                raise RefusedError(line, "VALUES needs column names", "write (VALUES …) AS v (a, b)")
            return s.Derived(values, alias, columns, line=line)
        if self._starts_query():
            query = self.query()
            self.expect(")")
            alias, columns = self._alias_with_columns(line, "a derived table")
            return s.Derived(query, alias, columns, line=line)
        source = self._from()
        self.expect(")")
        return source

    def _starts_query(self) -> bool:
        ahead = 0
        while self.peek(ahead).upper == "(":
            ahead += 1
        return self.peek(ahead).upper in ("SELECT", "WITH")

    def _values(self) -> s.Values:
        line = self.advance().line
        rows = [self._row()]
        while self.accept(","):
            rows.append(self._row())
        if len({len(row) for row in rows}) > 1:
            raise RefusedError(
                line, "the rows of VALUES have different numbers of columns", "give each row all columns"
            )
        return s.Values(tuple(rows), line=line)

    def _row(self) -> tuple[s.Node, ...]:
        self.expect("(")
        values = [self.condition()]
        while self.accept(","):
            values.append(self.condition())
        self.expect(")")
        return tuple(values)

    def _alias_with_columns(self, line: int, what: str) -> tuple[str, tuple[str, ...]]:
        alias = self.alias()
        if not alias:
            raise RefusedError(line, f"{what} needs a name in T-SQL", "write AS x after the parenthesis")
        return alias, self.column_names() if self.at("(") else ()

    def _table_function(self, parts: tuple[str, ...], line: int) -> s.TableFunction:
        self.advance()
        arguments = [] if self.at(")") else [self.condition()]
        while self.accept(","):
            arguments.append(self.condition())
        self.expect(")")
        json_columns: list[s.JsonColumn] = []
        if self.accept("WITH"):
            self.expect("(")
            json_columns.append(self._json_column())
            while self.accept(","):
                json_columns.append(self._json_column())
            self.expect(")")
        alias = self.alias() or ""
        columns = self.column_names() if alias and self.at("(") else ()
        name = ".".join(parts).upper()
        return s.TableFunction(name, tuple(arguments), alias, columns, tuple(json_columns), line=line)

    def _json_column(self) -> s.JsonColumn:
        line = self.token.line
        name = self.identifier("a column of OPENJSON")
        type_name = self.type_name()
        path = self.advance().text if self.token.kind in ("text", "ntext") else None
        as_json = False
        if self.accept("AS"):
            self.expect("JSON")
            as_json = True
        return s.JsonColumn(name, type_name, path, as_json, line=line)

    def _pivot(self, source: s.Node) -> s.Pivot:
        line = self.advance().line
        self.expect("(")
        aggregate = self.primary()
        if not isinstance(aggregate, s.Call) or len(aggregate.arguments) != 1:
            raise RefusedError(
                line, "PIVOT needs one aggregate of one column", "write PIVOT (SUM(x) FOR y IN ([a], [b])) AS p"
            )
        self.expect("FOR")
        column = self.identifier("the column after FOR")
        values = self._in_names()
        self.expect(")")
        alias, _ = self._alias_with_columns(line, "PIVOT")
        return s.Pivot(source, aggregate, column, values, alias, line=line)

    def _unpivot(self, source: s.Node) -> s.Unpivot:
        line = self.advance().line
        self.expect("(")
        value = self.identifier("the column of values")
        self.expect("FOR")
        name = self.identifier("the column of names")
        columns = self._in_names()
        self.expect(")")
        alias, _ = self._alias_with_columns(line, "UNPIVOT")
        return s.Unpivot(source, value, name, columns, alias, line=line)

    def _in_names(self) -> tuple[str, ...]:
        self.expect("IN")
        if self.at("(") and self.peek(1).kind in ("text", "number"):
            raise RefusedError(self.token.line, "PIVOT lists names, not constants", "write IN ([2024], [2025])")
        return self.column_names()


def _as_query(part: s.Select | s.SetOperation | s.Query) -> s.Query:
    return part if isinstance(part, s.Query) else s.Query(part, line=part.line)
