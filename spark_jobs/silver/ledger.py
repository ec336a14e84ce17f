"""The ledger as a Delta table, read and written by the Spark job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from midnight.lake.ledger import LedgerEntry, read_ledger
from midnight.lake.paths import is_local
from spark_jobs.runtime.delta_tables import append_rows, load_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEDGER_SCHEMA = (
    "batch_id string, run_id string, attempt_at timestamp, `table` string, source_table string, status string, "
    "rows_in bigint, inserted bigint, updated bigint, unchanged bigint, deleted bigint, duplicates bigint, "
    "dropped bigint, quarantined bigint, warnings bigint, silver_before bigint, silver_after bigint, "
    "message string, source_warnings string, fingerprint string, masking string, changed string, "
    "quarantine_batch_id string"
)
LEDGER_COLUMNS = tuple(LedgerEntry.model_fields)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ledger:
    """Reads the ledger once and appends entries.

    Args:
        session: any engine.
        path: ``LakePaths.ledger``.
    """

    def __init__(self, session: SparkSession, path: str) -> None:
        self._session = session
        self._path = path
        self._entries: dict[str, list[LedgerEntry]] = {}
        self._add(read_entries(session, path))

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        """Write entries in one commit."""
        if entries:
            rows = [tuple(getattr(entry, name) for name in LEDGER_COLUMNS) for entry in entries]
            append_rows(self._session.createDataFrame(rows, LEDGER_SCHEMA), self._path)
            self._add(entries)

    def last_applied(self, table: str) -> LedgerEntry | None:
        """The last applied entry; None if the table was never applied."""
        return next((entry for entry in reversed(self._of(table)) if entry.status == "applied"), None)

    def newest_started(self, table: str) -> str:
        """The newest batch that silver may contain: a started one counts, since a crash may follow its commit."""
        return max((entry.batch_id for entry in self._of(table) if entry.status != "skipped"), default="")

    def is_settled(self, table: str) -> bool:
        """Whether silver is in the state of the last applied entry: no attempt after it was interrupted."""
        statuses = [entry.status for entry in self._of(table) if entry.status != "skipped"]
        return bool(statuses) and statuses[-1] == "applied"

    def has_change_set(self, table: str, batch_id: str) -> bool:
        """Whether an earlier attempt left a complete change set of this batch, which gold may not have read yet."""
        return any(e.batch_id == batch_id and e.changed == "rows" for e in self._of(table) if e.status == "applied")

    def maskings(self) -> dict[str, set[str]]:
        """The possible maskings of each silver table: as last applied, or as in an attempt started after that."""
        found: dict[str, set[str]] = {}
        for table, entries in self._entries.items():
            for entry in entries:
                if entry.status == "applied":
                    found[table] = {entry.masking}
                elif entry.status == "started":
                    found.setdefault(table, set()).add(entry.masking)
        return found

    def _of(self, table: str) -> list[LedgerEntry]:
        return self._entries.get(table, [])

    def _add(self, entries: Sequence[LedgerEntry]) -> None:
        for entry in sorted(entries, key=lambda e: e.attempt_at):
            self._entries.setdefault(entry.table, []).append(entry)


def read_entries(session: SparkSession, path: str) -> list[LedgerEntry]:
    """All entries of the ledger; empty if no batch was ever applied.

    Args:
        session: reads a ledger in Azure; a local one is read by delta-rs, without a query.
        path: ``LakePaths.ledger``.
    """
    if is_local(path):
        return read_ledger(path)
    from pyspark.sql import functions as F

    table = load_table(session, path)
    if table is None:
        return []
    # As a number: collect() returns timestamps in the time zone of this process, without naming the zone.
    rows = table.withColumn("attempt_at", F.unix_micros("attempt_at")).collect()
    return [_entry(row.asDict()) for row in rows]


def _entry(row: dict[str, Any]) -> LedgerEntry:
    values = {name: value for name, value in row.items() if name in LEDGER_COLUMNS and value is not None}
    values["attempt_at"] = _EPOCH + timedelta(microseconds=values["attempt_at"])
    return LedgerEntry(**values)
