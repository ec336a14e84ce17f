"""T-SQL's grammar of FROM: joins, APPLY, PIVOT, VALUES. Source: "FROM", "Table Value Constructor"."""

from __future__ import annotations

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_expression import ExpressionParser
from midnight.gold_to_serving.tsql.problems import RefusedError

_JOINS = {"INNER": "INNER", "JOIN": "INNER", "LEFT": "LEFT", "RIGHT": "RIGHT", "FULL": "FULL"}
_HINTS = ("HASH", "MERGE", "LOOP", "REMOTE", "REDUCE", "REPLICATE", "REDISTRIBUTE")
_ROWSETS = {
    "OPENROWSET": "a reporting view reads the base views gold.*, which are generated, not files",
    "OPENQUERY": "Synapse serverless has no linked servers",
    "OPENXML": "Synapse serverless has no OPENXML",
    "OPENDATASOURCE": "Synapse serverless has no linked servers",
}


class FromParser(ExpressionParser):
    """Adds the sources of a query to the parser of expressions."""

    def from_clause(self) -> s.Node:
        source = self._joined()
        while self.at(","):
            line = self.advance().line
            source = q.Join("CROSS", source, self._joined(), line=line)
        return source

    def _joined(self) -> s.Node:
        left = self._table_source()
        while True:
            line, word = self.token.line, self.token.upper
            if word in ("CROSS", "OUTER") and self.peek(1).upper in ("JOIN", "APPLY"):
                self.advance()
                kind = "CROSS" if self.advance().upper == "JOIN" else f"{word} APPLY"
                left = q.Join(kind, left, self._table_source(), line=line)
            elif word in _JOINS:
                left = self._join(left, _JOINS[word], line)
            elif word == "NATURAL":
                raise RefusedError(line, "T-SQL has no NATURAL JOIN", "write INNER JOIN … ON a.x = b.x")
            else:
                return left

    def _join(self, left: s.Node, kind: str, line: int) -> q.Join:
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
        return q.Join(kind, left, right, self.condition(), line=line)

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
            raise RefusedError(self.token.line, "TABLESAMPLE is not deterministic", "filter the rows by a key")
        alias = self.alias() or parts[-1]
        if self.at("WITH") or (self.at("(") and self.peek(1).upper == "NOLOCK"):
            raise RefusedError(self.token.line, "Synapse serverless has no table hints", "remove WITH (…)")
        return q.Table(parts, alias, line=line)

    def _parenthesised_source(self) -> s.Node:
        line = self.advance().line
        if self.at("VALUES"):
            values = self._values()
            self.expect(")")
            alias, columns = self._alias_with_columns(line, "VALUES")
            if not columns:
                raise RefusedError(line, "VALUES needs column names", "write (VALUES …) AS v (a, b)")
            return q.Derived(values, alias, columns, line=line)
        if self._starts_query():
            query = self.query()
            self.expect(")")
            alias, columns = self._alias_with_columns(line, "a derived table")
            return q.Derived(query, alias, columns, line=line)
        source = self.from_clause()
        self.expect(")")
        return source

    def _starts_query(self) -> bool:
        ahead = 0
        while self.peek(ahead).upper == "(":
            ahead += 1
        return self.peek(ahead).upper in ("SELECT", "WITH")

    def _values(self) -> q.Values:
        line = self.advance().line
        rows = [self._row()]
        while self.accept(","):
            rows.append(self._row())
        if len({len(row) for row in rows}) > 1:
            raise RefusedError(
                line, "the rows of VALUES have different numbers of columns", "give each row all columns"
            )
        return q.Values(tuple(rows), line=line)

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

    def _table_function(self, parts: tuple[str, ...], line: int) -> q.TableFunction:
        self.advance()
        arguments = [] if self.at(")") else [self.condition()]
        while self.accept(","):
            arguments.append(self.condition())
        self.expect(")")
        json_columns: list[q.JsonColumn] = []
        if self.accept("WITH"):
            self.expect("(")
            json_columns.append(self._json_column())
            while self.accept(","):
                json_columns.append(self._json_column())
            self.expect(")")
        alias = self.alias() or ""
        columns = self.column_names() if alias and self.at("(") else ()
        name = ".".join(parts).upper()
        return q.TableFunction(name, tuple(arguments), alias, columns, tuple(json_columns), line=line)

    def _json_column(self) -> q.JsonColumn:
        line = self.token.line
        name = self.identifier("a column of OPENJSON")
        type_name = self.type_name()
        path = self.advance().text if self.token.kind in ("text", "ntext") else None
        as_json = False
        if self.accept("AS"):
            self.expect("JSON")
            as_json = True
        return q.JsonColumn(name, type_name, path, as_json, line=line)

    def _pivot(self, source: s.Node) -> q.Pivot:
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
        return q.Pivot(source, aggregate, column, values, alias, line=line)

    def _unpivot(self, source: s.Node) -> q.Unpivot:
        line = self.advance().line
        self.expect("(")
        value = self.identifier("the column of values")
        self.expect("FOR")
        name = self.identifier("the column of names")
        columns = self._in_names()
        self.expect(")")
        alias, _ = self._alias_with_columns(line, "UNPIVOT")
        return q.Unpivot(source, value, name, columns, alias, line=line)

    def _in_names(self) -> tuple[str, ...]:
        self.expect("IN")
        if self.at("(") and self.peek(1).kind in ("text", "number"):
            raise RefusedError(self.token.line, "PIVOT lists names, not constants", "write IN ([2024], [2025])")
        return self.column_names()
