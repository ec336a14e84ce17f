"""T-SQL's grammar of queries: SELECT, set operations, FROM with joins, APPLY, PIVOT, and the statement of a view.

Source: the pages "SELECT", "FROM", "GROUP BY", "ORDER BY clause", "TOP", "WITH", "Table Value Constructor".
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_from import FromParser
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.tokens import tokenize


def parse_view(sql: str) -> q.View:
    """Parse the statement ``CREATE OR ALTER VIEW … AS SELECT …``.

    Raises:
        RefusedError: it is not T-SQL, or T-SQL that no view can hold.
    """
    return QueryParser(tokenize(sql)).view()


def parse_query(sql: str) -> q.Query:
    """Parse a SELECT statement.

    Raises:
        RefusedError: as ``parse_view``.
    """
    parser = QueryParser(tokenize(sql))
    query = parser.query()
    parser.expect_end()
    return query


class QueryParser(FromParser):
    """Adds queries to the parser of sources and expressions."""

    def view(self) -> q.View:
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
        return q.View(parts, columns, query, line=line)

    def expect_end(self) -> None:
        self.accept(";")
        if self.token.kind != "end":
            if self.at("LIMIT"):
                raise RefusedError(self.token.line, "T-SQL has no LIMIT", "write SELECT TOP (n) … ORDER BY …")
            if self.at("OPTION"):
                raise RefusedError(self.token.line, "OPTION: query options cannot be used in a view", "remove it")
            if self.at("QUALIFY"):
                raise RefusedError(
                    self.token.line, "T-SQL has no QUALIFY", "filter the window function in an outer SELECT"
                )
            raise RefusedError(
                self.token.line, f"is not T-SQL: unexpected {self.token.text!r}; a file must hold one statement"
            )

    def query(self) -> q.Query:
        line = self.token.line
        ctes: list[q.Cte] = []
        if self.accept("WITH"):
            ctes.append(self._cte())
            while self.accept(","):
                ctes.append(self._cte())
        body = self._set_operation()
        order, offset, fetch = self._order_by()
        return q.Query(body, tuple(ctes), order, offset, fetch, line=line)

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

    def _cte(self) -> q.Cte:
        line = self.token.line
        name = self.identifier("the name of a common table expression")
        columns = self.column_names() if self.at("(") else ()
        self.expect("AS")
        self.expect("(")
        query = self.query()
        self.expect(")")
        return q.Cte(name, columns, query, line=line)

    def _set_operation(self) -> q.Select | q.SetOperation | q.Query:
        left: q.Select | q.SetOperation | q.Query = self._intersection()
        while self.at("UNION") or self.at("EXCEPT"):
            line, operator = self.token.line, self.advance().upper
            if operator == "UNION" and self.accept("ALL"):
                operator = "UNION ALL"
            left = q.SetOperation(operator, _as_query(left), _as_query(self._intersection()), line=line)
        return left

    def _intersection(self) -> q.Select | q.SetOperation | q.Query:
        left: q.Select | q.SetOperation | q.Query = self._query_term()
        while self.at("INTERSECT"):
            line = self.advance().line
            left = q.SetOperation("INTERSECT", _as_query(left), _as_query(self._query_term()), line=line)
        return left

    def _query_term(self) -> q.Select | q.Query:
        if self.accept("("):
            line = self.token.line
            body = self._set_operation()
            if self.at("ORDER"):
                raise RefusedError(
                    line, "ORDER BY cannot be used inside parentheses of UNION", "put it after the last SELECT"
                )
            self.expect(")")
            return q.Query(body, line=line)
        return self._select()

    def _select(self) -> q.Select:
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
        source = self.from_clause() if self.accept("FROM") else None
        where = self.condition() if self.accept("WHERE") else None
        group = self._group_by() if self.at("GROUP") else ()
        having = self.condition() if self.accept("HAVING") else None
        return q.Select(tuple(items), distinct, top, source, where, group, having, line=line)

    def _top(self) -> q.Top:
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
        return q.Top(count, percent, with_ties, line=line)

    def _item(self) -> q.Item:
        line = self.token.line
        if self.at("FROM") or self.token.kind == "end":
            raise RefusedError(line, "SELECT names no column", "list the columns after SELECT")
        if self.accept("*"):
            return q.Item(s.Star(line=line), line=line)
        expression = self.condition()
        if isinstance(expression, s.Comparison) and expression.operator == "=" and isinstance(expression.left, s.Name):
            return q.Item(expression.right, expression.left.parts[-1], line=line)  # alias = expression
        return q.Item(expression, self.alias(), line=line)

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
            return q.GroupingSets("GROUPING SETS", ((),), line=line)
        return self.additive()

    def _grouping_sets(self) -> q.GroupingSets | None:
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
        return q.GroupingSets(kind, tuple(members), line=line)

    def _grouping_member(self) -> tuple[s.Node, ...] | q.GroupingSets:
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


def _as_query(part: q.Select | q.SetOperation | q.Query) -> q.Query:
    return part if isinstance(part, q.Query) else q.Query(part, line=part.line)
