"""Counts the staged outcome of a batch, for the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from spark_jobs.silver.column_figures import CountedColumns
from spark_jobs.silver.key_bounds import KeyBounds, make_bounds
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, MARK, RETAINED, UNCHANGED, UPDATE
from spark_jobs.transforms.checks import CLEAN, DROPPED_STATE, DUPLICATE, OBSOLETE, QUARANTINED, STATE, STOPPED, WARNED

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_STATES = (CLEAN, DUPLICATE, QUARANTINED, DROPPED_STATE, OBSOLETE)
_ACTIONS = (INSERT, UPDATE, UNCHANGED, DELETE, MARK, RETAINED)


@dataclass(frozen=True)
class Counts:
    """Rows by their outcome.

    Args:
        states, actions: rows by state and action.
        checks: rows by the label of the check that they failed.
        warned: rows with a warning; ``stopped`` rows that stop the table.
        nulls: column -> nulls in silver, of a table that is rewritten; otherwise by how many they grow.
        distinct: column -> distinct values among the rows that are inserted or updated.
        bounds: of the keys whose rows are updated, marked or deleted; none on Sail.
    """

    states: Mapping[str, int]
    actions: Mapping[str, int]
    checks: Mapping[str, int]
    warned: int
    stopped: int
    nulls: Mapping[str, int] = field(default_factory=dict)
    distinct: Mapping[str, int] = field(default_factory=dict)
    bounds: KeyBounds = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        return sum(self.states.values())

    @property
    def rows_after(self) -> int:
        """Rows of silver after all batches were evaluated."""
        return self.states[CLEAN] + self.actions[MARK] + self.actions[RETAINED]

    @property
    def failed_checks(self) -> str:
        """The checks that rows failed, as the ledger has them."""
        return json.dumps({label: rows for label, rows in self.checks.items() if rows}, ensure_ascii=False)

    @property
    def changed(self) -> int:
        return self.actions[INSERT] + self.actions[UPDATE] + self.actions[DELETE] + self.actions[MARK]


@dataclass(frozen=True)
class Prepared:
    """The staged outcome of a batch, and its future ledger entry."""

    staged: DataFrame
    counts: Counts
    entry: LedgerEntry
    overwrite: bool


def count_staged(staged: DataFrame, table: Table, counted: CountedColumns, *, few_changes: bool) -> dict[str, Any]:
    """All counts of the ledger, by name (``make_counts``): in one pass over the staged outcome.

    Args:
        staged: the outcome.
        table: its checks.
        counted: the columns.
        few_changes: most of many rows are unchanged: the columns are counted by a query of the others, of which alone
            they are.
    """
    from pyspark.sql import functions as F

    action = F.col(ACTION)
    conditions = {f"state_{name}": F.col(STATE) == name for name in _STATES}
    conditions |= {f"action_{name}": action == name for name in _ACTIONS}
    conditions |= {f"check_{i}": F.col(f"_midnight_check_{i}") for i in range(len(table.checks))}
    conditions |= {"warned": F.col(WARNED), "stopped": F.col(STOPPED)}
    rows = {name: F.count_if(condition) for name, condition in conditions.items()}
    columns = counted.expressions()
    if not few_changes or not columns:
        return _count(staged, rows | columns)
    return _count(staged, rows) | _count(staged.filter(action.isin(INSERT, UPDATE, DELETE)), columns)


def _count(rows: DataFrame, counts: Mapping[str, Column]) -> dict[str, Any]:
    named = [count.alias(name) for name, count in counts.items()]
    return dict(rows.agg(*named).collect()[0].asDict())


def make_counts(found: Mapping[str, Any], table: Table, counted: CountedColumns) -> Counts:
    """The counts of a table.

    Args:
        found: from ``count_staged``.
        table: its checks.
        counted: the columns.
    """
    return Counts(
        states={name: found[f"state_{name}"] for name in _STATES},
        actions={name: found[f"action_{name}"] for name in _ACTIONS},
        checks={check.label: found[f"check_{i}"] for i, check in enumerate(table.checks)},
        warned=found["warned"],
        stopped=found["stopped"],
        nulls={name: found[f"nulls_{i}"] for i, name in enumerate(counted.nulls)},
        distinct={name: found[f"distinct_{i}"] for i, name in enumerate(counted.distinct)},
        bounds=make_bounds(found, counted.bounded),
    )
