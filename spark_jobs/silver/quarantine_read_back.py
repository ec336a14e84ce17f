"""The link *written = read back* of the quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.lake.paths import LakePaths, is_local
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.read_back import compare, stop_on_difference
from midnight.reconciliation.row_sources import FileRows, RowSource, read_state
from midnight.reconciliation.spark_columns import digest_plan
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.reconciliation.proofs import Proof, Proofs
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.silver.quarantine import COLUMNS, RejectedRows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def read_quarantine_back(
    session: SparkSession, paths: LakePaths, rejected: Sequence[RejectedRows], proofs: Proofs
) -> None:
    """Compare the rejected rows with those that the quarantine has for the same batches and tables.

    Args:
        session: any engine.
        paths: of the lake.
        rejected: as they were written.
        proofs: takes the outcomes.

    Raises:
        ReconciliationError: they differ; the next run evaluates the tables again.
    """
    proven = [each for each in rejected if each.table.reconcile == "digests"]
    records = [
        compare(_subject(each), _evaluated(each), _read(session, paths, each), "read by pyarrow")[0] for each in proven
    ]
    proofs.add(Proof(tuple(records)))
    stop_on_difference(records, "hint: the next run evaluates these tables again; check who else writes to the lake")


def _subject(rejected: RejectedRows) -> Subject:
    plan = digest_plan([(name, "STRING") for name in COLUMNS], ())
    # A row of the quarantine holds pseudonyms in place of masked values, but its reasons name the values of others.
    masked = set(COLUMNS) if rejected.table.masked_columns else set()
    return Subject("written = read back", f"quarantine of {rejected.table.silver}", plan, masked)


def _evaluated(rejected: RejectedRows) -> RowSource:
    from pyspark.sql import functions as F

    return FrameRows(rejected.rows.select(*(F.col(column).alias(name) for name, column in COLUMNS.items())))


def _read(session: SparkSession, paths: LakePaths, rejected: RejectedRows) -> RowSource:
    place: Mapping[str, str] = {"table": rejected.table.silver, "batch_id": rejected.batch_id}
    if is_local(paths.quarantine):
        return FileRows(read_state(paths.quarantine, place).files)
    from pyspark.sql import functions as F

    table = load_table(session, paths.quarantine)
    if table is None:
        return FileRows(())
    return FrameRows(table.filter((F.col("table") == place["table"]) & (F.col("batch_id") == place["batch_id"])))
