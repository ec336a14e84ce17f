"""What silver has: whether its columns are those of a batch, and whether its rows are as many as the ledger says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.errors import LedgerError
from midnight.lake.ledger import LedgerEntry
from spark_jobs.runtime.delta_tables import count_rows
from spark_jobs.transforms.changes import BATCH
from spark_jobs.transforms.cleaning import DELETED
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.duplicates import COPY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def columns_differ(existing: DataFrame | None, table: Table, columns: Sequence[PlannedColumn]) -> bool:
    """Whether silver does not exist yet, or has other columns than the batches."""
    if existing is None:
        return True
    expected = {column.name: column.silver_type for column in columns if not column.drop}
    found = {name: kind.upper() for name, kind in existing.dtypes if name not in (COPY, BATCH, DELETED)}
    names = existing.columns
    is_marked, is_numbered = DELETED in names, COPY in names
    return expected != found or is_numbered == bool(table.key) or is_marked != (table.deletes == "soft")


def recount(session: SparkSession, path: str, entry: LedgerEntry) -> LedgerEntry:
    """Compare the predicted with the actual number of rows; returns the entry with the current time.

    Raises:
        LedgerError: they differ.
    """
    after = count_rows(session, path)
    if after != entry.silver_after:
        raise LedgerError(
            f"{entry.table}: silver has {after} rows after batch {entry.batch_id}, expected "
            f"{entry.silver_after}; hint: check whether another job writes it, then run the midnight_rebuild DAG"
        )
    return entry.model_copy(update={"attempt_at": datetime.now(UTC)})
