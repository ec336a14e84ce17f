"""Counts the staged outcome of a batch, for the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midnight.configuration.tables import Table
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, UNCHANGED, UPDATE
from spark_jobs.transforms.checks import CLEAN, DROPPED_STATE, DUPLICATE, QUARANTINED, STATE, STOPPED, WARNED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Counts:
    """Rows by their outcome; ``checks``: rows by the label of the check that they failed."""

    states: Mapping[str, int]
    actions: Mapping[str, int]
    checks: Mapping[str, int]
    warned: int
    stopped: int

    @property
    def rows_in(self) -> int:
        return sum(self.states.values())

    @property
    def changed(self) -> int:
        return self.actions[INSERT] + self.actions[UPDATE] + self.actions[DELETE]


def count_outcome(staged: DataFrame, table: Table) -> Counts:
    """All counts of the ledger, in one pass."""
    from pyspark.sql import functions as F

    states = (CLEAN, DUPLICATE, QUARANTINED, DROPPED_STATE)
    actions = (INSERT, UPDATE, UNCHANGED, DELETE)
    conditions = {f"state_{name}": F.col(STATE) == name for name in states}
    conditions |= {f"action_{name}": F.col(ACTION) == name for name in actions}
    conditions |= {f"check_{i}": F.col(f"_midnight_check_{i}") for i in range(len(table.checks))}
    conditions |= {"warned": F.col(WARNED), "stopped": F.col(STOPPED)}
    found = staged.agg(*[F.count_if(condition).alias(name) for name, condition in conditions.items()]).collect()
    row: dict[str, Any] = found[0].asDict()
    return Counts(
        states={name: row[f"state_{name}"] for name in states},
        actions={name: row[f"action_{name}"] for name in actions},
        checks={check.label: row[f"check_{i}"] for i, check in enumerate(table.checks)},
        warned=row["warned"],
        stopped=row["stopped"],
    )
