"""T-SQL's grammar of conditions. Source: "Search condition", "Operator precedence"."""

from __future__ import annotations

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.token_cursor import TokenCursor

_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!<": ">=", "!>": "<="}


class ConditionParser(TokenCursor):
    """Recursive descent parser; subclasses add values and queries."""

    def additive(self) -> s.Node:
        """A value with ``+ - & | ^`` and operators of higher precedence."""
        raise NotImplementedError

    def query(self) -> q.Query:
        """A SELECT."""
        raise NotImplementedError

    def condition(self) -> s.Node:
        left = self._and()
        while self.at("OR"):
            line = self.advance().line
            left = s.Logic("OR", left, self._and(), line=line)
        return left

    def _and(self) -> s.Node:
        left = self._not()
        while self.at("AND"):
            line = self.advance().line
            left = s.Logic("AND", left, self._not(), line=line)
        return left

    def _not(self) -> s.Node:
        if self.at("NOT"):
            line = self.advance().line
            return s.Not(self._not(), line=line)
        return self._predicate()

    def _predicate(self) -> s.Node:
        if self.at("EXISTS"):
            line = self.advance().line
            return s.Exists(self._query_in_parentheses(), line=line)
        left = self.additive()
        line, word = self.token.line, self.token.upper
        if word in _COMPARISONS:
            return self._comparison(left, _COMPARISONS[word], line)
        if word == "IS":
            return self._is(left, line)
        if word in ("ILIKE", "RLIKE", "REGEXP", "SIMILAR"):
            raise RefusedError(line, f"T-SQL has no {word}", "write LOWER(x) LIKE …")
        negated = word == "NOT" and self.peek(1).upper in ("IN", "LIKE", "BETWEEN")
        if negated:
            self.advance()
        return self._range(left, negated, line)

    def _range(self, left: s.Node, negated: bool, line: int) -> s.Node:
        """IN, LIKE, BETWEEN, or the value alone."""
        if self.accept("IN"):
            return self._in(left, negated, line)
        if self.accept("LIKE"):
            pattern = self.additive()
            return s.Like(left, pattern, self.additive() if self.accept("ESCAPE") else None, negated, line=line)
        if self.accept("BETWEEN"):
            low = self.additive()
            self.expect("AND")
            return s.Between(left, low, self.additive(), negated, line=line)
        return left

    def _comparison(self, left: s.Node, operator: str, line: int) -> s.Node:
        self.advance()
        if self.token.upper in ("ANY", "SOME", "ALL"):
            quantifier = "ALL" if self.advance().upper == "ALL" else "ANY"
            return s.Quantified(operator, left, quantifier, self._query_in_parentheses(), line=line)  # type: ignore[arg-type]
        comparison = s.Comparison(operator, left, self.additive(), line=line)
        if self.token.upper in _COMPARISONS:
            raise RefusedError(self.token.line, "is not T-SQL: comparisons cannot be chained", "join them by AND")
        return comparison

    def _is(self, left: s.Node, line: int) -> s.Node:
        self.advance()
        negated = self.accept("NOT")
        if self.accept("DISTINCT"):
            self.expect("FROM")
            return s.DistinctFrom(left, self.additive(), negated, line=line)
        if not self.accept("NULL"):
            raise RefusedError(line, f"T-SQL has no IS {self.token.text}", "compare with =, or write IS NULL")
        return s.IsNull(left, negated, line=line)

    def _in(self, left: s.Node, negated: bool, line: int) -> s.In:
        if self._at_subquery():
            return s.In(left, (), self._query_in_parentheses(), negated, line=line)
        self.expect("(")
        items = [self.additive()]
        while self.accept(","):
            items.append(self.additive())
        self.expect(")")
        return s.In(left, tuple(items), None, negated, line=line)

    def _at_subquery(self) -> bool:
        ahead = 0
        while self.peek(ahead).upper == "(":
            ahead += 1
        return ahead > 0 and self.peek(ahead).upper in ("SELECT", "WITH")

    def _query_in_parentheses(self) -> q.Query:
        self.expect("(")
        query = self.query()
        self.expect(")")
        return query
