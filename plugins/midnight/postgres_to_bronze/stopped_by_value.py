"""Stops the tables of a load group in which a value was found that bronze cannot hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from midnight.bronze.stopped_tables import StoppedTable, with_referencing_tables
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.group_plans import Uses
from midnight.postgres_to_bronze.range_copy import TableProgress


def stopped_by_value(
    group: Sequence[Table], before: Sequence[StoppedTable], read: Iterable[TableProgress], uses: Uses
) -> tuple[StoppedTable, ...]:
    """The stopped tables of a load group after its tables were read, with those that reference them.

    Args:
        group: the tables of the load group.
        before: those that were stopped before anything was read.
        read: the tables that were read, and their lists of keys.
        uses: what uses a table downstream.
    """
    found = [
        StoppedTable(
            table=each.name,
            silver=each.plan.table.silver,
            problems=(str(each.failure),),
            breaks=tuple(uses(each.plan.table.silver, ())),
        )
        for each in read
        if each.failure is not None
    ]
    return with_referencing_tables(group, [*before, *found]) if found else tuple(before)
