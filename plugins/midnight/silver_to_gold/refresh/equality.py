"""Conditions of a branch: which hold when one occurrence of an input changes, and which columns they make equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.silver_to_gold.refresh.branches import Atom, Branch, Constraint, atom_names

if TYPE_CHECKING:
    from sqlglot import exp

# Equal values of these types need not be identical: 0.0 = -0.0.
_INEXACT = ("float", "double")


def is_exact(kind: str | None) -> bool:
    """Whether values of a type that are equal are also identical."""
    return kind is not None and kind not in _INEXACT and "<" not in kind


def valid_constraints(branch: Branch, changed: Atom | None) -> list[Constraint]:
    """The conditions that are true for the rows of a branch that come from a changed row of an atom.

    Such a row may be the one without a match of an outer join, which a changed row took the place of. So conditions
    outside of the changed atom's outer joins that read what is null then are left out. A condition that reads another
    outer join only counts if it cannot be true for nulls; then that join found a match, and its conditions hold, too.

    Args:
        branch: of the query.
        changed: the atom; None for the conditions of all rows.
    """
    context = {atom.name: frozenset(atom.context) for atom in branch.atoms}
    unsure = context[changed.name] if changed is not None else frozenset[int]()
    matched, found = set(unsure), list[Constraint]()
    left = list(branch.constraints)
    while True:
        usable = [item for item in left if _holds(item, context, unsure, matched)]
        if not usable:
            return found
        found += usable
        left = [item for item in left if item not in usable]
        for item in usable:
            matched |= {join for name in atom_names(item.condition) for join in context[name]}


def _holds(item: Constraint, context: dict[str, frozenset[int]], unsure: frozenset[int], matched: set[int]) -> bool:
    own = frozenset(item.context)
    if not own <= matched:
        return False
    for name in atom_names(item.condition):
        further = context[name] - own
        if further & unsure:
            return False
        if not further <= matched and not _is_strict(item.condition, name):
            return False
    return True


def _is_strict(condition: exp.Expr, atom: str) -> bool:
    """Whether a condition cannot be true if the columns of an atom are null."""
    from sqlglot import exp

    if isinstance(condition, exp.Paren):
        return _is_strict(condition.this, atom)
    if isinstance(condition, exp.Not) and isinstance(condition.this, exp.Is):
        null = isinstance(condition.this.expression, exp.Null)
        return null and _is_null_with(condition.this.this, atom)
    if isinstance(condition, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
        return _is_null_with(condition.this, atom) or _is_null_with(condition.expression, atom)
    return isinstance(condition, exp.Between | exp.In) and _is_null_with(condition.this, atom)


def _is_null_with(node: exp.Expr, atom: str) -> bool:
    """Whether a value is null if the columns of an atom are null."""
    from sqlglot import exp

    if isinstance(node, exp.Column):
        return node.table == atom
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        return _is_null_with(node.this, atom) or _is_null_with(node.expression, atom)
    return isinstance(node, exp.Paren | exp.Cast | exp.Neg) and _is_null_with(node.this, atom)


class Equalities:
    """Columns that are equal in every row for which some conditions hold."""

    def __init__(self, branch: Branch, constraints: Sequence[Constraint]) -> None:
        self._atoms = {atom.name: atom for atom in branch.atoms}
        self._sets: list[set[tuple[str, str]]] = []
        for item in constraints:
            pair = self._pair(item.condition)
            if pair is None:
                continue
            joined = [known for known in self._sets if known & pair]
            self._sets = [known for known in self._sets if known not in joined] + [pair.union(*joined)]

    def _pair(self, node: exp.Expr) -> set[tuple[str, str]] | None:
        from sqlglot import exp

        while isinstance(node, exp.Paren):
            node = node.this
        if not isinstance(node, exp.EQ | exp.NullSafeEQ):
            return None
        sides = [side.this if isinstance(side, exp.Paren) else side for side in (node.this, node.expression)]
        if not all(isinstance(side, exp.Column) for side in sides):
            return None
        kinds = [self._atoms[side.table].type_of(side.name) for side in sides]
        if kinds[0] != kinds[1] or not is_exact(kinds[0]):
            return None
        return {(side.table, side.name.casefold()) for side in sides}

    def over(self, value: exp.Expr, atom: Atom) -> exp.Expr | None:
        """An equal expression that only reads one atom; None if there is none."""
        from sqlglot import exp

        result = value.copy()
        for column in list(result.find_all(exp.Column)):
            if not column.table or column.table == atom.name:
                continue
            place = (column.table, column.name.casefold())
            equal = {name for known in self._sets if place in known for table, name in known if table == atom.name}
            spelled = next((name for name, _ in atom.relation.columns if name.casefold() in equal), None)
            if spelled is None:
                return None
            taken = exp.column(exp.to_identifier(spelled, quoted=True), table=atom.name)
            if column is result:
                return taken
            column.replace(taken)
        return result
