"""Conditions: comparisons, IN, LIKE, EXISTS, AND, OR and NOT."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.comparisons import compared, equality_key, order_key
from midnight.gold_to_serving.tsql.construct import UnknownError
from midnight.gold_to_serving.tsql.like import like_condition
from midnight.gold_to_serving.tsql.problems import Problem, RefusedError
from midnight.gold_to_serving.tsql.scope import Column, Scope
from midnight.gold_to_serving.tsql.typed import Typed


class Conditions:
    """Translates conditions; values and queries are added by the classes that extend it."""

    def query(self, query: q.Query, scope: Scope | None, *, named: bool = True) -> tuple[str, tuple[Column, ...]]:
        """Translate a subquery; return its SQL and columns. With ``named`` each column needs a name."""
        raise NotImplementedError

    def exists_query(self, query: q.Query, scope: Scope) -> str:
        """Translate a subquery of EXISTS, whose columns do not matter."""
        raise NotImplementedError

    def report(self, problem: Problem) -> None:
        """Record a problem and continue."""
        if problem not in self.problems:
            self.problems.append(problem)

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.constants: dict[str, int] = {}  # DuckDB's SQL of constant expressions -> line

    def value(self, node: s.Node, scope: Scope) -> Typed:
        """Translate a value; raises UnknownError when it was refused."""
        raise NotImplementedError

    def values(self, nodes: Sequence[s.Node], scope: Scope) -> list[Typed]:
        """Translate several values; raises UnknownError when one was refused."""
        raise NotImplementedError

    def condition(self, node: s.Node, scope: Scope) -> str:
        """Translate a condition to DuckDB's SQL.

        Raises:
            UnknownError: it was refused, and the problem was recorded.
        """
        translate = _CONDITIONS.get(type(node))
        try:
            if translate is None:
                raise RefusedError(
                    node.line, "a value is not a condition in T-SQL", "compare it: a BIT column with = 1"
                )
            return translate(self, node, scope)
        except RefusedError as error:
            self.report(error.problem)
            raise UnknownError from None

    def _logic(self, node: s.Logic, scope: Scope) -> str:
        sides = []
        for side in (node.left, node.right):
            try:
                sides.append(self.condition(side, scope))
            except UnknownError:
                continue
        if len(sides) < 2:
            raise UnknownError
        return f"({sides[0]} {node.operator} {sides[1]})"

    def _not(self, node: s.Not, scope: Scope) -> str:
        return f"(NOT {self.condition(node.operand, scope)})"

    def _comparison(self, node: s.Comparison, scope: Scope) -> str:
        return self.comparison(node.operator, node.left, node.right, scope, node.line)

    def comparison(self, operator: str, left: s.Node, right: s.Node, scope: Scope, line: int) -> str:
        """Translate ``left operator right``."""
        a, b = self.values((left, right), scope)
        return _compare(operator, a, b, line)

    def _distinct_from(self, node: s.DistinctFrom, scope: Scope) -> str:
        a, b = self.values((node.left, node.right), scope)
        left, right = compared(a, b, node.line)
        negated = "NOT " if node.negated else ""
        return f"({equality_key(left)} IS {negated}DISTINCT FROM {equality_key(right)})"

    def _is_null(self, node: s.IsNull, scope: Scope) -> str:
        value = self.value(node.operand, scope)
        return f"({value.sql} IS {'NOT ' if node.negated else ''}NULL)"

    def _between(self, node: s.Between, scope: Scope) -> str:
        value, low, high = self.values((node.operand, node.low, node.high), scope)
        both = f"({_compare('>=', value, low, node.line)} AND {_compare('<=', value, high, node.line)})"
        return f"(NOT {both})" if node.negated else both

    def _in(self, node: s.In, scope: Scope) -> str:
        if node.query is not None:
            found = self._quantified(s.Quantified("=", node.operand, "ANY", node.query, line=node.line), scope)
            return f"(NOT {found})" if node.negated else found
        value, *items = self.values((node.operand, *node.items), scope)
        if value.type.is_text and all(item.text is not None for item in items):
            found = f"({equality_key(value)} IN ({', '.join(equality_key(item) for item in items)}))"
        else:
            found = f"({' OR '.join(_compare('=', value, item, node.line) for item in items)})"
        return f"(NOT {found})" if node.negated else found

    def _quantified(self, node: s.Quantified, scope: Scope) -> str:
        value = self.value(node.left, scope)
        sql, columns = self.query(node.query, scope, named=False)
        if len(columns) != 1:
            raise RefusedError(node.line, "the subquery of IN, ANY or ALL must select one column", "remove the others")
        inner = Typed('q."x"', columns[0].type, is_column=True)
        left, right = compared(value, inner, node.line)
        key = equality_key if node.operator in ("=", "<>") else order_key
        return f'({key(left)} {node.operator} {node.quantifier} (SELECT {key(right)} FROM ({sql}) AS q("x")))'

    def _exists(self, node: s.Exists, scope: Scope) -> str:
        return f"EXISTS ({self.exists_query(node.query, scope)})"

    def _like(self, node: s.Like, scope: Scope) -> str:
        value, pattern = self.values((node.operand, node.pattern), scope)
        escape = self.value(node.escape, scope) if node.escape is not None else None
        found = like_condition(value, pattern, escape, node.line)
        return f"(NOT {found})" if node.negated else found


def _compare(operator: str, left: Typed, right: Typed, line: int) -> str:
    if left.is_null or right.is_null:
        return "CAST(NULL AS BOOLEAN)"  # unknown for every other side
    left, right = compared(left, right, line)
    if operator in ("=", "<>"):
        return f"({equality_key(left)} {operator} {equality_key(right)})"
    return f"({order_key(left)} {operator} {order_key(right)})"


_CONDITIONS: dict[type[s.Node], Callable[..., str]] = {
    s.Logic: Conditions._logic,
    s.Not: Conditions._not,
    s.Comparison: Conditions._comparison,
    s.DistinctFrom: Conditions._distinct_from,
    s.IsNull: Conditions._is_null,
    s.Between: Conditions._between,
    s.In: Conditions._in,
    s.Like: Conditions._like,
    s.Exists: Conditions._exists,
    s.Quantified: Conditions._quantified,
}
