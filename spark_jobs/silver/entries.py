"""Makes the entries of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.bronze.manifest import Manifest
from midnight.bronze.stopped_tables import StoppedTable
from midnight.bronze_to_silver.batch_chain import Chain
from midnight.configuration.tables import Table
from midnight.errors import BronzeError
from midnight.lake.column_figures import ColumnFigures
from midnight.lake.ledger import LedgerEntry
from midnight.masking import masking_state
from spark_jobs.silver.counts import Counts
from spark_jobs.silver.messages import applied_message, describe_batches, source_warnings, unchanged_message
from spark_jobs.transforms.changes import DELETE, INSERT, MARK, UNCHANGED, UPDATE
from spark_jobs.transforms.checks import DROPPED_STATE, DUPLICATE, OBSOLETE, QUARANTINED

if TYPE_CHECKING:
    from spark_jobs.silver.table import SilverTable


def make_entry(run_id: str, table: Table, manifest: Manifest, **values: Any) -> LedgerEntry:
    """An entry of this moment.

    Args:
        run_id: the DAG run.
        table: the silver table.
        manifest: of the batch.
        values: the other fields of the entry.
    """
    return LedgerEntry(
        batch_id=manifest.batch_id,
        run_id=run_id,
        attempt_at=datetime.now(UTC),
        table=table.silver,
        source_table=table.qualified_name,
        **values,
    )


def make_skipped_entry(run_id: str, table: Table, manifest: Manifest, newest: str) -> LedgerEntry:
    """The entry of a batch that is older than the newest one of silver."""
    message = f"batch {manifest.batch_id} is older than batch {newest}, which silver already has"
    return make_entry(run_id, table, manifest, status="skipped", message=message)


def make_stopped_entry(run_id: str, batch_id: str, stopped: StoppedTable, last: LedgerEntry | None) -> LedgerEntry:
    """The entry of a table that ingestion has stopped: silver is as the last applied entry says."""
    rows = 0 if last is None else last.silver_after
    return LedgerEntry(
        batch_id=batch_id,
        run_id=run_id,
        attempt_at=datetime.now(UTC),
        table=stopped.silver,
        source_table=stopped.table,
        status="stopped",
        message=stopped.message,
        changed="nothing",
        silver_before=rows,
        silver_after=rows,
    )


def make_applied_entry(silver: SilverTable, counts: Counts, before: int, fingerprint: str) -> LedgerEntry:
    """The entry of a table whose batches are going to be written.

    Args:
        silver: the table and its batches.
        counts: of the staged outcome.
        before: rows in silver.
        fingerprint: of the table's next silver.

    Raises:
        BronzeError: the files do not have as many rows as the manifest.
    """
    expected, all_rows = silver.rows.count, sum(batch.rows for batch in silver.batches)
    repeated = all_rows - expected  # clean, and in silver already
    if counts.rows_in != expected:
        ids = ", ".join(batch.batch_id for batch in silver.batches)
        raise BronzeError(
            f"{silver.table.qualified_name}: the files of batch {ids} have {counts.rows_in} rows, the manifest has "
            f"{expected}; hint: delete the batch folder and clear the ingest task"
        )
    grown = before + counts.actions[INSERT] - counts.actions[DELETE]
    return make_entry(
        silver.run_id,
        silver.table,
        silver.manifest,
        status="applied",
        rows_in=all_rows,
        inserted=counts.actions[INSERT],
        updated=counts.actions[UPDATE],
        unchanged=counts.actions[UNCHANGED] + repeated,
        deleted=before if silver.replace else counts.actions[DELETE],
        duplicates=counts.states[DUPLICATE],
        dropped=counts.states[DROPPED_STATE],
        quarantined=counts.states[QUARANTINED],
        obsolete=counts.states[OBSOLETE],
        marked=counts.actions[MARK],
        warnings=counts.warned,
        unrepresentable=sum(batch.unrepresentable_values for batch in silver.batches),
        silver_before=before,
        silver_after=grown if silver.increment else counts.rows_after,
        message=applied_message(silver.table, silver.columns, silver.batches, counts),
        source_warnings=source_warnings(silver.table, silver.batches, counts.states[DUPLICATE]),
        schema_changes="; ".join(silver.manifest.schema_changes),
        fingerprint=fingerprint,
        masking=masking_state(silver.table, silver.masking_key),
        released=silver.released,
        failed_checks=counts.failed_checks,
        bytes_in=sum(file.bytes for batch in silver.batches for file in batch.all_files),
    )


def make_unchanged_entry(run_id: str, table: Table, chain: Chain, last: LedgerEntry) -> LedgerEntry:
    """The entry of a table that was already made from the same batches by the same rules.

    Args:
        run_id: the DAG run.
        table: the silver table.
        chain: its batches.
        last: the last applied entry.

    Raises:
        LedgerError: a row is not accounted for.
    """
    newest = chain[-1]
    changes: dict[str, Any] = {
        "batch_id": newest.batch_id,
        "run_id": run_id,
        "attempt_at": datetime.now(UTC),
        "inserted": 0,
        "updated": 0,
        "deleted": 0,
        "marked": 0,
        "unchanged": last.inserted + last.updated + last.unchanged,
        "silver_before": last.silver_after,
        "changed": "nothing",
        "released": last.released if run_id == last.run_id else "",
        "quarantine_batch_id": last.quarantine_batch_id or last.batch_id,
        "schema_changes": "; ".join(newest.schema_changes),
        "milliseconds": 0,
        "bytes_in": 0,
        "column_figures": str(ColumnFigures(ColumnFigures.parse(last.column_figures).nulls)),
    }
    if newest.batch_id == last.batch_id and run_id != last.run_id:
        changes["message"] = unchanged_message(newest, last.message)
        changes["schema_changes"] = ""  # an earlier run has found them
    if newest.follows and newest.batch_id != last.batch_id:  # an increment that has no rows, as its fingerprint shows
        nothing = dict.fromkeys(
            ("rows_in", "unchanged", "duplicates", "dropped", "quarantined", "obsolete", "warnings"), 0
        )
        message = describe_batches(chain[-1:])
        changes |= nothing | {"message": message, "quarantine_batch_id": "", "failed_checks": "{}"}
    if newest.batch_id != last.batch_id:  # the same files, but a null of the source may have been replaced before
        changes["unrepresentable"] = newest.unrepresentable_values
    changes["source_warnings"] = source_warnings(table, chain, int(changes.get("duplicates", last.duplicates)))
    return last.model_copy(update=changes).verify()


def make_repeated_entry(
    run_id: str, table: Table, chain: Chain, last: LedgerEntry, fingerprint: str, *, milliseconds: int
) -> LedgerEntry:
    """The entry of a table whose newest batch only has rows that silver was made from before.

    Args:
        run_id: the DAG run.
        table: the silver table.
        chain: its batches.
        last: the last applied entry.
        fingerprint: of the same silver, made from the newest batch.
        milliseconds: that the comparison took.

    Raises:
        LedgerError: a row is not accounted for.
    """
    newest = chain[-1]
    changes: dict[str, Any] = {
        "fingerprint": fingerprint,
        "milliseconds": milliseconds,
        "quarantine_batch_id": "",  # no row is rejected
        "bytes_in": sum(file.bytes for file in newest.all_files),
    }
    if newest.follows:
        changes |= {"rows_in": newest.rows, "unchanged": newest.rows}
    return make_unchanged_entry(run_id, table, chain, last).model_copy(update=changes).verify()
