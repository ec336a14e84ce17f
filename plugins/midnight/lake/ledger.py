"""The row ledger: accounts for every row of every batch; the job fails otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from midnight.errors import LakeError, LedgerError

if TYPE_CHECKING:
    import pyarrow as pa

# Entries of these statuses say that silver was left alone.
UNTOUCHED = ("skipped", "stopped")


class LedgerEntry(BaseModel):
    """What applying one batch once did to one silver table. All counts are rows.

    ``rows_in = inserted + updated + unchanged + duplicates + dropped + quarantined + obsolete`` and
    ``silver_after = silver_before + inserted - deleted``.

    Args:
        batch_id: the batch; ``run_id`` the DAG run that applied it, ``attempt_at`` when.
        table: silver name; ``source_table`` the qualified name in PostgreSQL.
        status: ``started`` is written before the table changes, ``applied`` after, ``skipped`` for a batch that is not
            newer than silver, ``failed`` when a check stopped the table, ``stopped`` when ingestion stopped it: the run
            has no batch of it, and silver is unchanged.
        rows_in: rows of the batch, or of all batches that were evaluated together.
        inserted, updated, unchanged: outcome of the clean rows.
        deleted: rows of silver that are not in the snapshot any more, or whose newest row was quarantined or dropped
            (not part of rows_in).
        duplicates: superseded by another row with the same key.
        dropped: because of a column's ``nulls: drop_row``.
        quarantined: failed a cast or check, and were written to the quarantine with rule and reason.
        obsolete: of earlier batches, and deleted in the source since then, as a later list of keys says.
        marked: with ``deletes: soft`` rows of silver, not of the batch, that were marked as deleted, or are present
            again.
        warnings: rows that failed a ``warn`` check (they are in silver).
        unrepresentable: values (not rows) of these batches that bronze cannot hold and that became null
            (``on_unrepresentable: null``).
        message: for people: why the table failed or was skipped, its new columns, its warnings.
        source_warnings: for people: what should be corrected in the source; repeated in every run until then.
        schema_changes: for people: what changed in the source's table since the batch before.
        fingerprint: of everything that silver was computed from; the same fingerprint means the same silver.
        changed: what readers of silver must read again: ``nothing``; ``rows``, of which a complete change set is at
            ``LakePaths.silver_changes``; or ``everything``: the first load, another schema, or an interrupted attempt.
        masking: fingerprint of the masking key and the masked columns, ``1f2e3d4c:email,phone``; empty if no column
            is masked.
        quarantine_batch_id: the batch with whose id the rejected rows are in the quarantine; empty if it is
            ``batch_id``. A batch with the content of an earlier one adds nothing to the quarantine.
        released: for people: the failed checks in spite of which a person released the table, who, when and why.
        failed_checks: JSON, label of each check that rows failed -> their number (``rows_by_check``); empty if none
            was evaluated.
        milliseconds: from the evaluation of the rows to the end of the write; 0 if nothing had to be done.
        bytes_in: size of the Parquet files that were read.
        column_figures: nulls and distinct values by column, as JSON (``midnight.lake.column_figures``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_id: str
    run_id: str
    attempt_at: datetime
    table: str
    source_table: str
    status: Literal["started", "applied", "skipped", "failed", "stopped"]
    rows_in: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    duplicates: int = 0
    dropped: int = 0
    quarantined: int = 0
    obsolete: int = 0
    marked: int = 0
    warnings: int = 0
    unrepresentable: int = 0
    silver_before: int = 0
    silver_after: int = 0
    message: str = ""
    source_warnings: str = ""
    schema_changes: str = ""
    fingerprint: str = ""
    masking: str = ""
    changed: Literal["nothing", "rows", "everything"] = "everything"
    quarantine_batch_id: str = ""
    released: str = ""
    failed_checks: str = ""

    @property
    def rows_by_check(self) -> dict[str, int]:
        """Rows by the label of the check that they failed; a row may fail several, a check without rows is missing."""
        return {str(label): int(rows) for label, rows in json.loads(self.failed_checks or "{}").items()}

    milliseconds: int = 0
    bytes_in: int = 0
    column_figures: str = ""

    @property
    def imbalance(self) -> str:
        """The equation that does not hold, as a message; empty if both hold."""
        clean = self.inserted + self.updated + self.unchanged
        accounted = clean + self.duplicates + self.dropped + self.quarantined + self.obsolete
        if self.rows_in != accounted:
            return (
                f"{self.table}: batch {self.batch_id} has {self.rows_in} rows, but {accounted} are accounted for "
                f"(inserted {self.inserted}, updated {self.updated}, unchanged {self.unchanged}, "
                f"duplicates {self.duplicates}, dropped {self.dropped}, quarantined {self.quarantined}, "
                f"obsolete {self.obsolete})"
            )
        expected = self.silver_before + self.inserted - self.deleted
        if self.silver_after != expected:
            return (
                f"{self.table}: silver has {self.silver_after} rows, expected {expected} "
                f"({self.silver_before} before + {self.inserted} inserted - {self.deleted} deleted)"
            )
        return ""

    def verify(self) -> LedgerEntry:
        """Return this entry if it is balanced.

        Raises:
            LedgerError: a row is not accounted for.
        """
        if self.imbalance:
            raise LedgerError(
                f"{self.imbalance}; nothing was published; hint: this is a bug in Midnight, please report it"
            )
        return self


def latest_entries(entries: list[LedgerEntry], run_id: str | None = None) -> list[LedgerEntry]:
    """The last finished entry per table, sorted by table; only of one DAG run if ``run_id`` is given."""
    last: dict[str, LedgerEntry] = {}
    for entry in sorted(entries, key=lambda e: e.attempt_at):
        if entry.status != "started" and run_id in (None, entry.run_id):
            last[entry.table] = entry
    return [last[name] for name in sorted(last)]


COUNTS = (
    *("rows_in", "inserted", "updated", "unchanged", "deleted", "duplicates", "dropped", "quarantined", "obsolete"),
    *("marked", "warnings"),
)


def total_rows(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """The sum of each of COUNTS over the entries."""
    totals = dict.fromkeys(COUNTS, 0)
    for entry in entries:
        for name in COUNTS:
            totals[name] += getattr(entry, name)
    return totals


def read_ledger(
    path: str, storage_options: Mapping[str, str] | None = None, run_id: str | None = None
) -> list[LedgerEntry]:
    """Read the ledger without a Spark session; empty if no batch was ever applied.

    Args:
        path: ``LakePaths.ledger``.
        storage_options: ``LakeFiles.storage_options``.
        run_id: only the entries of this DAG run, of whichever batches: an unchanged table has an earlier one.

    Raises:
        LakeError: the ledger exists but cannot be read.
    """
    rows = read_ledger_rows(path, storage_options, run_id)
    return [] if rows is None else to_entries(rows)


def read_ledger_rows(
    path: str, storage_options: Mapping[str, str] | None = None, run_id: str | None = None
) -> pa.Table | None:
    """The rows of the ledger; None if no batch was ever applied. The arguments are those of ``read_ledger``.

    Raises:
        LakeError: the ledger exists but cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        table = DeltaTable(path, storage_options=dict(storage_options or {}))
        filters = None if run_id is None else [("run_id", "=", run_id)]
        return table.to_pyarrow_table(filters=filters)
    except TableNotFoundError:
        return None
    except Exception as error:  # deltalake does not document which classes it raises
        message = f"the ledger {path!r} cannot be read: {error}; hint: check the permissions of the lake"
        raise LakeError(message) from error


def to_entries(rows: pa.Table) -> list[LedgerEntry]:
    """The entries of some rows of the ledger; columns of another version are ignored."""
    known = LedgerEntry.model_fields
    return [LedgerEntry(**{n: v for n, v in row.items() if n in known and v is not None}) for row in rows.to_pylist()]
