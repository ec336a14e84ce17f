"""The columns that a part of a query can use, and expressions over them as expressions over the inputs' columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midnight.silver_to_gold.refresh.branches import Branch, Output
from midnight.silver_to_gold.refresh.functions import not_of_one_row, own_nodes, unit_argument
from midnight.silver_to_gold.spark_sql.dialect import raw_spark_dialect

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True)
class Unresolved:
    """Why an expression does not follow from one row of each input."""

    why: str


@dataclass
class Names:
    """The sources of one FROM by alias in lower case, and the columns that USING merged."""

    sources: dict[str, Branch] = field(default_factory=dict)
    merged: dict[str, Output] = field(default_factory=dict)

    def find(self, name: str, qualifier: str = "") -> Output:
        """The column; without an expression if it is unknown."""
        key = name.casefold()
        if not qualifier and key in self.merged:
            return self.merged[key]
        chosen = [source for alias, source in self.sources.items() if qualifier.casefold() in ("", alias)]
        found = [output for source in chosen for output in source.outputs if output.name.casefold() == key]
        if len(found) == 1:
            return found[0]
        return Output(name, None, f"computed from {name}, which cannot be followed to one input")

    def resolve(
        self, node: exp.Expr, aliases: Mapping[str, exp.Expr | Unresolved] | None = None
    ) -> exp.Expr | Unresolved:
        """An expression over the atoms' columns.

        Args:
            node: of the query; it is not changed.
            aliases: names that the select list defines, for what may use them.
        """
        from sqlglot import exp

        why = not_of_one_row(node)
        if why:
            return Unresolved(why)
        problem: list[str] = []

        def replaced(part: exp.Expr) -> exp.Expr:
            if not isinstance(part, exp.Column) or unit_argument(part):
                return part
            found = self._column(part, aliases or {})
            if isinstance(found, Unresolved):
                problem.append(found.why)
                return part
            return found

        result = node.copy().transform(replaced)
        return Unresolved(problem[0]) if problem else result

    def _column(self, part: exp.Column, aliases: Mapping[str, exp.Expr | Unresolved]) -> exp.Expr | Unresolved:
        from sqlglot import exp

        if len(part.parts) > 2 or (part.table and part.table.casefold() not in self.sources):
            return Unresolved(f"computed from {part.name}, which cannot be followed to one input")
        found = self.find(part.name, part.table)
        if found.value is not None:
            return atomic(found.value)
        known = any(o.name.casefold() == part.name.casefold() for s in self.sources.values() for o in s.outputs)
        alias = aliases.get(part.name.casefold()) if not part.table and not known else None
        if isinstance(alias, exp.Expr) and all(source.complete for source in self.sources.values()):
            return atomic(alias)
        return alias if isinstance(alias, Unresolved) else Unresolved(found.why)


def atomic(node: exp.Expr) -> exp.Expr:
    """A copy of an expression that can take the place of a column."""
    from sqlglot import exp

    return (
        node.copy()
        if isinstance(node, exp.Column | exp.Literal | exp.Anonymous | exp.Cast | exp.Case | exp.Paren)
        else exp.Paren(this=node.copy())
    )


def follows_from(node: exp.Expr, others: frozenset[str]) -> bool:
    """Whether an expression only uses constants and the given expressions (as text)."""
    from sqlglot import exp

    if expression_text(node) in others:
        return True
    if isinstance(node, exp.Column):
        return unit_argument(node)
    return all(follows_from(child, others) for child in node.iter_expressions())


def expression_text(node: exp.Expr) -> str:
    """Text of an expression, to compare it with others."""
    from sqlglot import exp

    while isinstance(node, exp.Paren):
        node = node.this
    return str(node.sql(dialect=raw_spark_dialect(), normalize_functions="upper", comments=False))


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that AND combines."""
    from sqlglot import exp

    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    return conjuncts(node.this) if isinstance(node, exp.Paren) else [node]


def windows_of(select: exp.Select) -> list[exp.Window]:
    """The windows of a SELECT, without those of queries in it; named windows by their definition."""
    from sqlglot import exp

    named = {window.this.name.casefold(): window for window in select.args.get("windows") or []}
    parts = [
        *select.expressions,
        *(select.args[name] for name in ("qualify", "order", "having") if select.args.get(name)),
    ]
    used = [node for part in parts for node in own_nodes(part) if isinstance(node, exp.Window)]
    return [named.get(window.alias.casefold(), window) if window.alias else window for window in used]
