"""The outcome of a batch in the form in which it is staged: what to count, what to quarantine, what to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midnight.configuration.tables import Table
from spark_jobs.silver.quarantine import KEY, REASON, ROW, RULE
from spark_jobs.transforms.changes import ACTION, BATCH, DELETE, INSERT, OLD_BATCH, UNCHANGED, UPDATE
from spark_jobs.transforms.checks import CLEAN, DROPPED_STATE, DUPLICATE, QUARANTINED, STATE, STOPPED, WARNED
from spark_jobs.transforms.cleaning import bronze_json
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class Counts:
    """Rows by what became of them; ``checks`` by the label of the check that found them."""

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


def outcome(
    compared: DataFrame,
    table: Table,
    columns: Sequence[PlannedColumn],
    origin: Column,
    *,
    silver_columns: Sequence[str],
    whole: bool,
) -> DataFrame:
    """One row per row of the batch and per row that silver loses.

    Only rows that have to be written carry their values, so that a quiet night stages next to nothing.

    Args:
        compared: from ``compare``.
        table: for its key.
        columns: plan of the columns.
        origin: the batch that a row came in, for ``_midnight_batch_id`` of the rows that change.
        silver_columns: of the Delta table.
        whole: unchanged rows carry their values too, since the table is going to be written anew.
    """
    from pyspark.sql import functions as F

    action = F.col(ACTION)
    written = action.isNotNull() if whole else action.isin(INSERT, UPDATE, DELETE)
    batch = F.when(action == UNCHANGED, F.col(OLD_BATCH)).otherwise(origin)
    values = [F.when(written, batch if name == BATCH else F.col(name)).alias(name) for name in silver_columns]
    shown = (F.col(STATE) == QUARANTINED) | F.col(STOPPED)
    return compared.select(
        STATE,
        ACTION,
        WARNED,
        STOPPED,
        *[f"_midnight_check_{i}" for i in range(len(table.checks))],
        F.when(shown, F.col(RULE)).alias(RULE),
        F.when(shown, F.col(REASON)).alias(REASON),
        F.when(shown, bronze_json(columns, table.key)).alias(KEY),
        F.when(shown, bronze_json(columns)).alias(ROW),
        *values,
    )


def count(staged: DataFrame, table: Table) -> Counts:
    """Everything that the ledger counts, in one pass."""
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
