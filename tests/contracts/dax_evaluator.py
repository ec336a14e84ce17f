"""Evaluates the part of DAX that the Power BI model is written in, over rows, for a selection of a reader.

No DAX engine can be had from the package registries. This one reads the DAX by a parser of the language (pbi-parsers)
and knows the functions that the model uses; it refuses every other one. Meaning of each function: its page in "DAX
function reference" (learn.microsoft.com/dax). What the pages leave open is from "DAX overview": a filter on a table
reaches the tables on the many side of its relationships, blank counts as 0 in sums and comparisons and makes products
and quotients blank, and texts are equal whatever their case.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pbi_parsers import dax
from pbi_parsers.dax import exprs

Selection = Mapping[tuple[str, str], Iterable[Any]]  # (table, column) -> selected values
_Context = tuple[tuple[tuple[str, str], frozenset[Any]], ...]  # (table, column) and the values that it allows


class UnsupportedDaxError(Exception):
    """The expression has something whose meaning the evaluator does not know."""


class DaxModel:
    """Tables, relationships and measures.

    Args:
        tables: rows by table, with columns as the model names them.
        relationships: table and column of the many side, then of the one side.
        measures: DAX by name.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        relationships: Sequence[tuple[str, str, str, str]],
        measures: Mapping[str, str],
    ) -> None:
        self.tables = dict(tables)
        self._found: dict[tuple[str, _Context], pd.DataFrame] = {}  # rows that a context leaves
        self.relationships = relationships
        self.measures = {name: dax.to_ast(text) for name, text in measures.items()}

    def value(self, measure: str, selection: Selection) -> Any:
        """What a card shows for a measure; None for blank."""
        context = tuple((column, frozenset(map(_folded, values))) for column, values in selection.items())
        return self._value(self.measures[measure], context, None)

    def _rows(self, table: str, context: _Context) -> pd.DataFrame:
        if (table, context) not in self._found:
            self._found[table, context] = self._find_rows(table, context)
        return self._found[table, context]

    def _find_rows(self, table: str, context: _Context) -> pd.DataFrame:
        rows = self.tables[table]
        for (filtered, column), allowed in context:
            if filtered == table:
                values = rows[column]
                known = [value for value in values.unique() if _folded(value) in allowed]
                rows = rows[values.isin(known)]
        for many, many_column, one, one_column in self.relationships:
            if many == table and self._is_reached(one, context):
                rows = rows[rows[many_column].isin(self._rows(one, context)[one_column])]
        return rows

    def _is_reached(self, table: str, context: _Context) -> bool:
        return any(filtered == table for (filtered, _), _ in context) or any(
            many == table and self._is_reached(one, context) for many, _, one, _ in self.relationships
        )

    def _value(self, node: Any, context: _Context, row: Mapping[str, Any] | None) -> Any:  # noqa: PLR0911, PLR0912 - one per node
        match node:
            case exprs.FunctionExpression():
                return self._call(node, context, row)
            case exprs.MeasureExpression():
                if row is not None:
                    raise UnsupportedDaxError("a measure for each row: it would need a context transition")
                return self._value(self.measures[node.name.text[1:-1]], context, None)
            case exprs.ColumnExpression():
                if row is None:
                    raise UnsupportedDaxError(f"{node.column.text} without a row")
                return row[_name(node.column)]
            case exprs.ReturnExpression():
                variables = {v.var_name.text: self._value(v.statement, context, None) for v in node.variable_statements}
                return self._value(_with_variables(node.ret, variables), context, None)
            case _Known():
                return node.value
            case exprs.AddSubUnaryExpression():
                return -self._value(node.number, context, row)
            case exprs.LiteralNumberExpression():
                return float(node.value.text)
            case exprs.LiteralStringExpression():
                return node.value.text[1:-1].replace('""', '"')
            case exprs.ParenthesesExpression():
                return self._value(node.inner_statement, context, row)
            case exprs.LogicalExpression():
                left = bool(self._value(node.left, context, row))
                right = bool(self._value(node.right, context, row))
                return left or right if node.operator.text == "||" else left and right
            case exprs.AddSubExpression() | exprs.DivMulExpression() | exprs.ComparisonExpression():
                left, right = (self._value(side, context, row) for side in (node.left, node.right))
                return _OPERATORS[node.operator.text](left, right)
        raise UnsupportedDaxError(f"{type(node).__name__} {node}")

    def _call(self, node: Any, context: _Context, row: Mapping[str, Any] | None) -> Any:  # noqa: PLR0911, PLR0912 - one each
        name, arguments = node.function_name().upper(), node.args
        match name, arguments:
            case "BLANK", []:
                return None
            case "IF", [condition, then, *otherwise] if len(otherwise) < 2:
                chosen = [then] if self._value(condition, context, row) else otherwise
                return self._value(chosen[0], context, row) if chosen else None
            case "NOT", [operand]:
                return not self._value(operand, context, row)
            case "ISBLANK", [operand]:
                return self._value(operand, context, row) is None
            case "DIVIDE", [part, whole]:
                return _divide(*(self._value(side, context, row) for side in (part, whole)))
            case "ISFILTERED", [exprs.TableExpression(name=table)]:
                return any(filtered == _name(table) for (filtered, _), _ in context)
            case "HASONEVALUE", [exprs.ColumnExpression() as column]:
                return self._column(column, context).nunique(dropna=False) == 1
            case "COUNTROWS", [table]:
                return len(self._table(table, context)) or None
            case (("SUM" | "AVERAGE" | "MEDIAN" | "MAX"), [exprs.ColumnExpression() as column]):
                known = self._column(column, context).dropna()
                function = {"SUM": "sum", "AVERAGE": "mean", "MEDIAN": "median", "MAX": "max"}[name]
                return getattr(known, function)() if len(known) else None
            case "SUMX", [table, expression]:
                rows = self._table(table, context).to_dict("records")
                values = [self._value(expression, context, _blanks(one)) for one in rows]
                return sum(value for value in values if value is not None) if any_known(values) else None
            case "AVERAGEX", [
                exprs.FunctionExpression(args=[exprs.ColumnExpression() as column]) as values,
                expression,
            ]:
                if values.function_name().upper() != "VALUES":
                    raise UnsupportedDaxError(f"AVERAGEX over {values}")
                where = (_name(column.table), _name(column.column))
                each = [
                    self._value(expression, (*context, (where, frozenset([_folded(one)]))), None)
                    for one in self._column(column, context).unique()
                ]
                known = [value for value in each if value is not None]
                return sum(known) / len(known) if known else None
            case (("EOMONTH" | "EDATE"), [day, months]):
                months = pd.DateOffset(months=int(self._value(months, context, row)))
                moved = self._value(day, context, row) + months
                return moved + pd.offsets.MonthEnd(0) if name == "EOMONTH" else moved
            case "CALCULATE", [expression, *filters] if row is None:
                return self._value(expression, self._changed(context, filters), None)
        raise UnsupportedDaxError(f"{name} with {len(arguments)} arguments")

    def _table(self, node: Any, context: _Context) -> pd.DataFrame:
        match node:
            case exprs.TableExpression():
                return self._rows(_name(node.name), context)
            case exprs.FunctionExpression(args=[table, condition]) if node.function_name().upper() == "FILTER":
                rows = self._table(table, context)
                kept = [bool(self._value(condition, context, _blanks(row))) for row in rows.to_dict("records")]
                return rows[pd.Series(kept, rows.index, dtype=bool)]
        raise UnsupportedDaxError(f"{node} as a table")

    def _column(self, node: Any, context: _Context) -> pd.Series:
        return self._rows(_name(node.table), context)[_name(node.column)]

    def _changed(self, context: _Context, filters: Sequence[Any]) -> _Context:
        """A filter argument replaces what is selected in its column; KEEPFILTERS adds to it."""
        changed = context
        for node in filters:
            keeps = isinstance(node, exprs.FunctionExpression) and node.function_name().upper() == "KEEPFILTERS"
            match node.args[0] if keeps else node:
                case exprs.FunctionExpression(args=[exprs.TableExpression(name=table)]) if (
                    node.function_name().upper() == "ALL"
                ):
                    changed = tuple(item for item in changed if item[0][0] != _name(table))
                case (
                    exprs.LogicalExpression()
                    | exprs.ComparisonExpression(
                        left=exprs.ColumnExpression(),
                        right=_Known() | exprs.AddSubExpression() | exprs.FunctionExpression(),
                    )
                ):
                    changed = (*changed, self._days(node))
                case exprs.ComparisonExpression(left=exprs.ColumnExpression() as column, right=right) as comparison:
                    if comparison.operator.text != "=":
                        raise UnsupportedDaxError(f"a filter with {comparison.operator.text}")
                    where = (_name(column.table), _name(column.column))
                    if not keeps:
                        changed = tuple(item for item in changed if item[0] != where)
                    changed = (*changed, (where, frozenset([_folded(self._value(right, (), None))])))
                case other:
                    raise UnsupportedDaxError(f"{other} as a filter")
        return changed

    def _days(self, condition: Any) -> tuple[tuple[str, str], frozenset[Any]]:
        """The values of a column of a table, in any selection, that a condition allows."""
        first = condition.left if isinstance(condition, exprs.LogicalExpression) else condition
        where = (_name(first.left.table), _name(first.left.column))
        values = [_folded(value) for value in self.tables[where[0]][where[1]].unique()]
        return where, frozenset(value for value in values if self._value(condition, (), {where[1]: value}))


