"""One table for the summary of a run: its ledger entry, the batch that it has, its history."""

from __future__ import annotations

from midnight.bronze.manifest import Manifest
from midnight.lake.ledger import LedgerEntry
from midnight.run.document import TableWork
from midnight.summary.document import RUNS_KEPT, BronzeBatch, TableSummary

_WRITTEN_BY = {"adf": "data_factory"}


def table_summary(
    entry: LedgerEntry, work: TableWork | None, earlier: TableSummary | None, *, batch_id: str, quarantined_new: int
) -> TableSummary:
    """The summary of a table.

    Args:
        entry: of this run, or the last applied one if the run did not reach the table.
        work: the table in the run document; None if the run does not load it.
        earlier: in the summary before.
        batch_id: of the run; empty if it did not reach the table.
        quarantined_new: rows in quarantine that were not there after the run before.
    """
    manifest = _manifest(entry, work)
    same = earlier if earlier is not None and earlier.batch and earlier.batch.batch_id == entry.batch_id else None
    kept = earlier if same is None and entry.status in ("skipped", "stopped", "failed") else same
    batch, reconciliation = (None, "") if kept is None else (kept.batch, kept.reconciliation)
    if manifest is not None and work is not None and entry.status == "applied":
        batch = bronze_batch(manifest, work)
        reconciliation = "" if manifest.reconciliation is None else str(manifest.reconciliation)
    seen_now = manifest is not None and manifest.batch_id == batch_id
    return TableSummary(
        entry=entry,
        batch=batch,
        rows_before=() if earlier is None else (*earlier.rows_before, earlier.entry.silver_after)[-RUNS_KEPT:],
        quarantined_new=quarantined_new,
        reconciliation=reconciliation,
        schema_changes=manifest.schema_changes if manifest is not None and seen_now else (),
    )


def bronze_batch(manifest: Manifest, work: TableWork) -> BronzeBatch:
    """The batch of a manifest; a later run may have found that the source still has its rows."""
    newest = work.batches[-1].batch_id == manifest.batch_id
    return BronzeBatch(
        batch_id=manifest.batch_id,
        read_at=manifest.started_at,
        sealed_at=manifest.sealed_at,
        unchanged_at=work.unchanged_at if newest else None,
        mode=manifest.mode,
        rows=manifest.rows,
        files=len(manifest.all_files),
        bytes=sum(file.bytes for file in manifest.all_files),
        written_by=_WRITTEN_BY.get(manifest.written_by, manifest.written_by),
        server=f"{manifest.read_from.database} on PostgreSQL {manifest.read_from.server_version}",
    )


def _manifest(entry: LedgerEntry, work: TableWork | None) -> Manifest | None:
    batches = () if work is None else work.batches
    return next((manifest for manifest in batches if manifest.batch_id == entry.batch_id), None)
