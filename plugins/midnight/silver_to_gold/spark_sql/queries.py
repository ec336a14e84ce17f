"""Columns and types of queries: common table expressions, set operations, the select list, groups, order."""

from __future__ import annotations

from typing import Any

from midnight.silver_to_gold.spark_sql.lookups import Argument
from midnight.silver_to_gold.spark_sql.operations import GENERATORS
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope
from midnight.silver_to_gold.spark_sql.sources import UNKNOWN, Sources, renamed
from midnight.silver_to_gold.spark_sql.types import wider_type
from midnight.sql_text import quote_backticked

# Parts of a SELECT that the check supports; any other is refused.
_KNOWN_PARTS = {
    *("expressions", "from_", "joins", "laterals", "where", "group", "having", "qualify", "windows", "distinct"),
    *("order", "limit", "offset", "with_", "kind", "operation_modifiers", "hint"),
}


class Queries(Sources):
    """The columns of one text's queries."""

    def columns(self, node: Any, scope: Scope) -> Relation:
        """Return the columns of a query, and check its parts."""
        from sqlglot import exp

        node = node.this if isinstance(node, exp.Subquery) and not self._is_shaped(node) else node
        inner = scope.nested()
        self._common_table_expressions(node, inner)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, inner)
        if isinstance(node, exp.Select):
            return self._select(node, inner)
        if isinstance(node, exp.Subquery):
            relation = self.columns(node.this, inner)
            self._order_and_limit(node, Scope({"": relation}, inner.ctes, outer=scope))
            return relation
        if isinstance(node, exp.Values):
            return self._values(node, inner)
        self.unknown(node, type(node).__name__)
        return UNKNOWN

    @staticmethod
    def _is_shaped(node: Any) -> bool:
        return any(node.args.get(part) for part in ("order", "limit", "offset", "with_"))

    def _common_table_expressions(self, node: Any, scope: Scope) -> None:
        with_ = node.args.get("with_")
        if with_ is None:
            return
        self.expressions.construct(with_, "with recursive" if with_.args.get("recursive") else "with")
        for cte in with_.expressions:
            relation = self.columns(cte.this, Scope(ctes=dict(scope.ctes), outer=scope.outer))
            names = [column.name for column in (cte.args["alias"].args.get("columns") or [])]
            scope.ctes[cte.alias.casefold()] = renamed(relation, names, cte.alias)

    def _set_operation(self, node: Any, scope: Scope) -> Relation:
        word = type(node).__name__.lower() + (" all" if node.args.get("distinct") is False else "")
        if node.args.get("by_name"):
            word += " by name"
        sides = [
            self.columns(side, Scope(ctes=dict(scope.ctes), outer=scope.outer)) for side in (node.this, node.expression)
        ]
        left, right = sides
        if not (left.complete and right.complete):
            return UNKNOWN
        if len(left.columns) != len(right.columns):
            self.findings.problem(
                node.expression,
                f"{word.upper()} of {len(left.columns)} and {len(right.columns)} columns; hint: select the same number",
            )
            return UNKNOWN
        self.expressions.construct(node, word)
        operation = "union" if word.startswith("union all") else f"{word.split()[0]} distinct"
        pairs = [(_projection(node.this, n), _projection(node.expression, n)) for n in range(len(left.columns))]
        columns = []
        for (name, first), (_, second), (one, other) in zip(left.columns, right.columns, pairs, strict=True):
            kind = self.expressions.operation(other or node, operation, [Argument(first), Argument(second)])
            common = None if first is None or second is None else wider_type(first, second)
            if first != second and common is not None:
                self._cast_projection(one, name, first, common)
                self._cast_projection(other, name, second, common)
            columns.append((name, kind))
        relation = Relation(tuple(columns))
        self._order_and_limit(node, Scope({"": relation}, scope.ctes, outer=scope.outer))
        return relation

    def _cast_projection(self, item: Any, name: str, kind: str | None, wanted: str) -> None:
        """Cast the columns of a UNION, for which Sail has another common type than Spark."""
        from sqlglot import exp

        if kind == wanted or not self.rules.refuse:
            return
        if item is None:
            self.findings.problem(
                None,
                f"column {name!r} is {kind} in one part of a UNION and {wanted} in the other; "
                f"hint: CAST it to {wanted.upper()}",
            )
        elif isinstance(item, exp.Alias):
            self.expressions.wrap(item.this, wanted)
        else:
            self.expressions.wrap(item, wanted, f" AS {quote_backticked(name)}")

    def _select(self, node: Any, scope: Scope) -> Relation:
        for part, value in node.args.items():
            if value and part not in _KNOWN_PARTS:
                self.unknown(node, part.upper().replace("_", " "))
        self._from(node, scope)
        where = node.args.get("where")
        if where is not None:
            self.expressions.condition(where.this, scope)
        outputs = self._outputs(node, scope)
        visible = {name.casefold(): kind for name, kind in outputs.columns}
        # GROUP BY and HAVING may use aliases of the select list, where no column has the name.
        aliases = Scope(ctes=scope.ctes, outer=scope.outer)
        aliases.relations = {**scope.relations, "": outputs}
        self._group(node, aliases, outputs)
        for part in ("having", "qualify"):
            condition = node.args.get(part)
            if condition is not None:
                self.expressions.construct(condition, part)
                self.expressions.condition(condition.this, aliases)
        if node.args.get("distinct") is not None:
            for _, kind in outputs.columns:
                self.expressions.operation(node.args["distinct"], "distinct", [Argument(kind)])
        self._order_and_limit(node, aliases.with_names(visible))
        return outputs

    def _group(self, node: Any, scope: Scope, outputs: Relation) -> None:
        group = node.args.get("group")
        if group is None:
            return
        for part, name in (("all", "group by all"), ("totals", "with totals")):
            if group.args.get(part):
                self.expressions.construct(group, name)
        for name in ("rollup", "cube", "grouping_sets"):
            for item in group.args.get(name) or []:
                self._group_item(item, scope, outputs)
        sets = [item for item in group.expressions if type(item).__name__ in ("Rollup", "Cube", "GroupingSets")]
        if sets and len(group.expressions) > 1:
            self.expressions.construct(group, "grouping sets with other columns")
        for item in group.expressions:
            self._group_item(item, scope, outputs)

    def _group_item(self, item: Any, scope: Scope, outputs: Relation) -> None:
        from sqlglot import exp

        if isinstance(item, exp.Rollup | exp.Cube | exp.GroupingSets):
            self.expressions.construct(item, type(item).__name__.lower())
        if isinstance(item, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
            for part in item.expressions:
                self._group_item(part, scope, outputs)
            return
        item = item.this if isinstance(item, exp.Paren) else item
        if isinstance(item, exp.Literal) and not item.is_string and item.name.isdigit():
            number = int(item.name)
            kind = outputs.columns[number - 1][1] if 0 < number <= len(outputs.columns) else None
        else:
            kind = self.expressions.type_of(item, scope)
        self.expressions.operation(item, "group by", [Argument(kind)])

    def _order_and_limit(self, node: Any, scope: Scope) -> None:
        from sqlglot import exp

        for part_name in ("sort", "cluster", "distribute"):
            if node.args.get(part_name) is not None:
                self.unknown(node.args[part_name], part_name.upper())
        order = node.args.get("order")
        for part in order.expressions if order is not None else []:
            if not (isinstance(part.this, exp.Literal) and not part.this.is_string):
                self.expressions.order_by(part, "order by", scope)
        for name in ("limit", "offset"):
            if node.args.get(name) is not None:
                self.expressions.construct(node.args[name], name)

    def _outputs(self, node: Any, scope: Scope) -> Relation:
        from sqlglot import exp

        columns: list[tuple[str, str | None]] = []
        complete = True
        for item in node.expressions:
            inner = item.unalias() if isinstance(item, exp.Alias) else item
            if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
                found, known = self._star(inner, scope)
                columns += found
                complete = complete and known
                continue
            call = inner.this if isinstance(inner, exp.Aliases) else inner
            if isinstance(call, exp.Anonymous) and call.name.lower() in GENERATORS:
                names = [n.name for n in inner.expressions] if isinstance(inner, exp.Aliases) else []
                names = [item.alias] if isinstance(item, exp.Alias) else names
                columns += renamed(Relation(tuple(self._generated(call, scope))), names, "").columns
                continue
            before = dict(scope.names)
            kind = self.expressions.type_of(item, scope)
            scope.names = before
            columns.append((_output_name(item), kind))
        return Relation(tuple(columns), complete=complete)

    def _star(self, node: Any, scope: Scope) -> tuple[list[tuple[str, str | None]], bool]:
        from sqlglot import exp

        star = node.this if isinstance(node, exp.Column) else node
        qualifier = node.table.casefold() if isinstance(node, exp.Column) else ""
        excluded = {c.name.casefold() for c in (star.args.get("except_") or star.args.get("except") or [])}
        if excluded:
            self.expressions.construct(node, "star except")
        if qualifier and qualifier not in scope.relations:
            self.findings.problem(
                node, f"{qualifier!r} is not a table of this query; hint: {sorted(scope.relations)!r} are"
            )
            return [], False
        chosen = [relation for alias, relation in scope.relations.items() if qualifier in ("", alias)]
        hidden = scope.names.get("using ") or ""
        columns, seen = [], set()
        for relation in chosen:
            for name, kind in relation.columns:
                key = name.casefold()
                if key in excluded or (key in hidden.split(",") and key in seen):
                    continue
                seen.add(key)
                columns.append((name, kind))
        return columns, all(relation.complete for relation in chosen)


def _projection(query: Any, position: int) -> Any:
    """Return an item of a query's select list; None behind a star or a set operation."""
    from sqlglot import exp

    while isinstance(query, exp.Subquery):
        query = query.this
    items = query.expressions if isinstance(query, exp.Select) else []
    hidden = any(item.is_star or isinstance(item, exp.Aliases) for item in items)
    return None if hidden or position >= len(items) else items[position]


def _output_name(node: Any) -> str:
    """Return the name of a result column; empty where Spark derives it from the text."""
    from sqlglot import exp

    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    return str(node.alias_or_name) if isinstance(node, exp.Alias | exp.Column) else ""
