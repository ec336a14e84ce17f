"""What the analysis knows of a query: which inputs its rows come from, under which conditions.

A query is a union of branches (one without UNION). A row of a branch comes from one row of each of its atoms; an atom
is one occurrence of an input. Only what is certain is kept: a condition that cannot be followed is left out, and an
output that is not a function of the atoms' rows has no expression. So the branches describe a superset of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from midnight.silver_to_gold.spark_sql.scopes import Relation

if TYPE_CHECKING:
    from sqlglot import exp

# The outer joins around a place, from the outermost: what is in it is null in rows without a match.
Context = tuple[int, ...]


@dataclass(frozen=True)
class Atom:
    """An occurrence of an input in a query.

    Args:
        number: of its table in the query (``tree.number_of``).
        reference: ``silver.<table>`` or ``gold.<model>``.
        relation: its columns.
        context: the outer joins that may leave it out.
    """

    number: int
    reference: str
    relation: Relation
    context: Context = ()

    @property
    def name(self) -> str:
        """Its name in expressions, unique in the query: ``t1``."""
        return f"t{self.number}"

    def type_of(self, column: str) -> str | None:
        return self.relation.type_of(column)[1]


@dataclass(frozen=True)
class Constraint:
    """A condition that is true for every row for which all joins of its context found a match."""

    condition: exp.Expr
    context: Context = ()


@dataclass(frozen=True)
class Output:
    """A column: its expression over the atoms' columns (qualified by the atom's name), or why there is none."""

    name: str
    value: exp.Expr | None = None
    why: str = ""


@dataclass(frozen=True)
class Branch:
    """See the module.

    Args:
        atoms: the occurrences of inputs.
        constraints: on their rows.
        outputs: the columns in order.
        ordered: whether the order of the columns is known.
        complete: whether the names of all columns are known.
    """

    atoms: tuple[Atom, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    outputs: tuple[Output, ...] = ()
    ordered: bool = True
    complete: bool = True

    def output(self, name: str) -> Output | None:
        found = [output for output in self.outputs if output.name.casefold() == name.casefold()]
        return found[0] if len(found) == 1 else None

    def inside(self, join: int) -> Branch:
        """The branch as the side of an outer join that may be null."""
        return replace(
            self,
            atoms=tuple(replace(atom, context=(join, *atom.context)) for atom in self.atoms),
            constraints=tuple(replace(item, context=(join, *item.context)) for item in self.constraints),
        )

    def hidden(self, why: str) -> Branch:
        """The branch without expressions of its columns."""
        return replace(self, outputs=tuple(Output(output.name, None, output.why or why) for output in self.outputs))

    def renamed(self, names: Iterable[str]) -> Branch:
        given = list(names)
        if not given:
            return self
        if len(given) != len(self.outputs) or not self.ordered:
            return replace(self, outputs=tuple(Output(name, None, "in an unknown order") for name in given))
        named = zip(self.outputs, given, strict=True)
        return replace(self, outputs=tuple(replace(output, name=name) for output, name in named), complete=True)


def atom_names(node: exp.Expr) -> frozenset[str]:
    """The atoms whose columns an expression reads."""
    from sqlglot import exp

    return frozenset(column.table for column in node.find_all(exp.Column) if column.table)
