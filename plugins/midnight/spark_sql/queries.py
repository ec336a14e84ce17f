"""Columns and types of queries: FROM, joins, common table expressions, set operations, groups, order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from midnight.spark_sql.expressions import Argument, Expressions, Rules
from midnight.spark_sql.findings import Findings
from midnight.spark_sql.operations import GENERATORS
from midnight.spark_sql.scopes import Relation, Scope
from midnight.spark_sql.types import element_of, map_types, split_types, struct_fields

UNKNOWN = Relation((), complete=False)
# Parts of a SELECT that the check looks at; any other is refused.
_KNOWN_PARTS = {
    *("expressions", "from_", "joins", "laterals", "where", "group", "having", "qualify", "windows", "distinct"),
    *("order", "limit", "offset", "with_", "kind", "operation_modifiers", "hint"),
}


class Queries:
    """The columns of one text's queries."""

    def __init__(self, findings: Findings, rules: Rules, tables: Mapping[str, Relation]) -> None:
        """``tables``: relation by name as the text has it, in lower case (``silver__orders``)."""
        self.findings, self.rules, self._tables = findings, rules, tables
        self.expressions = Expressions(findings, rules, self.columns)

    def columns(self, node: Any, scope: Scope) -> Relation:
        """The columns of a query, its parts checked."""
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
        self._unknown(node, type(node).__name__)
        return UNKNOWN

    @staticmethod
    def _is_shaped(node: Any) -> bool:
        return any(node.args.get(part) for part in ("order", "limit", "offset", "with_"))

    def _unknown(self, node: Any, what: str) -> None:
        if self.rules.refuse:
            self.findings.problem(node, f"{what} is not a form that the check of gold models knows; hint: write it "
                                  "otherwise (docs/spark-sql.md), or set MIDNIGHT_ENGINE=spark")

    def _common_table_expressions(self, node: Any, scope: Scope) -> None:
        with_ = node.args.get("with_")
        if with_ is None:
            return
        self.expressions.construct(with_, "with recursive" if with_.args.get("recursive") else "with")
        for cte in with_.expressions:
            relation = self.columns(cte.this, Scope(ctes=dict(scope.ctes), outer=scope.outer))
            names = [column.name for column in (cte.args["alias"].args.get("columns") or [])]
            scope.ctes[cte.alias.casefold()] = _renamed(relation, names, cte.alias)

    def _set_operation(self, node: Any, scope: Scope) -> Relation:
        word = type(node).__name__.lower() + (" all" if node.args.get("distinct") is False else "")
        if node.args.get("by_name"):
            word += " by name"
        sides = [self.columns(side, Scope(ctes=dict(scope.ctes), outer=scope.outer)) for side in (node.this, node.expression)]
        left, right = sides
        if not (left.complete and right.complete):
            return UNKNOWN
        if len(left.columns) != len(right.columns):
            self.findings.problem(
                node.expression,
                f"{word.upper()} of {len(left.columns)} and {len(right.columns)} columns; hint: both need as many",
            )
            return UNKNOWN
        self.expressions.construct(node, word)
        columns = []
        for (name, first), (_, second) in zip(left.columns, right.columns, strict=True):
            kind = first
            if first != second or not word.endswith("all"):
                name_of = "union" if word.endswith("all") else f"{word.split()[0]} distinct"
                kind = self.expressions.operation(node, name_of, [Argument(first), Argument(second)])
            columns.append((name, kind))
        relation = Relation(tuple(columns))
        self._order_and_limit(node, Scope({"": relation}, scope.ctes, outer=scope.outer))
        return relation

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

    def _select(self, node: Any, scope: Scope) -> Relation:
        for part, value in node.args.items():
            if value and part not in _KNOWN_PARTS:
                self._unknown(node, part.upper().replace("_", " "))
        self._from(node, scope)
        where = node.args.get("where")
        if where is not None:
            self.expressions._condition(where.this, scope)
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
                self.expressions._condition(condition.this, aliases)
        if node.args.get("distinct") is not None:
            for item, (_, kind) in zip(node.expressions, outputs.columns, strict=False):
                self.expressions.operation(item, "distinct", [Argument(kind)])
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

        order = node.args.get("order")
        for part in order.expressions if order is not None else []:
            if not (isinstance(part.this, exp.Literal) and not part.this.is_string):
                self.expressions.order_by(part, "order by", scope)
        for name in ("limit", "offset"):
            if node.args.get(name) is not None:
                self.expressions.construct(node.args[name], name)

    # -- the select list -------------------------------------------------------------------------------------------

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
                columns += _renamed(Relation(tuple(self._generated(call, scope))), names, "").columns
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
            self.findings.problem(node, f"{qualifier!r} is not a table of this query; hint: {sorted(scope.relations)!r} are")
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

    def _generated(self, call: Any, scope: Scope) -> list[tuple[str, str | None]]:
        """Columns of a generator such as explode."""
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

    # -- from ------------------------------------------------------------------------------------------------------

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
            self._unknown(node, "TABLESAMPLE")
        relation = _renamed(relation, names, relation.source or alias)
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
            self._unknown(node, f"the table function {name}")
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
        self.expressions.construct(node, f"{name} join")
        for column in using:
            left = Scope(before, scope.ctes).find(column.name)
            right = relation.type_of(column.name)
            if relation.complete and not (left[0] and right[0]):
                self.findings.problem(column, f"column {column.name!r} of USING is not in both tables: {scope.shown()}")
            self.expressions.operation(node, "=", [Argument(left[1]), Argument(right[1])])
            scope.names["using "] = ",".join(filter(None, [scope.names.get("using "), column.name.casefold()]))
        if on is not None:
            self.expressions._condition(on, scope)
        if "semi" in name or "anti" in name:
            scope.relations = before  # the right side is not seen outside of ON

    def _lateral_view(self, node: Any, scope: Scope) -> None:
        self.expressions.construct(node, "lateral view outer" if node.args.get("outer") else "lateral view")
        alias = node.args.get("alias")
        names = [column.name for column in (alias.args.get("columns") or [])] if alias is not None else []
        relation = Relation(tuple(self._generated(node.this, scope)))
        key = node.alias.casefold() or f" {len(scope.relations)}"
        scope.relations[key] = _renamed(relation, names, node.alias)

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
        for name, kind in kept:
            self.expressions.operation(node, "group by", [Argument(kind)])
            del name
        return Relation((*kept, *columns), complete=relation.complete)


def _sealed(scope: Scope) -> Scope:
    """What a subquery in FROM sees: common table expressions, but no tables next to it."""
    return Scope(ctes=dict(scope.ctes), outer=scope.outer)


def _renamed(relation: Relation, names: list[str], source: str) -> Relation:
    if not names:
        return Relation(relation.columns, source or relation.source, relation.complete)
    kinds = [kind for _, kind in relation.columns] if relation.columns else [None] * len(names)
    return Relation(tuple(zip(names, kinds, strict=False)), source, relation.complete)


def _output_name(node: Any) -> str:
    from sqlglot import exp

    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    return str(node.alias_or_name)


_ = struct_fields, Callable
