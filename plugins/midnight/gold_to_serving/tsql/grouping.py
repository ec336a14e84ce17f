"""GROUP BY: the inner query that groups and aggregates, and the names of its expressions outside."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.aggregates import AGGREGATES, aggregate_sql
from midnight.gold_to_serving.tsql.comparisons import equality_key
from midnight.gold_to_serving.tsql.construct import FunctionCall, UnknownError
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.scope import Scope, key_of
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INT, TINYINT
from midnight.sql_text import quote_identifier

if TYPE_CHECKING:
    from midnight.gold_to_serving.tsql.sources import Sources


def has_aggregate(node: object) -> bool:
    """Whether there is an aggregate of this SELECT, not of a subquery."""
    if isinstance(node, q.Query | s.Subquery):
        return False
    if isinstance(node, s.Call):
        if node.name in AGGREGATES and node.over is None:
            return True
        return has_aggregate(node.arguments) or has_aggregate(node.over) or has_aggregate(node.within)
    return any(has_aggregate(part) for part in s.children(node))


class Grouping:
    """The groups of one SELECT.

    Args:
        e: translates expressions.
        rows: the scope of the rows.
        items: of GROUP BY; empty when all rows are one group.
    """

    def __init__(self, e: Sources, rows: Scope, items: Sequence[s.Node]) -> None:
        self.alias = e.unique_alias("grouped")
        self._rows = rows
        self._has_sets = any(isinstance(item, q.GroupingSets) for item in items)
        self._columns: list[str] = []
        self._keys: dict[Hashable, str] = {}
        self._values: dict[Hashable, Typed] = {}
        self._aggregates: dict[str, Typed] = {}
        self._clause = self._group_by(e, items)

    def scope(self, e: Sources) -> Scope:
        """The scope in which SELECT, HAVING and ORDER BY are translated."""
        return Scope(
            self._rows.sources,
            self._rows.parent,
            aggregate=lambda call: self._aggregate(e, call),
            grouped=self._values,
            windows=True,
        )

    def sql(self, body: str) -> str:
        """The inner query; complete when all outer expressions have been translated."""
        columns = self._columns or ["1 AS nothing"]
        return f"SELECT {', '.join(columns)}{body}{self._clause}"

    def _group_by(self, e: Sources, items: Sequence[s.Node]) -> str:
        parts, unknown = [], False
        for item in items:
            try:
                parts.append(self._item(e, item))
            except UnknownError:
                unknown = True
            except RefusedError as error:
                e.report(error.problem)
                unknown = True
        if unknown:
            raise UnknownError
        return f"\nGROUP BY {', '.join(parts)}" if parts else ""

    def _item(self, e: Sources, item: s.Node) -> str:
        if not isinstance(item, q.GroupingSets):
            return self._key(e, item)
        members = []
        for member in item.members:
            if isinstance(member, q.GroupingSets):
                members.append(self._item(e, member))
            else:
                members.append(f"({', '.join(self._key(e, node) for node in member)})")
        return f"{item.kind} ({', '.join(members)})"

    def _key(self, e: Sources, node: s.Node) -> str:
        if not any(isinstance(part, s.Name) for part in s.walk(node)):
            raise RefusedError(node.line, "T-SQL cannot group by position or by a constant", "repeat the expression")
        if any(isinstance(part, q.Query) for part in s.walk(node)) or has_aggregate(node):
            raise RefusedError(
                node.line, "GROUP BY cannot hold a subquery or an aggregate", "compute it in a derived table"
            )
        value = e.value(node, self._rows)
        key = key_of(node, self._rows)
        if key not in self._keys:
            sql = equality_key(value)
            self._keys[key] = sql
            shown = sql
            if value.type.is_text:  # one of the texts that differ in trailing blanks only
                shown = f"min({value.sql})"
                if self._has_sets:
                    shown = f"CASE WHEN GROUPING({sql}) = 0 THEN {shown} END"
            self._values[key] = self._column(shown, value)
        return self._keys[key]

    def _column(self, sql: str, value: Typed) -> Typed:
        name = quote_identifier(f"g{len(self._columns)}")
        self._columns.append(f"{sql} AS {name}")
        return Typed(f"{quote_identifier(self.alias)}.{name}", value.type, is_column=True)

    def _aggregate(self, e: Sources, call: s.Call) -> Typed:
        if has_aggregate(call.arguments):
            raise RefusedError(
                call.line, f"{call.name} of an aggregate is an error in T-SQL", "aggregate in a derived table first"
            )
        if any(isinstance(part, q.Query) for part in s.walk(call.arguments)):
            raise RefusedError(
                call.line, f"{call.name} of a subquery is an error in T-SQL", "join it in a derived table"
            )
        if call.name in ("GROUPING", "GROUPING_ID"):
            value = self._grouping_function(call)
        else:
            value = aggregate_sql(FunctionCall(call, self._rows, e), lambda sql: sql)
        if value.sql not in self._aggregates:
            self._aggregates[value.sql] = self._column(value.sql, value)
        return self._aggregates[value.sql]

    def _grouping_function(self, call: s.Call) -> Typed:
        keys = []
        for node in call.arguments:
            key = self._keys.get(key_of(node, self._rows))
            if key is None:
                raise RefusedError(
                    call.line, f"{call.name}: the argument is not in GROUP BY", "repeat the expression of GROUP BY"
                )
            keys.append(key)
        if not keys or (call.name == "GROUPING" and len(keys) != 1):
            raise RefusedError(call.line, f"{call.name} has {len(keys)} arguments", "name the expressions of GROUP BY")
        type_ = TINYINT if call.name == "GROUPING" else INT
        return Typed(f"CAST(GROUPING({', '.join(keys)}) AS {type_.duckdb})", type_)
