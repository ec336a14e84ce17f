"""Chooses the columns by which a model is refreshed, and the input whose rows decide their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from midnight.silver_to_gold.models import GoldModelContract
from midnight.silver_to_gold.refresh.branches import Atom, Branch, atom_names
from midnight.silver_to_gold.refresh.equality import Equalities, is_exact, valid_constraints
from midnight.silver_to_gold.spark_sql.dialect import spark_text
from midnight.silver_to_gold.spark_sql.types import type_name

if TYPE_CHECKING:
    from sqlglot import exp

_MOST_COLUMNS = 8


@dataclass(frozen=True)
class DrivenBranch:
    """A branch with its driving atom.

    Args:
        branch: of the query.
        atom: each row of the branch comes from one of its rows, which decides the key.
        keys: key column -> expression over any atoms of the branch.
        driving: key column -> equal expression over the driving atom alone.
    """

    branch: Branch
    atom: Atom
    keys: dict[str, exp.Expr]
    driving: dict[str, exp.Expr]

    @property
    def restriction(self) -> tuple[str, ...]:
        """What the driving input is restricted by; equal ones share a view."""
        texts = (spark_text(value).replace(f"{self.atom.name}.", "") for value in self.driving.values())
        return (self.atom.reference, *texts)


def choose_key(branches: Sequence[Branch], contract: GoldModelContract) -> list[DrivenBranch] | str:
    """Driving atoms for the largest possible part of the contract's key, for all branches that read an input.

    Returns:
        The branches, or why no part of the key can be used.
    """
    if not contract.key:
        return "its contract has no key"
    reading = [branch for branch in branches if branch.atoms]
    if not reading:
        return "it reads no input whose rows can be followed"
    problems = {name: why for name in contract.key if (why := _problem(name, reading, contract))}
    usable = [name for name in contract.key if name not in problems][:_MOST_COLUMNS]
    for size in range(len(usable), 0, -1):
        for names in combinations(usable, size):
            found = [next(_driven(branch, names), None) for branch in reading]
            driven = [item for item in found if item is not None]
            if len(driven) == len(found) and _restricts_alike(driven):
                return driven
    if problems:
        name, why = next(iter(problems.items()))
        return f"its key column {name} is {why}"
    return f"its key ({', '.join(contract.key)}) does not follow from the rows of one input"


def _problem(name: str, branches: Sequence[Branch], contract: GoldModelContract) -> str:
    """Why a column of the key cannot be part of the refresh; empty if it can."""
    kind = next((type_name(column.type) for column in contract.columns if column.name == name), "")
    if not is_exact(kind):
        return f"{kind.upper()}, a type whose equal values may differ"
    if kind.startswith("decimal") and len(branches) > 1:
        return "a DECIMAL in a UNION, which may round it"
    return next((why for branch in branches if (why := _problem_in(name, branch))), "")


def _problem_in(name: str, branch: Branch) -> str:
    output = branch.output(name)
    if output is None:
        return "not a column of the query that can be followed"
    if output.value is None:
        return output.why
    atoms = {atom.name: atom for atom in branch.atoms}
    used = sorted(atom_names(output.value))
    outer = next((atoms[atom].reference for atom in used if atoms[atom].context), "")
    if outer:
        return f"computed from {outer}, which an outer join may leave out"
    if len(used) > 1 and next(_driven(branch, (name,)), None) is None:
        return f"computed from several inputs ({', '.join(dict.fromkeys(atoms[a].reference for a in used))})"
    return ""


def _driven(branch: Branch, names: Sequence[str]) -> Iterator[DrivenBranch]:
    """The atoms that decide some columns, those first whose own columns are used."""
    outputs = [(name, branch.output(name)) for name in names]
    keys = {name: output.value for name, output in outputs if output is not None and output.value is not None}
    if len(keys) < len(names) or not any(atom_names(value) for value in keys.values()):
        return
    equalities = Equalities(branch, valid_constraints(branch, None))
    used = {atom for value in keys.values() for atom in atom_names(value)}
    for atom in sorted((a for a in branch.atoms if not a.context), key=lambda a: a.name not in used):
        own = {name: equalities.over(value, atom) for name, value in keys.items()}
        driving = {name: value for name, value in own.items() if value is not None}
        if len(driving) == len(names) and all(_is_exact(value, atom) for value in driving.values()):
            yield DrivenBranch(branch, atom, keys, driving)


def _is_exact(value: exp.Expr, atom: Atom) -> bool:
    from sqlglot import exp

    columns = [atom.type_of(column.name) for column in value.find_all(exp.Column) if column.table]
    casts = [type_name(spark_text(cast.to)) for cast in value.find_all(exp.Cast)]
    return all(is_exact(kind) for kind in (*columns, *casts))


def _restricts_alike(driven: Sequence[DrivenBranch]) -> bool:
    """Whether an atom that several branches share is restricted in the same way in all of them."""
    for item in driven:
        for other in driven:
            shared = any(atom.name == item.atom.name for atom in other.branch.atoms)
            if shared and (other.atom.name != item.atom.name or other.restriction != item.restriction):
                return False
    return True
