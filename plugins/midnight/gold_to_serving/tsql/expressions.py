"""Expressions, each with its T-SQL type. Constructs that are in no table are refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.calls import translate_call
from midnight.gold_to_serving.tsql.conditions import Conditions
from midnight.gold_to_serving.tsql.construct import UnknownError
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.operators import binary, unary
from midnight.gold_to_serving.tsql.problems import Problem, RefusedError
from midnight.gold_to_serving.tsql.scope import Scope, key_of
from midnight.gold_to_serving.tsql.styled import convert_with_style
from midnight.gold_to_serving.tsql.time_zones import at_time_zone
from midnight.gold_to_serving.tsql.type_names import type_of
from midnight.gold_to_serving.tsql.type_rules import highest
from midnight.gold_to_serving.tsql.typed import NULL_VALUE, Typed, decimal_constant, integer_constant, text_constant
from midnight.gold_to_serving.tsql.types import FLOAT, SqlType

# not constant: columns (which are quoted), subqueries, the current time
_VARIES = re.compile(r'"|SELECT|tsql\.now|OVER|^row_number|^count')
_COLLATION = "latin1_general_100_bin2_utf8"


class Expressions(Conditions):
    """Translates values; a subclass adds queries."""

    def value(self, node: s.Node, scope: Scope) -> Typed:
        """Translate a value other than datetimeoffset, which T-SQL compares as UTC; DuckDB's value is local time.

        Raises:
            UnknownError: it was refused, and the problem was recorded.
        """
        value = self.zoned_value(node, scope)
        if value.type.kind == "datetimeoffset":
            hint = "write CAST(x AT TIME ZONE 'UTC' AT TIME ZONE '…' AS datetime2)"
            self.report(Problem(node.line, f"{value.type} can only be converted here; hint: {hint}"))
            raise UnknownError
        return value

    def zoned_value(self, node: s.Node, scope: Scope) -> Typed:
        """Translate a value that may be a datetimeoffset, whose DuckDB value is local time.

        Raises:
            UnknownError: it was refused, and the problem was recorded.
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
        """Translate several values; all of their problems are recorded.

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
            raise RefusedError(node.line, "'*' cannot be used here", "name the columns")
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
        value, zone = self.zoned_value(node.operand, scope), self.value(node.zone, scope)
        return at_time_zone(value, zone, node.line)

    def _cast(self, node: s.Cast, scope: Scope) -> Typed:
        target = type_of(node.type, 30)
        value = self.zoned_value(node.operand, scope)
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
            raise RefusedError(
                node.line, "CASE returns only NULL", "write a typed value, for example CAST(NULL AS int)"
            )
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
        """Return the type of highest precedence.

        Raises:
            RefusedError: T-SQL does not convert them to one type.
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
        return translate_call(node, scope, self)


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
