"""Values and conditions, each with its T-SQL type. What is in no table is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.aggregates import AGGREGATES, WINDOW_ONLY
from midnight.gold_to_serving.tsql.construct import FunctionCall, UnknownError
from midnight.gold_to_serving.tsql.constructs import FUNCTIONS, REFUSED
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.like import like_condition
from midnight.gold_to_serving.tsql.operators import binary, compared, equality_key, order_key, unary
from midnight.gold_to_serving.tsql.problems import Problem, RefusedError
from midnight.gold_to_serving.tsql.scope import Column, Scope, key_of
from midnight.gold_to_serving.tsql.styled import convert_with_style
from midnight.gold_to_serving.tsql.time_zones import at_time_zone
from midnight.gold_to_serving.tsql.type_names import type_of
from midnight.gold_to_serving.tsql.typed import NULL_VALUE, Typed, decimal_constant, integer_constant, text_constant
from midnight.gold_to_serving.tsql.types import FLOAT, SqlType, highest
from midnight.gold_to_serving.tsql.windows import window_function

# columns are quoted; subqueries and the clock are not the same each time
_VARIES = re.compile(r'"|SELECT|tsql\.now|OVER|^row_number|^count')
_COLLATION = "latin1_general_100_bin2_utf8"


class Expressions:
    """Translates expressions; ``query`` is added by the translator of queries."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.constants: dict[str, int] = {}  # DuckDB's SQL of what no column is in, and its line

    def query(self, query: s.Query, scope: Scope | None, *, named: bool = True) -> tuple[str, tuple[Column, ...]]:
        """DuckDB's SQL of a subquery and its columns, each of which needs a name if ``named``."""
        raise NotImplementedError

    def exists_query(self, query: s.Query, scope: Scope) -> str:
        """DuckDB's SQL of a subquery of which only the rows count."""
        raise NotImplementedError

    def report(self, problem: Problem) -> None:
        """Note a problem and go on."""
        if problem not in self.problems:
            self.problems.append(problem)

    def value(self, node: s.Node, scope: Scope) -> Typed:
        """A value.

        Raises:
            UnknownError: it was refused, and the problem noted.
        """
        try:
            value = self._value(node, scope)
        except RefusedError as error:
            self.report(error.problem)
            raise UnknownError from None
        if isinstance(node, s.Cast | s.Binary | s.Call) and not _VARIES.search(value.sql):
            self.constants.setdefault(value.sql, node.line)
        return value

    def values(self, nodes: Sequence[s.Node], scope: Scope) -> list[Typed]:
        """Several values; all of their problems are noted.

        Raises:
            UnknownError: one of them was refused.
        """
        found, unknown = [], False
        for node in nodes:
            try:
                found.append(self.value(node, scope))
            except UnknownError:
                unknown = True
        if unknown:
            raise UnknownError
        return found

    def _value(self, node: s.Node, scope: Scope) -> Typed:
        if scope.grouped is not None and not isinstance(node, s.Literal):
            grouped = scope.grouped.get(_key_or_none(node, scope))
            if grouped is not None:
                return grouped
        translate = _VALUES.get(type(node))
        if translate is not None:
            return translate(self, node, scope)
        if isinstance(node, s.Condition):
            raise RefusedError(node.line, "T-SQL cannot select a condition", "write CASE WHEN … THEN 1 ELSE 0 END")
        if isinstance(node, s.Star):
            raise RefusedError(node.line, "'*' cannot stand here", "name the columns")
        raise RefusedError(node.line, f"{type(node).__name__} is not supported here", "write it as a CASE or a join")

    def _literal(self, node: s.Literal, scope: Scope) -> Typed:
        if node.kind == "int":
            return integer_constant(int(node.text))
        if node.kind == "decimal":
            if len(node.text.replace(".", "").lstrip("0")) > 38:
                raise RefusedError(node.line, f"{node.text} has more than 38 digits", "write a float constant: 1e40")
            return decimal_constant(node.text)
        if node.kind == "float":
            return Typed(f"CAST('{node.text}' AS DOUBLE)", FLOAT, float(node.text))
        if node.kind in ("text", "ntext"):
            return text_constant(node.text, node.kind == "ntext")
        if node.kind == "binary":
            raise RefusedError(node.line, f"binary constant {node.text} is not supported", "write a number or a text")
        return NULL_VALUE

    def _name(self, node: s.Name, scope: Scope) -> Typed:
        return scope.resolve(node)

    def _unary(self, node: s.Unary, scope: Scope) -> Typed:
        if node.operator == "-" and isinstance(node.operand, s.Literal) and node.operand.text == "2147483648":
            return Typed("CAST(-2147483648 AS DECIMAL(10,0))", decimal_constant("2147483648").type)
        return unary(node.operator, self.value(node.operand, scope), node.line)

    def _binary(self, node: s.Binary, scope: Scope) -> Typed:
        left, right = self.values((node.left, node.right), scope)
        return binary(node.operator, left, right, node.line)

    def _collate(self, node: s.Collate, scope: Scope) -> Typed:
        value = self.value(node.operand, scope)
        if node.collation.lower() != _COLLATION:
            hint = "for a comparison that ignores case write LOWER(a) = LOWER(b)"
            raise RefusedError(
                node.line, f"COLLATE {node.collation}: only Latin1_General_100_BIN2_UTF8 is proved", hint
            )
        return value

    def _at_time_zone(self, node: s.AtTimeZone, scope: Scope) -> Typed:
        value, zone = self.values((node.operand, node.zone), scope)
        return at_time_zone(value, zone, node.line)

    def _cast(self, node: s.Cast, scope: Scope) -> Typed:
        target = type_of(node.type, 30)
        value = self.value(node.operand, scope)
        attempt = node.function.startswith("TRY_")
        if node.style is not None:
            return convert_with_style(value, target, self.value(node.style, scope), attempt, node.line)
        return convert(value, target, node.line, attempt=attempt, explicit=True)

    def _case(self, node: s.Case, scope: Scope) -> Typed:
        conditions = [self._branch(node.operand, condition, scope) for condition, _ in node.branches]
        results = [result for _, result in node.branches] + ([node.otherwise] if node.otherwise is not None else [])
        values = self.values(results, scope)
        if None in conditions:
            raise UnknownError
        target = self.common_type(values, node.line, "CASE")
        if target.kind == "null":
            raise RefusedError(node.line, "CASE gives NULL only", "write a typed value, for example CAST(NULL AS int)")
        shown = [convert(value, target, node.line).sql for value in values]
        branches = "".join(f" WHEN {c} THEN {v}" for c, v in zip(conditions, shown, strict=False))
        otherwise = f" ELSE {shown[-1]}" if node.otherwise is not None else ""
        return Typed(f"(CASE{branches}{otherwise} END)", target)

    def _branch(self, operand: s.Node | None, condition: s.Node, scope: Scope) -> str | None:
        try:
            if operand is None:
                return self.condition(condition, scope)
            return self.comparison("=", operand, condition, scope, condition.line)
        except UnknownError:
            return None

    def common_type(self, values: Sequence[Typed], line: int, what: str) -> SqlType:
        """The type of highest precedence.

        Raises:
            RefusedError: they do not mix.
        """
        target = highest([value.type for value in values])
        if target is None:
            kinds = ", ".join(str(value.type) for value in values)
            raise RefusedError(
                line, f"{what} mixes types that T-SQL does not convert: {kinds}", "CAST them to one type"
            )
        return target

    def _subquery(self, node: s.Subquery, scope: Scope) -> Typed:
        sql, columns = self.query(node.query, scope, named=False)
        if len(columns) != 1:
            raise RefusedError(node.line, "a subquery used as a value must select one column", "remove the others")
        return Typed(f"({sql})", columns[0].type)

    def _call(self, node: s.Call, scope: Scope) -> Typed:
        if node.over is not None:
            if not scope.windows:
                raise RefusedError(
                    node.line, f"{node.name} OVER can stand only in SELECT and ORDER BY", "filter it in an outer SELECT"
                )
            return window_function(FunctionCall(node, scope, self))
        if node.name in WINDOW_ONLY:
            raise RefusedError(node.line, f"{node.name} needs OVER", f"write {node.name}(…) OVER (ORDER BY …)")
        if node.name in AGGREGATES:
            if scope.aggregate is None:
                raise RefusedError(
                    node.line, f"{node.name}: an aggregate cannot stand here", "use HAVING, or a subquery"
                )
            return scope.aggregate(node)
        if node.within or node.distinct:
            raise RefusedError(node.line, f"{node.name} takes no DISTINCT and no WITHIN GROUP", "remove it")
        function = FUNCTIONS.get(node.name)
        if function is None or function.translate is None:
            refused = REFUSED.get(node.name)
            if refused is not None:
                raise RefusedError(node.line, f"{node.name}: {refused.reason}", refused.hint)
            hint = "docs/tsql.md lists what is translated; or mark the view '-- midnight: azure only'"
            raise RefusedError(node.line, f"{node.name} is not in the table of proved functions", hint)
        least, most = function.arguments
        if not least <= len(node.arguments) <= most:
            raise RefusedError(
                node.line, f"{node.name} has {len(node.arguments)} arguments", f"write {function.signature}"
            )
        return function.translate(FunctionCall(node, scope, self))

    # conditions

    def condition(self, node: s.Node, scope: Scope) -> str:
        """A condition in DuckDB's SQL.

        Raises:
            UnknownError: it was refused, and the problem noted.
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
        """``left operator right``."""
        return _compare(operator, *self.values((left, right), scope), line)

    def _distinct_from(self, node: s.DistinctFrom, scope: Scope) -> str:
        left, right = compared(*self.values((node.left, node.right), scope), node.line)
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
            found = self._in_query("=", node.operand, node.query, scope, node.line, "ANY")
            return f"(NOT {found})" if node.negated else found
        value, *items = self.values((node.operand, *node.items), scope)
        if value.type.is_text and all(item.text is not None for item in items):
            found = f"({equality_key(value)} IN ({', '.join(equality_key(item) for item in items)}))"
        else:
            found = f"({' OR '.join(_compare('=', value, item, node.line) for item in items)})"
        return f"(NOT {found})" if node.negated else found

    def _in_query(
        self, operator: str, operand: s.Node, query: s.Query, scope: Scope, line: int, quantifier: str
    ) -> str:
        value = self.value(operand, scope)
        sql, columns = self.query(query, scope, named=False)
        if len(columns) != 1:
            raise RefusedError(line, "the subquery of IN, ANY or ALL must select one column", "remove the others")
        inner = Typed('q."x"', columns[0].type, is_column=True)
        left, right = compared(value, inner, line)
        key = equality_key if operator in ("=", "<>") else order_key
        return f'({key(left)} {operator} {quantifier} (SELECT {key(right)} FROM ({sql}) AS q("x")))'

    def _quantified(self, node: s.Quantified, scope: Scope) -> str:
        return self._in_query(node.operator, node.left, node.query, scope, node.line, node.quantifier)

    def _exists(self, node: s.Exists, scope: Scope) -> str:
        return f"EXISTS ({self.exists_query(node.query, scope)})"

    def _like(self, node: s.Like, scope: Scope) -> str:
        value, pattern = self.values((node.operand, node.pattern), scope)
        escape = self.value(node.escape, scope) if node.escape is not None else None
        found = like_condition(value, pattern, escape, node.line)
        return f"(NOT {found})" if node.negated else found


def _compare(operator: str, left: Typed, right: Typed, line: int) -> str:
    if left.is_null or right.is_null:
        return "CAST(NULL AS BOOLEAN)"  # unknown, whatever the other side is
    left, right = compared(left, right, line)
    if operator in ("=", "<>"):
        return f"({equality_key(left)} {operator} {equality_key(right)})"
    return f"({order_key(left)} {operator} {order_key(right)})"


def _key_or_none(node: s.Node, scope: Scope) -> object:
    try:
        return key_of(node, scope)
    except RefusedError:
        return None


_VALUES: dict[type[s.Node], Callable[..., Typed]] = {
    s.Literal: Expressions._literal,
    s.Name: Expressions._name,
    s.Unary: Expressions._unary,
    s.Binary: Expressions._binary,
    s.Collate: Expressions._collate,
    s.AtTimeZone: Expressions._at_time_zone,
    s.Cast: Expressions._cast,
    s.Case: Expressions._case,
    s.Subquery: Expressions._subquery,
    s.Call: Expressions._call,
}
_CONDITIONS: dict[type[s.Node], Callable[..., str]] = {
    s.Logic: Expressions._logic,
    s.Not: Expressions._not,
    s.Comparison: Expressions._comparison,
    s.DistinctFrom: Expressions._distinct_from,
    s.IsNull: Expressions._is_null,
    s.Between: Expressions._between,
    s.In: Expressions._in,
    s.Like: Expressions._like,
    s.Exists: Expressions._exists,
    s.Quantified: Expressions._quantified,
}
