"""The list of keys that an increment has in addition to its rows: a second, narrow copy inside the same snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from midnight.bronze.increments import ReadPlan
from midnight.bronze.manifest import KeyList
from midnight.postgres_to_bronze.range_copy import TableProgress
from midnight.postgres_to_bronze.table_plan import TablePlan


def key_progress(tables: Sequence[TableProgress]) -> dict[str, TableProgress]:
    """What is read in addition: by qualified name, the keys of all rows of the tables that need them.

    Args:
        tables: the load group, as its rows are read.
    """
    return {
        progress.name: TableProgress(_key_plan(progress.plan), progress.clock)
        for progress in tables
        if progress.plan.reading.reads_keys
    }


def key_list(progress: TableProgress | None) -> KeyList | None:
    """The manifest's part of a list of keys that has been read; None for a table without one."""
    if progress is None:
        return None
    return KeyList(columns=progress.plan.table.key, rows=progress.rows, files=progress.ordered_files)


def _key_plan(plan: TablePlan) -> TablePlan:
    by_name = {column.bronze.name: column for column in plan.columns}
    columns = tuple(by_name[name] for name in plan.table.key)
    return replace(plan, columns=columns, reading=ReadPlan(plan.table, plan.reading.batch_id), content="keys")
