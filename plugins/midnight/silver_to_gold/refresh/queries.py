"""The branches of queries: set operations, the select list, WHERE, GROUP BY, windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from midnight.silver_to_gold.refresh.branches import Branch, Output
from midnight.silver_to_gold.refresh.functions import call_name, has_aggregate
from midnight.silver_to_gold.refresh.names import Unresolved, conjuncts, expression_text, follows_from, windows_of
from midnight.silver_to_gold.refresh.sources import Rows, Sources, true_for_all
from midnight.silver_to_gold.refresh.tree import TooComplexError
from midnight.silver_to_gold.refresh.value_types import value_type
from midnight.silver_to_gold.spark_sql.operations import GENERATORS
from midnight.silver_to_gold.spark_sql.relations import BATCH_COLUMN
from midnight.silver_to_gold.spark_sql.types import INTEGRAL

if TYPE_CHECKING:
    from sqlglot import exp

_FOLLOWED = {
    *("expressions", "from_", "joins", "laterals", "where", "group", "having", "qualify", "windows", "distinct"),
    *("order", "sort", "cluster", "distribute", "limit", "offset", "hint", "kind", "operation_modifiers", "with_"),
}


class Queries(Sources):
    """The branches of one model's query, whose common table expressions were replaced by subqueries."""

    def query(self, node: exp.Expr) -> list[Branch]:
        from sqlglot import exp

        if isinstance(node, exp.Subquery):
            branches = self.query(node.this)
        elif isinstance(node, exp.SetOperation):
            branches = self._set_operation(node)
        elif isinstance(node, exp.Select):
            branches = [self._select(node, rows) for rows in self.from_clause(node)]
        elif isinstance(node, exp.Values):
            branches = self._source(node)
        else:
            raise TooComplexError(f"{node.key.upper()} is not followed")
        if node.args.get("limit") is not None or node.args.get("offset") is not None:
            branches = [branch.hidden("behind a LIMIT") for branch in branches]
        return branches

    def _set_operation(self, node: exp.SetOperation) -> list[Branch]:
        from sqlglot import exp

        sides = [self.query(node.this), self.query(node.expression)]
        branches = [branch for side in sides for branch in side]
        first = branches[0]
        names = [output.name for output in first.outputs]
        if node.args.get("by_name"):
            found = [
                tuple(b.output(name) or Output(name, None, "in UNION BY NAME") for name in names) for b in branches
            ]
            return [replace(branch, outputs=outputs) for branch, outputs in zip(branches, found, strict=True)]
        if any(not branch.ordered or len(branch.outputs) != len(names) for branch in branches):
            raise TooComplexError("the columns of a UNION are not known")
        named = [branch.renamed(names) for branch in branches]
        if not isinstance(node, exp.Union):
            return [branch.hidden(f"in {node.key.upper()}") for branch in named]
        if node.args.get("distinct"):
            _refuse_batch_column(names)
        # The contract's type is that of the complete query, so that a cast to it is the same in each branch.
        return named if self.is_root(node) else _of_equal_types(named)

    def _select(self, select: exp.Select, rows: Rows) -> Branch:
        for part, value in select.args.items():
            if value and part not in _FOLLOWED:
                raise TooComplexError(f"{part.upper().replace('_', ' ')} is not followed")
        where = select.args.get("where")
        conditions = [] if where is None else list(true_for_all(conjuncts(where.this), rows.names, ()))
        outputs = list(self._outputs(select, rows))
        branch = Branch(
            rows.branch.atoms,
            (*rows.branch.constraints, *conditions),
            tuple(outputs),
            ordered=self._ordered(select, rows),
            complete=all(source.complete for source in rows.names.sources.values()) or not _stars(select),
        )
        if select.args.get("distinct") is not None:
            _refuse_batch_column(output.name for output in outputs)
        why = rows.hidden or self._aggregation(select)
        if why:
            return branch.hidden(why)
        group = select.args.get("group")
        if group is not None:
            items = [self._group_item(item, select, rows, outputs) for item in group.expressions]
            branch = _limited(branch, [i for i in items if not isinstance(i, Unresolved)], "not a column of GROUP BY")
        for window in windows_of(select):
            parts = [rows.names.resolve(part) for part in window.args.get("partition_by") or []]
            known = [part for part in parts if not isinstance(part, Unresolved)]
            branch = _limited(branch, known, "not a column of PARTITION BY of each window")
        return branch

    @staticmethod
    def is_root(node: exp.Expr) -> bool:
        """Whether the rows of a set operation are those of the model."""
        from sqlglot import exp

        while isinstance(node.parent, exp.SetOperation | exp.Subquery):
            node = node.parent
        return node.parent is None

    @staticmethod
    def _ordered(select: exp.Select, rows: Rows) -> bool:
        sources = rows.names.sources.values()
        return not _stars(select) or (not rows.names.merged and all(source.ordered for source in sources))

    @staticmethod
    def _aggregation(select: exp.Select) -> str:
        """Why the rows of the query do not follow from single groups of rows; empty if they do."""
        from sqlglot import exp

        group = select.args.get("group")
        if group is None:
            parts = [*select.expressions, *(select.args[n] for n in ("having", "qualify") if select.args.get(n))]
            called = next((name for part in parts if (name := has_aggregate(part))), "")
            if called or select.args.get("having") is not None:
                return f"behind {called or 'HAVING'} over all rows"
            return ""
        if any(group.args.get(part) for part in ("all", "totals", "rollup", "cube", "grouping_sets")):
            return "in GROUP BY ALL, ROLLUP, CUBE or GROUPING SETS"
        if any(isinstance(item, exp.Rollup | exp.Cube | exp.GroupingSets) for item in group.expressions):
            return "in ROLLUP, CUBE or GROUPING SETS"
        return ""

    @staticmethod
    def _group_item(item: exp.Expr, select: exp.Select, rows: Rows, outputs: list[Output]) -> exp.Expr | Unresolved:
        from sqlglot import exp

        item = item.this if isinstance(item, exp.Paren) else item
        if isinstance(item, exp.Literal) and not item.is_string:
            number = int(item.name) if item.name.isdigit() else 0
            position = number - 1
            known = 0 <= position < len(select.expressions) and not _stars(select)
            found = outputs[position].value if known else None
            return Unresolved("in GROUP BY") if found is None else found
        aliases = {o.name.casefold(): Unresolved(o.why) if o.value is None else o.value for o in outputs}
        return rows.names.resolve(item, aliases)

    def _outputs(self, select: exp.Select, rows: Rows) -> Iterator[Output]:
        from sqlglot import exp

        aliases: dict[str, exp.Expr | Unresolved] = {}
        for item in select.expressions:
            inner = item.unalias()
            if item.is_star and isinstance(inner, exp.Star | exp.Column):
                yield from _star(inner, rows)
                continue
            if isinstance(inner, exp.Aliases):
                yield from (
                    Output(name.name, None, f"computed by {call_name(inner.this)}") for name in inner.expressions
                )
                continue
            if call_name(inner) in GENERATORS - {"explode", "explode_outer"}:
                raise TooComplexError(f"the columns of {call_name(inner)} are not named")
            name = item.alias_or_name if isinstance(item, exp.Alias | exp.Column) else ""
            value = rows.names.resolve(inner, aliases)
            failed = isinstance(value, Unresolved)
            yield Output(name, None, value.why) if failed else Output(name, value)  # type: ignore[union-attr, arg-type]
            if name:
                aliases[name.casefold()] = value


