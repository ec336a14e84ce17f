"""The quarantine: one Delta table with the rows that every table's rules kept out, per batch."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from midnight.tables import Table
from spark_jobs.delta_tables import load_table, replace_rows
from spark_jobs.transforms.checks import QUARANTINED, REASON, RULE, STATE, STOPPED
from spark_jobs.transforms.cleaning import RAW, RAW_KEY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITIONS = ("table", "batch_id")


def quarantined_rows(judged: DataFrame, table: Table, batch_id: str, run_id: str, at: datetime) -> DataFrame:
    """Rows that stay out of silver, one record each: first rule, all reasons, key and row as JSON of the bronze values.

    Args:
        judged: from ``judge``.
        table: where they come from.
        batch_id: the batch; ``run_id`` the DAG run; ``at`` when they were found.
    """
    from pyspark.sql import functions as F

    return judged.filter((F.col(STATE) == QUARANTINED) | F.col(STOPPED)).select(
        F.lit(run_id).alias("run_id"),
        F.lit(table.qualified_name).alias("source_table"),
        F.col(RULE).alias("rule"),
        F.col(REASON).alias("reason"),
        F.col(RAW_KEY).alias("key"),
        F.col(RAW).alias("row"),
        F.lit(at).cast("timestamp").alias("quarantined_at"),
        F.lit(table.silver).alias("table"),
        F.lit(batch_id).alias("batch_id"),
    )


def write_quarantine(session: SparkSession, path: str, rows: DataFrame, table: str, batch_id: str) -> None:
    """Replace what the quarantine holds of a table's batch; other batches stay as history."""
    replace_rows(session, rows, path, _condition(table, batch_id), PARTITIONS)


def carry_over(
    session: SparkSession, path: str, table: str, old_batch_id: str, batch_id: str, run_id: str, at: datetime
) -> None:
    """The rows of an earlier batch again under a new one, for a batch that is the same."""
    from pyspark.sql import functions as F

    existing = load_table(session, path)
    if existing is None or old_batch_id == batch_id:
        return
    rows = existing.filter(F.expr(_condition(table, old_batch_id))).withColumns(
        {"batch_id": F.lit(batch_id), "run_id": F.lit(run_id), "quarantined_at": F.lit(at).cast("timestamp")}
    )
    write_quarantine(session, path, rows, table, batch_id)


def _condition(table: str, batch_id: str) -> str:
    return f"`table` = '{table}' AND batch_id = '{batch_id}'"  # both are letters, digits, _ and - only