class _Known:
    """The value of a variable."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _with_variables(node: Any, values: Mapping[str, Any]) -> Any:
    """The expression with the values of variables in the place of their names."""
    if isinstance(node, exprs.IdentifierExpression):
        if node.name.text not in values:
            raise UnsupportedDaxError(f"{node.name.text} is not a variable")
        return _Known(values[node.name.text])
    if isinstance(node, list):
        return [_with_variables(item, values) for item in node]
    if isinstance(node, exprs.Expression):
        changed = copy.copy(node)
        for name, inner in vars(node).items():
            setattr(changed, name, _with_variables(inner, values))
        return changed
    return node


def any_known(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _name(token: Any) -> str:
    text = token.text
    if text.startswith("["):
        return text[1:-1].replace("]]", "]")
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def _blanks(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if pd.isna(value) else value for name, value in row.items()}


def _folded(value: Any) -> Any:
    if isinstance(value, date | np.datetime64):
        return pd.Timestamp(value)
    return value.casefold() if isinstance(value, str) else value


def _divide(part: Any, whole: Any) -> Any:
    return None if part is None or not whole else part / whole


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: None if a is None and b is None else (a or 0) + (b or 0),
    "-": lambda a, b: a - (pd.Timedelta(days=b) if isinstance(a, pd.Timestamp) else (b or 0)),
    "<=": lambda a, b: a <= b,
    "*": lambda a, b: None if a is None or b is None else a * b,
    ">": lambda a, b: a > b if isinstance(a, pd.Timestamp) else (a or 0) > (b or 0),
    "=": lambda a, b: _folded(a) == _folded(b),
}
