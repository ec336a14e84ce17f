"""The job that brings sealed bronze batches into silver.

Run as ``python -m spark_jobs.bronze_to_silver '{"run_document": "…", "engine": "sail"}'`` or as the wheel's
``midnight-bronze-to-silver``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from midnight.bronze_to_silver import Fingerprint, fingerprint, group_by_references, referenced_tables
from midnight.errors import MidnightError, QualityGateError
from midnight.lake_paths import LakePaths
from midnight.ledger import LedgerEntry
from midnight.manifest import Manifest
from midnight.run_document import RunDocument
from midnight.tables import Table
from spark_jobs import job
from spark_jobs.quarantine import carry_over
from spark_jobs.silver_ledger import Ledger
from spark_jobs.silver_table import SilverTable, parent_frames

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Batch = tuple[Table, Manifest]


def bronze_to_silver(session: SparkSession, document: RunDocument) -> list[LedgerEntry]:
    """Apply a run document.

    Returns:
        What became of each table.

    Raises:
        QualityGateError: a ``fail`` check stopped at least one table; the others are done.
        MidnightError: at least one table could not be applied; the others are done.
    """
    batches = [(work.table, work.batches[-1]) for work in document.tables if work.batches]
    night = Night(session, document.paths, document.run_id)
    entries = night.apply(batches)
    raise_failures(night.failures)
    return entries


class Night:
    """Applies one batch of each table to silver.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
    """

    def __init__(self, session: SparkSession, paths: LakePaths, run_id: str) -> None:
        self.session, self.paths, self.run_id = session, paths, run_id
        self.ledger = Ledger(session, paths.ledger)
        self.failures: list[MidnightError] = []

    def apply(self, batches: Sequence[Batch]) -> list[LedgerEntry]:
        """Every table, those that others refer to first. A table that fails does not keep the others from being judged."""
        newer = [b for b in batches if b[1].batch_id >= self.ledger.newest_begun(b[0].silver)]
        skipped = [self._skipped(*b) for b in batches if b not in newer]
        attempted_before = {t.silver for t, m in newer if m.batch_id == self.ledger.newest_begun(t.silver)}
        self.ledger.append([*skipped, *[self._entry(*b, status="started") for b in newer]])
        manifests = {table.silver: manifest for table, manifest in newer}
        entries = list(skipped)
        for group in group_by_references([table for table, _ in newer]):
            entries += self._apply_group([(t, manifests[t.silver]) for t in group], attempted_before)
        return entries

    def _apply_group(self, group: list[Batch], attempted_before: set[str]) -> list[LedgerEntry]:
        entries = []
        for table, manifest in group:
            try:
                entry = self._apply_table(table, manifest, group, table.silver in attempted_before)
            except MidnightError as error:
                self.failures.append(error)
                entry = self._entry(table, manifest, status="failed", rows_in=manifest.rows, message=str(error))
            except Exception as error:
                message = f"{type(error).__name__}: {str(error)[:1000]}"
                self.ledger.append([self._entry(table, manifest, status="failed", message=message)])
                raise
            self.ledger.append([entry])
            print(describe(entry), flush=True)
            entries.append(entry)
        return entries

    def _apply_table(self, table: Table, manifest: Manifest, group: list[Batch], again: bool) -> LedgerEntry:
        parents = [name for name in referenced_tables(table)]
        wanted = fingerprint(table, group, [self._fingerprint_text(name) for name in parents])
        last = self.ledger.last_applied(table.silver)
        if last is not None and self.ledger.is_settled(table.silver) and last.fingerprint == str(wanted):
            entry = self._same_again(table, manifest, last)
            if entry is not None:
                return entry
        before = Fingerprint.parse(last.fingerprint) if last else None
        silver = SilverTable(
            self.session,
            self.paths,
            self.run_id,
            table,
            manifest,
            replace=before is not None and before.key != wanted.key,
            rewrite_quarantine=again,
        )
        frames: dict[str, DataFrame] = parent_frames(self.session, table, parents, [self.paths])
        return silver.apply(frames, str(wanted))

    def _same_again(self, table: Table, manifest: Manifest, last: LedgerEntry) -> LedgerEntry | None:
        """The batch is what silver was made from already: nothing is read. None if silver is not what the ledger says."""
        silver = SilverTable(self.session, self.paths, self.run_id, table, manifest)
        if silver.rows() != last.silver_after:
            return None
        if last.quarantined:
            now = datetime.now(UTC)
            batches = (last.batch_id, manifest.batch_id)
            carry_over(self.session, self.paths.quarantine, table.silver, *batches, self.run_id, now)
        return last.model_copy(
            update={
                "batch_id": manifest.batch_id,
                "run_id": self.run_id,
                "attempt_at": datetime.now(UTC),
                "inserted": 0,
                "updated": 0,
                "deleted": 0,
                "unchanged": last.inserted + last.updated + last.unchanged,
                "silver_before": last.silver_after,
            }
        ).verify()

    def _fingerprint_text(self, silver_name: str) -> str:
        last = self.ledger.last_applied(silver_name)
        return last.fingerprint if last else ""

    def _skipped(self, table: Table, manifest: Manifest) -> LedgerEntry:
        newest = self.ledger.newest_begun(table.silver)
        message = f"silver already has the newer batch {newest}"
        return self._entry(table, manifest, status="skipped", message=message)

    def _entry(self, table: Table, manifest: Manifest, **values: object) -> LedgerEntry:
        return LedgerEntry(
            batch_id=manifest.batch_id,
            run_id=self.run_id,
            attempt_at=datetime.now(UTC),
            table=table.silver,
            source_table=table.qualified_name,
            **values,
        )


def raise_failures(failures: Sequence[MidnightError]) -> None:
    """One error for all tables.

    Raises:
        MidnightError: the one failure, or all in one; a QualityGateError if any of them is one.
    """
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kind = QualityGateError if any(isinstance(e, QualityGateError) for e in failures) else MidnightError
        raise kind("; ".join(str(error) for error in failures))


def describe(entry: LedgerEntry) -> str:
    """One line of progress."""
    if entry.status != "applied":
        return f"{entry.table}: {entry.status}: {entry.message}"
    parts = [
        f"{getattr(entry, name)} {name}"
        for name in ("inserted", "updated", "deleted", "unchanged", "duplicates", "dropped", "quarantined", "warnings")
        if getattr(entry, name)
    ]
    return f"{entry.table}: {entry.rows_in} rows in: {', '.join(parts) or 'nothing'}; silver has {entry.silver_after}"


def main(argv: Sequence[str]) -> int:
    """Run the job; see ``spark_jobs.job.main``."""
    return job.main(argv, bronze_to_silver)


def run() -> None:
    """Entry point of the wheel."""
    job.run(bronze_to_silver)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
