"""Conditions and CASE: comparisons with lists and ranges, LIKE, subqueries in conditions."""

from __future__ import annotations

from typing import Any

from midnight.silver_to_gold.spark_sql.literals import literal_text
from midnight.silver_to_gold.spark_sql.lookups import Argument, Lookups, Typed
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope


class Predicates(Lookups):
    """See the module."""

    def _not(self, node: Any, scope: Scope) -> Typed:
        return self.operation(node, "not", [self.argument(node.this, scope)])

    def _is(self, node: Any, scope: Scope) -> Typed:
        from sqlglot import exp

        truth = "null" if isinstance(node.expression, exp.Null) else literal_text(node.expression)
        return self.operation(node, f"is {truth}", [self.argument(node.this, scope)])

    def _between(self, node: Any, scope: Scope) -> Typed:
        value = self.argument(node.this, scope)
        bounds = [self.argument(node.args[side], scope) for side in ("low", "high")]
        if value.kind is None or any(bound.kind is None for bound in bounds):
            return "boolean"
        self._unify([value, *bounds])
        kinds = [self.operation(node, "between", [Argument(value.kind), Argument(b.kind, b.literal)]) for b in bounds]
        return kinds[0] and kinds[1]

    def _in(self, node: Any, scope: Scope) -> Typed:
        value = self.argument(node.this, scope)
        query = node.args.get("query")
        if query is not None:
            relation = self._subquery_columns(query, scope)
            kind = relation.columns[0][1] if len(relation.columns) == 1 else None
            if len(relation.columns) != 1 and relation.complete:
                self.findings.problem(
                    node,
                    f"{self.findings.shown(node)} compares with a query of several columns; "
                    "hint: select one, or use EXISTS",
                )
            return self.operation(node, self._in_query_name(node), [value, Argument(kind)])
        items = [self.argument(item, scope) for item in node.expressions]
        if value.kind is None or any(item.kind is None for item in items):
            return "boolean"
        self._unify([value, *items])
        result: Typed = "boolean"
        for item in items:
            result = self.operation(node, "in", [Argument(value.kind), Argument(item.kind, item.literal)]) and result
        return result

    @staticmethod
    def _in_query_name(node: Any) -> str:
        """A condition that filters rows, or a value of the select list, which Sail does not support."""
        from sqlglot import exp

        around = node.find_ancestor(exp.Where, exp.Having, exp.Join, exp.Select)
        return "in query as value" if isinstance(around, exp.Select) else "in query"

    def _like(self, node: Any, scope: Scope) -> Typed:
        return self.operation(node, "like", [self.argument(n, scope) for n in (node.this, node.expression)])

    def _ilike(self, node: Any, scope: Scope) -> Typed:
        return self.operation(node, "ilike", [self.argument(n, scope) for n in (node.this, node.expression)])

    def _escape(self, node: Any, scope: Scope) -> Typed:
        inner = node.this
        parts = [inner.this, inner.expression, node.expression]
        return self.operation(node, "like escape", [self.argument(part, scope) for part in parts])

    def _case(self, node: Any, scope: Scope) -> Typed:
        subject = node.this
        values = []
        for branch in node.args["ifs"]:
            if subject is None:
                self.condition(branch.this, scope)
            else:
                self.operation(
                    branch.this, "case =", [self.argument(subject, scope), self.argument(branch.this, scope)]
                )
            values.append(self.argument(branch.args["true"], scope))
        default = node.args.get("default")
        values.append(Argument("void") if default is None else self.argument(default, scope))
        return self._common_type(node, "case", values)

    def _exists(self, node: Any, scope: Scope) -> Typed:
        self._subquery_columns(node.this, scope)
        self.construct(node, "exists")
        return "boolean"

    def _subquery(self, node: Any, scope: Scope) -> Typed:
        relation = self._subquery_columns(node, scope)
        self.construct(node, "scalar subquery")
        return relation.columns[0][1] if relation.columns else None

    def _subquery_columns(self, node: Any, scope: Scope) -> Relation:
        if self._query is None:
            return Relation((), complete=False)
        return self._query(node, scope)
