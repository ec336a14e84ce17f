"""Sources of a SELECT: tables, joins, subqueries, generators, pivots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from midnight.silver_to_gold.spark_sql.expressions import Expressions
from midnight.silver_to_gold.spark_sql.findings import Findings
from midnight.silver_to_gold.spark_sql.lookups import Argument, Rules
from midnight.silver_to_gold.spark_sql.operations import GENERATORS
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope
from midnight.silver_to_gold.spark_sql.types import element_of, map_types, split_types

UNKNOWN = Relation((), complete=False)


class Sources:
    """The relations of FROM, in one text."""

    def __init__(self, findings: Findings, rules: Rules, tables: Mapping[str, Relation]) -> None:
        """``tables``: relation by its name in the text, in lower case (``silver__orders``)."""
        self.findings, self.rules, self._tables = findings, rules, tables
        self.expressions = Expressions(findings, rules, self.columns)

    @abstractmethod
    def columns(self, node: Any, scope: Scope) -> Relation:
        """Return the columns of a query, and check its parts."""

    def unknown(self, node: Any, what: str) -> None:
        """Refuse on Sail a form that the check does not support."""
        if self.rules.refuse:
            self.findings.problem(
                node,
                f"{what} is not supported by the check of gold models; hint: rewrite it "
                "(docs/spark-sql.md), or set MIDNIGHT_ENGINE=spark",
            )

    def _generated(self, call: Any, scope: Scope) -> list[tuple[str, str | None]]:
        """Return the columns of a generator such as explode."""
        name = call.name.lower()
        kinds = [self.expressions.type_of(part, scope) for part in call.expressions]
        first = kinds[0] if kinds else None
        position: list[tuple[str, str | None]] = [("pos", "int")] if name.startswith("pos") else []
        if name == "stack":
            self.expressions.construct(call, "stack")
            width = -(-(len(kinds) - 1) // int(call.expressions[0].name))
            return [(f"col{i}", kinds[1 + i]) for i in range(width)]
        self.expressions.operation(call, name, [Argument(first)])
        if first is None:
            return [*position, ("col", None)]
        pair = map_types(first)
        if pair:
            return [*position, ("key", pair[0]), ("value", pair[1])]
        element = element_of(first)
        if name.startswith("inline") and element:
            return [(field.partition(":")[0], field.partition(":")[2]) for field in split_types(element[7:-1])]
        return [*position, ("col", element)]

    def _from(self, node: Any, scope: Scope) -> None:
        from_ = node.args.get("from_")
        if from_ is not None:
            self._add_source(from_.this, scope)
            for join in from_.this.args.get("joins") or []:
                self._join(join, scope)
        for join in node.args.get("joins") or []:
            self._join(join, scope)
        for lateral in node.args.get("laterals") or []:
            self._lateral_view(lateral, scope)

    def _add_source(self, node: Any, scope: Scope) -> Relation:
        from sqlglot import exp

        alias = node.alias_or_name
        if isinstance(node, exp.Table):
            relation = self._table(node, scope)
        elif isinstance(node, exp.Lateral):
            relation = self.columns(node.this, scope)
            self.expressions.construct(node, "lateral subquery")
        else:
            relation = self.columns(node, scope if isinstance(node, exp.Lateral) else _sealed(scope))
        names = []
        table_alias = node.args.get("alias")
        if table_alias is not None:
            names = [column.name for column in (table_alias.args.get("columns") or [])]
        for pivot in node.args.get("pivots") or []:
            relation = self._pivot(pivot, relation, scope)
            alias = pivot.alias or alias
        if node.args.get("sample") is not None:
            self.unknown(node, "TABLESAMPLE")
        relation = renamed(relation, names, relation.source or alias)
        key = alias.casefold() or f" {len(scope.relations)}"
        scope.relations[key] = relation
        return relation

    def _table(self, node: Any, scope: Scope) -> Relation:
        from sqlglot import exp

        if not isinstance(node.this, exp.Identifier):
            function = node.this
            name = function.name.lower() if isinstance(function, exp.Anonymous) else type(function).__name__.lower()
            if name == "range":
                self.expressions.construct(node, "range")
                return Relation((("id", "bigint"),))
            if name in GENERATORS:
                return Relation(tuple(self._generated(function, scope)))
            self.unknown(node, f"the table function {name}")
            return UNKNOWN
        cte = scope.find_cte(node.name) if not node.db else None
        return cte or self._tables.get(node.name.casefold(), UNKNOWN)

    def _join(self, node: Any, scope: Scope) -> None:
        before = dict(scope.relations)
        words = [node.args.get("method"), node.args.get("side"), node.args.get("kind")]
        name = " ".join(str(word).lower() for word in words if word).replace(" outer", "") or "inner"
        relation = self._add_source(node.this, scope)
        on, using = node.args.get("on"), node.args.get("using") or []
        if on is None and not using and name == "inner":
            name = "cross"
        self.expressions.construct(node, f"{name} join using" if using else f"{name} join")
        for column in using:
            left = Scope(before, scope.ctes).find(column.name)
            right = relation.type_of(column.name)
            if relation.complete and not (left[0] and right[0]):
                self.findings.problem(column, f"column {column.name!r} of USING is not in both tables: {scope.shown()}")
            self.expressions.operation(node, "=", [Argument(left[1]), Argument(right[1])])
            scope.names["using "] = ",".join(filter(None, [scope.names.get("using "), column.name.casefold()]))
        if on is not None:
            self.expressions.condition(on, scope)
        if "semi" in name or "anti" in name:
            scope.relations = before  # the right side is not visible outside ON

    def _lateral_view(self, node: Any, scope: Scope) -> None:
        self.expressions.construct(node, "lateral view outer" if node.args.get("outer") else "lateral view")
        alias = node.args.get("alias")
        names = [column.name for column in (alias.args.get("columns") or [])] if alias is not None else []
        relation = Relation(tuple(self._generated(node.this, scope)))
        key = node.alias.casefold() or f" {len(scope.relations)}"
        scope.relations[key] = renamed(relation, names, node.alias)

    def _pivot(self, node: Any, relation: Relation, scope: Scope) -> Relation:
        from sqlglot import exp

        if node.args.get("unpivot"):
            self.expressions.construct(node, "unpivot")
            return UNKNOWN
        self.expressions.construct(node, "pivot")
        inner = Scope({"": relation}, scope.ctes, outer=scope.outer)
        used: set[str] = set()
        columns: list[tuple[str, str | None]] = []
        kinds = []
        for call in node.expressions:
            kinds.append((call.alias, self.expressions.type_of(call.unalias(), inner)))
            used |= {column.name.casefold() for column in call.find_all(exp.Column)}
        for field in node.args.get("fields") or []:
            key = self.expressions.type_of(field.this, inner)
            self.expressions.operation(field, "group by", [Argument(key)])
            used |= {column.name.casefold() for column in field.this.find_all(exp.Column)}
            for value in field.expressions:
                name = value.alias or value.name
                columns += [(name if len(kinds) == 1 else f"{name}_{alias}", kind) for alias, kind in kinds]
        kept = [column for column in relation.columns if column[0].casefold() not in used]
        for _, kind in kept:
            self.expressions.operation(node, "group by", [Argument(kind)])
        return Relation((*kept, *columns), complete=relation.complete)

    def _values(self, node: Any, scope: Scope) -> Relation:
        rows = [row.expressions if type(row).__name__ == "Tuple" else [row] for row in node.expressions]
        kinds: list[str | None] = []
        for position in range(len(rows[0])):
            column = [self.expressions.argument(row[position], scope) for row in rows]
            kind = column[0].kind
            for value in column[1:]:
                if value.kind != kind:
                    kind = self.expressions.operation(node, "union", [Argument(kind), Argument(value.kind)])
            kinds.append(kind)
        alias = node.args.get("alias")
        names = [column.name for column in (alias.args.get("columns") or [])] if alias is not None else []
        names = names or [f"col{i}" for i in range(1, len(kinds) + 1)]
        return Relation(tuple(zip(names, kinds, strict=False)))


def renamed(relation: Relation, names: list[str], source: str) -> Relation:
    """Return the relation with the column names of an alias."""
    if not names:
        return Relation(relation.columns, source or relation.source, relation.complete)
    kinds = [kind for _, kind in relation.columns] if relation.columns else [None] * len(names)
    return Relation(tuple(zip(names, kinds, strict=False)), source, relation.complete)


def _sealed(scope: Scope) -> Scope:
    """Return the scope of a subquery in FROM: common table expressions, but not the tables next to it."""
    return Scope(ctes=dict(scope.ctes), outer=scope.outer)
