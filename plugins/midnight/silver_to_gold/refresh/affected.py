"""SQL of the keys that a changed row of one occurrence of an input affects, in one branch of the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.silver_to_gold.refresh.branches import Atom, Branch, Constraint, atom_names
from midnight.silver_to_gold.refresh.equality import Equalities, valid_constraints
from midnight.silver_to_gold.refresh.plan import any_view, changed_view
from midnight.silver_to_gold.spark_sql.dialect import spark_text
from midnight.sql_text import quote_backticked

if TYPE_CHECKING:
    from sqlglot import exp


def affected_keys(branch: Branch, changed: Atom, keys: Mapping[str, exp.Expr], types: Mapping[str, str]) -> str | None:
    """A query of the affected keys; None if no condition connects the changed rows with the keys.

    Args:
        branch: of the model's query.
        changed: the atom whose input changed.
        keys: key column of the model -> its expression over the branch's atoms.
        types: key column -> type in the contract.
    """
    constraints = valid_constraints(branch, changed)
    equalities = Equalities(branch, constraints)
    own = {name: equalities.over(value, changed) for name, value in keys.items()}
    values = {name: own[name] or value for name, value in keys.items()}
    wanted = frozenset(atom for value in values.values() for atom in atom_names(value)) - {changed.name}
    needed = _connected(changed.name, wanted, constraints)
    if needed is None:
        return None
    kept = [item for item in constraints if atom_names(item.condition) <= frozenset(needed)]
    columns = [f"CAST({spark_text(v)} AS {types[name]}) AS {quote_backticked(name)}" for name, v in values.items()]
    joins = _joins({atom.name: atom for atom in branch.atoms}, changed, needed, kept)
    return "\n".join([f"SELECT {', '.join(columns)}", *joins])


def _connected(start: str, wanted: frozenset[str], constraints: Sequence[Constraint]) -> list[str] | None:
    """The atoms on the shortest ways of conditions, each after one that it is linked with; equalities first."""
    from sqlglot import exp

    links = [atom_names(item.condition) for item in constraints]
    equal = [isinstance(item.condition, exp.EQ | exp.NullSafeEQ) for item in constraints]
    for usable in ([link for link, is_equal in zip(links, equal, strict=True) if is_equal], links):
        found = _ways(start, wanted, [link for link in usable if len(link) > 1])
        if found is not None:
            return found
    return None


def _ways(start: str, wanted: frozenset[str], links: Sequence[frozenset[str]]) -> list[str] | None:
    ways: dict[str, list[str]] = {start: [start]}
    queue = [start]
    for name in queue:
        for link in links:
            for other in sorted(link) if name in link else ():
                if other not in ways:
                    # All tables of the condition are needed to evaluate it.
                    between = [atom for atom in sorted(link) if atom not in (*ways[name], other)]
                    ways[other] = [*ways[name], *between, other]
                    queue.append(other)
    if not wanted <= ways.keys():
        return None
    return list(dict.fromkeys(atom for name in (start, *sorted(wanted)) for atom in ways[name]))


def _joins(
    atoms: Mapping[str, Atom], changed: Atom, needed: Sequence[str], constraints: Sequence[Constraint]
) -> list[str]:
    lines = [f"FROM {changed_view(changed.reference)} AS {changed.name}"]
    left, placed = list(constraints), {changed.name}
    filters = [item for item in left if atom_names(item.condition) <= placed]
    left = [item for item in left if item not in filters]
    for name in needed[1:]:
        placed.add(name)
        ready = [item for item in left if atom_names(item.condition) <= placed]
        left = [item for item in left if item not in ready]
        join = f"JOIN {any_view(atoms[name].reference)} AS {name}"
        lines.append(f"{join} ON {_all(ready)}" if ready else f"CROSS {join}")
    if filters:
        lines.append(f"WHERE {_all(filters)}")
    return lines


def _all(constraints: Sequence[Constraint]) -> str:
    return " AND ".join(dict.fromkeys(f"({spark_text(item.condition)})" for item in constraints))