def _refuse_batch_column(names: Iterable[str]) -> None:
    if BATCH_COLUMN[0] in names:
        raise TooComplexError("DISTINCT compares _midnight_batch_id, which the changes of silver do not have")


def _of_equal_types(branches: list[Branch]) -> list[Branch]:
    """Hide the columns that a UNION may cast to another type, since what is computed from them differs then."""
    equal = []
    for position in range(len(branches[0].outputs)):
        kinds = {value_type(branch, branch.outputs[position]) for branch in branches} - {"void"}
        equal.append(None not in kinds and (len(kinds) < 2 or kinds <= set(INTEGRAL)))
    hidden = [
        tuple(
            o if same else Output(o.name, None, o.why or "of several types in a UNION")
            for o, same in zip(b.outputs, equal, strict=True)
        )
        for b in branches
    ]
    return [replace(branch, outputs=outputs) for branch, outputs in zip(branches, hidden, strict=True)]


def _limited(branch: Branch, parts: list[exp.Expr], why: str) -> Branch:
    """Only the outputs that follow from some expressions: rows with equal ones belong together."""
    texts = frozenset(expression_text(part) for part in parts)
    outputs = tuple(
        output if output.value is None or follows_from(output.value, texts) else Output(output.name, None, why)
        for output in branch.outputs
    )
    return replace(branch, outputs=outputs)


def _stars(select: exp.Select) -> bool:
    return any(item.is_star for item in select.expressions)


def _star(node: exp.Expr, rows: Rows) -> Iterator[Output]:
    from sqlglot import exp

    star = node.this if isinstance(node, exp.Column) else node
    if star.args.get("replace") or star.args.get("rename"):
        raise TooComplexError("SELECT * REPLACE is not followed")
    excluded = {column.name.casefold() for column in star.args.get("except_") or []}
    qualifier = node.table.casefold() if isinstance(node, exp.Column) else ""
    seen: set[str] = set()
    for alias, source in rows.names.sources.items():
        for output in source.outputs if qualifier in ("", alias) else ():
            key = output.name.casefold()
            merged = rows.names.merged.get(key) if not qualifier else None
            if key not in excluded and not (merged is not None and key in seen):
                yield merged or output
            seen.add(key)
