"""Functions over windows, FILTER, WITHIN GROUP, and the order of rows."""

from __future__ import annotations

from typing import Any

from midnight.silver_to_gold.spark_sql.functions import Functions
from midnight.silver_to_gold.spark_sql.lookups import Argument, Typed
from midnight.silver_to_gold.spark_sql.operations import frame_name
from midnight.silver_to_gold.spark_sql.rewrites import ZERO_WITHOUT_SIGN
from midnight.silver_to_gold.spark_sql.scopes import Scope


class Windows(Functions):
    """See the module."""

    def _window(self, node: Any, scope: Scope) -> Typed:
        if node.args.get("alias") is not None:
            self._named_window(node, scope)
        for part in node.args.get("partition_by") or []:
            self.operation(part, "partition by", [Argument(self.type_of(part, scope))])
        order = node.args.get("order")
        for part in order.expressions if order is not None else []:
            self.order_by(part, "order by in window", scope)
        return self._over(node.this, scope, f" {frame_name(self._definition(node))}")

    def _definition(self, node: Any) -> Any:
        """Return the definition of a named window."""
        from sqlglot import exp

        alias = node.args.get("alias")
        select = node.find_ancestor(exp.Select)
        named = {w.this.name.casefold(): w for w in (select.args.get("windows") or [])} if select is not None else {}
        return node if alias is None else named.get(alias.name.casefold(), node)

    def _named_window(self, node: Any, scope: Scope) -> None:
        definition = self._definition(node)
        if definition is not node:
            for part in definition.args.get("partition_by") or []:
                self.operation(part, "partition by", [Argument(self.type_of(part, scope))])
            order = definition.args.get("order")
            for part in order.expressions if order is not None else []:
                self.order_by(part, "order by in window", scope)
            self.construct(node, "window clause")

    def _over(self, node: Any, scope: Scope, suffix: str) -> Typed:
        from sqlglot import exp

        if isinstance(node, exp.IgnoreNulls):
            return self._over(node.this, scope, f" ignore nulls{suffix}")
        if isinstance(node, exp.RespectNulls):
            return self._over(node.this, scope, suffix)
        if isinstance(node, exp.Filter):
            self.condition(node.expression.this, scope)
            return self._over(node.this, scope, f" filter{suffix}")
        if isinstance(node, exp.Anonymous):
            return self._anonymous(node, scope, suffix)
        if self.rules.refuse:
            self.findings.problem(node, f"{self.findings.shown(node)} is not a function that the check supports")
        return None

    def _filter(self, node: Any, scope: Scope) -> Typed:
        self.condition(node.expression.this, scope)
        self.construct(node, "filter (where)")
        return self._over(node.this, scope, "")

    def _ignorenulls(self, node: Any, scope: Scope) -> Typed:
        return self._over(node.this, scope, " ignore nulls")

    def _withingroup(self, node: Any, scope: Scope) -> Typed:
        ordered = node.expression.expressions
        arguments = [self.argument(part, scope) for part in [*node.this.expressions, ordered[0].this]]
        descending = " desc" if ordered[0].args.get("desc") else ""
        return self.operation(node, f"{node.this.name.lower()} within group{descending}", arguments)

    def order_by(self, node: Any, name: str, scope: Scope) -> None:
        """Check a part of ORDER BY; the position of nulls is part of the proof."""
        kind = self.type_of(node.this, scope)
        self.operation(node, name, [Argument(kind)])
        if kind in ("float", "double"):
            self.adapt(node.this, ZERO_WITHOUT_SIGN)
