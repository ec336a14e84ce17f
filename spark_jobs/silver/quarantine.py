"""The quarantine: one Delta table with the rejected rows of all tables, per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.sql_text import spark_literal
from spark_jobs.runtime.delta_tables import replace_rows
from spark_jobs.transforms.checks import REASON, RULE
from spark_jobs.transforms.conditions import balanced
from spark_jobs.transforms.staging import KEY, ROW

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITIONS = ("table", "batch_id")
# Column of the quarantine -> column of the staged rows.
COLUMNS = {"rule": RULE, "reason": REASON, "key": KEY, "row": ROW}


@dataclass(frozen=True)
class RejectedRows:
    """The rows of one batch of one table to write to the quarantine.

    Args:
        table: of the rows.
        batch_id: the batch.
        rows: with the rule, all reasons, and key and row as JSON of the bronze values
            (``_midnight_rule``, ``_midnight_reason``, ``_midnight_key``, ``_midnight_row``); may have none.
    """

    table: Table
    batch_id: str
    rows: DataFrame


def write_quarantine(session: SparkSession, path: str, run_id: str, rejected: Sequence[RejectedRows]) -> None:
    """Replace the rows of some batches and tables, in one commit; other batches stay as history.

    Args:
        session: any engine.
        path: ``LakePaths.quarantine``.
        run_id: the DAG run.
        rejected: at most one per table.
    """
    if rejected:
        frames = [_complete(one, run_id) for one in rejected]
        rows = balanced(frames, lambda left, right: left.unionAll(right))
        replace_rows(session, rows, path, _condition(rejected), PARTITIONS)


def _complete(rejected: RejectedRows, run_id: str) -> DataFrame:
    from pyspark.sql import functions as F

    values = {
        "run_id": F.lit(run_id),
        "source_table": F.lit(rejected.table.qualified_name),
        "quarantined_at": F.lit(datetime.now(UTC)).cast("timestamp"),
        "table": F.lit(rejected.table.silver),
        "batch_id": F.lit(rejected.batch_id),
    }
    return rejected.rows.select(
        *[F.col(column).alias(name) for name, column in COLUMNS.items()],
        *[value.alias(name) for name, value in values.items()],
    )


def _condition(rejected: Sequence[RejectedRows]) -> str:
    """One list of tables per batch, since nearly all tables of a run have the same batch id."""
    tables: dict[str, list[str]] = {}
    for one in rejected:
        tables.setdefault(one.batch_id, []).append(spark_literal(one.table.silver))
    return " OR ".join(
        f"(batch_id = {spark_literal(batch_id)} AND `table` IN ({', '.join(names)}))"
        for batch_id, names in tables.items()
    )
