"""How a result column of a query depends on a column that the query reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

# Table as the query names it in lower case (``silver.flights``), column in lower case.
SourceColumn = tuple[str, str]
# In place of a column: which rows the table has.
ROWS = "*"
# ``identity``: the value itself; ``transformation`` and ``aggregation``: the value is computed from it; ``condition``:
# it only decides between values (CASE); ``window``: it partitions or orders a window. The others decide which rows
# the result has, and in which order.
Use = Literal[
    "identity", "transformation", "aggregation", "condition", "window", "join", "filter", "group", "sort", "rows"
]
DIRECT: tuple[Use, ...] = ("identity", "transformation", "aggregation")
# Of two uses of one column, the one that is named.
_RANK: tuple[Use, ...] = (
    *("aggregation", "transformation", "identity", "condition", "window"),
    *("join", "filter", "group", "sort", "rows"),
)

Uses = dict[SourceColumn, Use]


def through(inner: Use, outer: Use) -> Use:
    """The use of a column through another: an indirect use stays indirect, a computed value stays computed."""
    if outer not in DIRECT:
        return outer
    if inner not in DIRECT:
        return inner
    return max(inner, outer, key=DIRECT.index)


def add_use(uses: Uses, column: SourceColumn, use: Use) -> None:
    """Add a use; of two uses of one column the more direct one stays."""
    known = uses.get(column)
    uses[column] = use if known is None else min(known, use, key=_RANK.index)


def add_uses(uses: Uses, more: Mapping[SourceColumn, Use], outer: Use = "identity") -> None:
    """Add the uses ``more`` as they are seen through ``outer``."""
    for column, use in more.items():
        add_use(uses, column, use if column[1] == ROWS else through(use, outer))


@dataclass(frozen=True)
class QueryColumns:
    """The columns that a query reads.

    Args:
        outputs: result column, in lower case -> the columns that its values depend on.
        conditions: the columns of joins, filters, groups and orders, on which every result column depends, and the ROWS
            of each table.
        reads: the columns that the query names, with those that reach no result column: it fails without them.
        names: of the result columns, by their names in lower case.
        unknown: what could not be followed, each with its reason.
    """

    outputs: Mapping[str, Uses] = field(default_factory=dict)
    conditions: Uses = field(default_factory=dict)
    reads: frozenset[SourceColumn] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The result columns, as the query writes them."""
        return [self.names.get(name, name) for name in self.outputs]

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables in FROM, also of subqueries."""
        found: Iterable[SourceColumn] = [*self.conditions, *(c for uses in self.outputs.values() for c in uses)]
        return tuple(dict.fromkeys(table for table, column in found if column == ROWS))
