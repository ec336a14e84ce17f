"""What is left of a query when columns of its inputs are gone: found by binding it again and again, not by lineage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

# The result columns of a query, or None if it does not bind.
Bind = Callable[[exp.Expr], list[str] | None]


@dataclass(frozen=True)
class Remainder:
    """What is left of a query.

    Args:
        query: that binds; None if no result column can be kept.
        columns: of its result.
        changed: whether the text had to change.
    """

    query: exp.Expr | None
    columns: list[str]
    changed: bool


def remainder(query: exp.Expr, bind: Bind) -> Remainder:
    """Remove as few projections as possible until the query binds.

    First all projections are replaced by NULL. If the query does not even bind then, a join, filter, group or order
    names a missing column. Otherwise each projection is put back, from the inside to the outside, and removed if the
    query does not bind with it.
    """
    found = bind(query)
    if found is not None:
        return Remainder(query, found, False)
    left = query.copy()
    units = list(_units(left))
    kept = {id(p): p.copy() for unit in units for p in unit.projections}
    for unit in units:
        unit.projections[:] = [_replaced(p) for p in unit.projections]
    nothing = Remainder(None, [], True)
    if bind(left) is None:
        return nothing
    originals = list(kept.values())
    for unit in units:
        mine, originals = originals[: len(unit.projections)], originals[len(unit.projections) :]
        unit.restore(mine)
        if bind(left) is None:
            if unit.decides_about_rows:
                return nothing
            unit.remove()
            if bind(left) is None:
                return nothing
    outputs = bind(left) or []
    return Remainder(left, [name for name in outputs if name != _GONE], True)


_GONE = "_gone"


class _Unit:
    """The projections at one position: one of a SELECT, or one of each branch of a UNION."""

    def __init__(self, projections: list[exp.Expr], decides_about_rows: bool) -> None:
        self.projections = projections
        self.decides_about_rows = decides_about_rows

    def restore(self, originals: list[exp.Expr]) -> None:
        for place, original in enumerate(originals):
            self.projections[place] = self.projections[place].replace(original)

    def remove(self) -> None:
        for projection in self.projections:
            select = projection.parent
            if select is not None and len(select.expressions) == 1:
                projection.replace(exp.alias_(exp.null(), _GONE))
            else:
                projection.pop()


def _replaced(projection: exp.Expr) -> exp.Expr:
    return projection.replace(exp.alias_(exp.null(), projection.alias_or_name or _GONE, quoted=True))


def _units(node: exp.Expr, distinct: bool = False) -> list[_Unit]:
    """The projections of a query and of the queries in WITH and FROM, the inner ones first."""
    units: list[_Unit] = []
    with_ = node.args.get("with_")
    for cte in with_.expressions if with_ is not None else ():
        units += _units(cte.this)
    if isinstance(node, exp.Subquery):
        return units + _units(node.this, distinct)
    branches = _branches(node)
    decides = distinct or any(isinstance(b, exp.Distinct) or b is True for b in _distincts(node))
    for branch in branches:
        if branch is not node and branch.args.get("with_") is not None:
            units += [unit for cte in branch.args["with_"].expressions for unit in _units(cte.this)]
        sources = [branch.args["from_"].this] if branch.args.get("from_") is not None else []
        sources += [join.this for join in branch.args.get("joins") or ()]
        for source in sources:
            if isinstance(source, exp.Subquery):
                units += _units(source)
    columns = [[p for p in branch.expressions if not p.is_star] for branch in branches]
    for place in range(max(len(c) for c in columns)):
        projections = [c[place] for c in columns if place < len(c)]
        group_all = any(b.args.get("group") is not None and b.args["group"].args.get("all") for b in branches)
        units.append(_Unit(projections, decides or (group_all and projections[0].find(exp.AggFunc) is None)))
    return units


def _branches(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.SetOperation):
        return [*_branches(node.left), *_branches(node.right)]
    return _branches(node.this) if isinstance(node, exp.Subquery) else [node]


def _distincts(node: exp.Expr) -> list[object]:
    if isinstance(node, exp.SetOperation):
        own = [True] if node.args.get("distinct") or not isinstance(node, exp.Union) else []
        return [*own, *_distincts(node.left), *_distincts(node.right)]
    return [node.args.get("distinct")]
