"""Which columns of tables a query reads, and into which of its result columns they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from midnight.lineage.column_uses import ROWS, QueryColumns, Use, Uses, add_use, add_uses
from midnight.lineage.parse_query import TOO_DEEP, UnknownQueryError, parse_query
from midnight.lineage.read_expression import ReadExpressions
from midnight.lineage.relations import Relation, Scope

if TYPE_CHECKING:
    from sqlglot import exp

Result = tuple[dict[str, Uses], Uses]


def query_columns(sql: str, dialect: str, schema: Mapping[str, Sequence[str]]) -> QueryColumns:
    """The columns that a query reads; without any if it does not parse. What cannot be followed is ``unknown``.

    Args:
        sql: a query, or ``CREATE VIEW … AS`` one.
        dialect: of sqlglot.
        schema: columns of each table that the query may read, by its name in the query in lower case, with a schema if
            the query writes one.
    """
    reader = _Queries(schema)
    try:
        outputs, conditions = reader.query(parse_query(sql, dialect), {}, None)
    except UnknownQueryError as error:
        return QueryColumns(unknown=(str(error),))
    except RecursionError:
        return QueryColumns(unknown=(TOO_DEEP,))
    return QueryColumns(outputs, conditions, frozenset(reader.reads), reader.names, tuple(reader.unknown))


class _Queries(ReadExpressions):
    """Follows the columns of one statement."""

    def __init__(self, schema: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._schema = schema
        self.names: dict[str, str] = {}
        self._unnamed = count()

    def subquery(self, node: exp.Expr, scope: Scope) -> Result:
        return self.query(node, scope.queries, scope)

    def query(self, node: exp.Expr, queries: Mapping[str, Relation], outer: Scope | None) -> Result:
        """The result columns, and the columns that decide which rows there are."""
        from sqlglot import exp

        known, conditions = dict(queries), Uses()
        with_ = node.args.get("with_")
        for cte in () if with_ is None else with_.expressions:
            name = cte.alias.casefold()
            renames = [column.name for column in cte.args["alias"].args.get("columns") or []]
            if cte.parent.args.get("recursive") and isinstance(cte.this, exp.SetOperation):
                known[name] = Relation(self.query(cte.this.left, known, outer)[0]).renamed(renames)
            outputs, of_query = self.query(cte.this, known, outer)
            known[name] = Relation(outputs, conditions=of_query).renamed(renames)
        if isinstance(node, exp.Subquery):
            outputs, conditions = self.query(node.this, known, outer)
        elif isinstance(node, exp.SetOperation):
            outputs, conditions = self._set_operation(node, known, outer)
        elif isinstance(node, exp.Select):
            return self._select(node, Scope(known, outer))
        else:
            return {}, {}
        for ordered in _parts(node.args.get("order")):
            add_uses(conditions, self.uses(ordered, Scope(known, outer, aliases=outputs), "sort"))
        return outputs, conditions

    def _set_operation(self, node: exp.SetOperation, known: Mapping[str, Relation], outer: Scope | None) -> Result:
        from sqlglot import exp

        (left, conditions), (right, others) = (self.query(side, known, outer) for side in (node.left, node.right))
        add_uses(conditions, others)
        outputs = {name: dict(uses) for name, uses in left.items()}
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            for uses in (*left.values(), *right.values()):
                add_uses(conditions, uses, "group")
        if isinstance(node, exp.Union):
            for name, uses in zip(outputs, right.values(), strict=False):
                add_uses(outputs[name], uses)
        return outputs, conditions

    def _select(self, node: exp.Select, scope: Scope) -> Result:
        conditions = Uses()
        from_ = node.args.get("from_")
        if from_ is not None:
            self._add_source(from_.this, scope, conditions)
        for part in (*(node.args.get("joins") or ()), *(node.args.get("laterals") or ())):
            self._add_join(part, scope, conditions)
        windows = {window.this.name.casefold(): window for window in node.args.get("windows") or ()}
        outputs: dict[str, Uses] = {}
        for projection in node.expressions:
            for name, uses in self._projected(projection, scope, windows):
                outputs[name or f"_{len(outputs)}"] = uses
                scope.aliases.setdefault(name, uses)
        self._add_conditions(node, scope, outputs, conditions)
        return outputs, conditions

    def _projected(self, node: exp.Expr, scope: Scope, windows: Mapping[str, exp.Expr]) -> Iterator[tuple[str, Uses]]:
        from sqlglot import exp

        star = node.this if isinstance(node, exp.Column) else node
        if not isinstance(star, exp.Star):
            uses = self.uses(node, scope)
            for window in node.find_all(exp.Window):
                if window.alias.casefold() in windows:
                    add_uses(uses, self.uses(windows[window.alias.casefold()], scope, "window"))
            self.names[node.alias_or_name.casefold()] = node.alias_or_name  # that of the outermost query stays
            yield node.alias_or_name.casefold(), uses
            return
        left_out = {column.name.casefold() for column in star.args.get("except_") or ()}
        replaced = {part.alias.casefold(): part for part in star.args.get("replace") or ()}
        renamed = {p.this.name.casefold(): p.alias.casefold() for p in star.args.get("rename") or ()}
        qualifier = node.table.casefold() if isinstance(node, exp.Column) else ""
        for name, uses in scope.star(qualifier):
            if name in replaced:
                yield name, self.uses(replaced[name], scope)
            elif name in left_out:
                self.reads |= uses.keys()
            else:
                if name in renamed:
                    self.reads |= uses.keys()
                yield renamed.get(name, name), uses

    def _add_conditions(self, node: exp.Select, scope: Scope, outputs: dict[str, Uses], conditions: Uses) -> None:
        """WHERE, GROUP BY, HAVING, QUALIFY, DISTINCT and ORDER BY."""
        from sqlglot import exp

        places = list(outputs.values())

        def add(part: exp.Expr, use: Use) -> None:
            if isinstance(part, exp.Literal) and part.is_int and 0 < int(part.name) <= len(places):
                add_uses(conditions, places[int(part.name) - 1], use)
            else:
                add_uses(conditions, self.uses(part, scope, use))

        clauses: tuple[tuple[str, Use], ...] = (("where", "filter"), ("having", "filter"), ("qualify", "filter"))
        for name, use in clauses:
            if node.args.get(name) is not None:
                add(node.args[name].this, use)
        group = node.args.get("group")
        for part in _parts(group):
            add(part, "group")
        if group is not None and group.args.get("all"):
            for projection, uses in zip(node.expressions, places, strict=False):
                if projection.find(exp.AggFunc) is None:
                    add_uses(conditions, uses, "group")
        if node.args.get("distinct") is not None:
            for part in _parts(node.args["distinct"].args.get("on")):
                add(part, "group")
            for uses in places:
                add_uses(conditions, uses, "group")
        sorts = [node.args.get(name) for name in ("order", "sort", "cluster", "distribute")]
        for part in (part for clause in sorts for part in _parts(clause)):
            add(part.this if isinstance(part, exp.Ordered) else part, "sort")
        for name in ("limit", "offset"):
            if node.args.get(name) is not None:
                add_uses(conditions, self.uses(node.args[name], scope, "filter"))

    def _add_join(self, node: exp.Expr, scope: Scope, conditions: Uses) -> None:
        from sqlglot import exp

        if not isinstance(node, exp.Join):
            self._add_source(node, scope, conditions)
            return
        before = list(scope.relations.values())
        self._add_source(node.this, scope, conditions)
        joined = [relation for relation in scope.relations.values() if relation not in before]
        if node.args.get("on") is not None:
            add_uses(conditions, self.uses(node.args["on"], scope, "join"))
        names = [column.name.casefold() for column in node.args.get("using") or ()]
        if str(node.args.get("method") or "").upper() == "NATURAL":
            names = [name for r in joined for name in r.columns if any(name in other.columns for other in before)]
        for name in names:
            both = [uses for relation in (*before, *joined) if (uses := relation.find(name)) is not None]
            merged: Uses = {}
            for uses in both:
                self.reads |= uses.keys()
                add_uses(merged, uses)
                add_uses(conditions, uses, "join")
            scope.merged[name] = merged

    def _add_source(self, node: exp.Expr, scope: Scope, conditions: Uses) -> None:
        """Add what stands in FROM to the scope, and what decides about its rows to the conditions."""
        from sqlglot import exp

        alias = node.args.get("alias")
        names = [column.name for column in (alias.args.get("columns") or ())] if alias is not None else []
        if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Query):  # joins in parentheses
            self._add_source(node.this, scope, conditions)
            return
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            relation = self._table(node, scope, conditions)
        elif isinstance(node, exp.Subquery) or (isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery)):
            query = node if isinstance(node, exp.Subquery) else node.this
            outputs, of_query = self.query(query, scope.queries, scope)
            relation = Relation(outputs)
            add_uses(conditions, of_query)
        elif isinstance(node, exp.Values):
            width = len(node.expressions[0].expressions) if node.expressions else 0
            relation = Relation({f"col{place}": {} for place in range(1, width + 1)})
        else:  # a table function: its arguments decide about values and rows
            uses = self.uses(node, scope, "transformation")
            add_uses(conditions, uses, "filter")
            relation = Relation(dict.fromkeys([name.casefold() for name in names], uses), others=uses)
            names = []
        for pivot in node.args.get("pivots") or ():
            relation = self._pivoted(pivot, relation, conditions)
        name = node.alias_or_name.casefold() or f" {next(self._unnamed)}"
        scope.relations[name] = relation.renamed(names)
        for join in node.args.get("joins") or ():
            self._add_join(join, scope, conditions)

    def _table(self, node: exp.Table, scope: Scope, conditions: Uses) -> Relation:
        name = ".".join(part.casefold() for part in (node.db, node.name) if part)
        if not node.db and name in scope.queries:
            add_uses(conditions, scope.queries[name].conditions)
            return replace(scope.queries[name], conditions={})
        add_use(conditions, (name, ROWS), "rows")
        columns = self._schema.get(name)
        if columns is None:
            self.unknown[f"reads {name!r}, whose columns are not known"] = None
            return Relation(table=name)
        for column in columns:
            self.names.setdefault(column.casefold(), column)
        return Relation({column.casefold(): {(name, column.casefold()): "identity"} for column in columns})

    def _pivoted(self, pivot: exp.Expr, relation: Relation, conditions: Uses) -> Relation:
        """Columns that PIVOT does not name stay; the others come from what it names."""
        from sqlglot import exp

        named = Scope({}, relations={"": relation})
        uses = self.uses(pivot, named, "aggregation")
        add_uses(conditions, uses, "group")
        used = {column.name.casefold() for column in pivot.find_all(exp.Column)}
        return Relation({name: of for name, of in relation.columns.items() if name not in used}, others=uses)


def _parts(node: exp.Expr | None) -> list[exp.Expr]:
    return [] if node is None else list(node.iter_expressions())
