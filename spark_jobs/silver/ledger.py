"""The ledger as a Delta table, read and written by the Spark job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.lake.ledger import UNTOUCHED, LedgerEntry, to_entries
from midnight.lake.paths import is_local
from midnight.lake.recent_ledger import needed_rows, read_recent_entries
from spark_jobs.runtime.delta_tables import append_rows, load_table
from spark_jobs.runtime.folder_append import append_to_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEDGER_SCHEMA = (
    "batch_id string, run_id string, attempt_at timestamp, `table` string, source_table string, status string, "
    "rows_in bigint, inserted bigint, updated bigint, unchanged bigint, deleted bigint, duplicates bigint, "
    "dropped bigint, quarantined bigint, obsolete bigint, marked bigint, warnings bigint, unrepresentable bigint, "
    "silver_before bigint, silver_after bigint, "
    "message string, source_warnings string, schema_changes string, fingerprint string, masking string, "
    "changed string, quarantine_batch_id string, released string, failed_checks string, "
    "milliseconds bigint, bytes_in bigint, column_figures string"
)
LEDGER_TYPES = {name.strip("`"): kind for name, kind in map(str.split, LEDGER_SCHEMA.split(", "))}
LEDGER_COLUMNS = tuple(LedgerEntry.model_fields)


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
        if not entries:
            return
        if not append_to_folder(self._path, [entry.model_dump() for entry in entries], LEDGER_TYPES):
            rows = [tuple(getattr(entry, name) for name in LEDGER_COLUMNS) for entry in entries]
            append_rows(self._session.createDataFrame(rows, LEDGER_SCHEMA), self._path)
        self._add(entries)

    def last_applied(self, table: str) -> LedgerEntry | None:
        """The last applied entry; None if the table was never applied."""
        return next((entry for entry in reversed(self._of(table)) if entry.status == "applied"), None)

    def newest_started(self, table: str) -> str:
        """The newest batch that silver may contain: a started one counts, since a crash may follow its commit."""
        return max((entry.batch_id for entry in self._of(table) if entry.status not in UNTOUCHED), default="")

    def is_settled(self, table: str) -> bool:
        """Whether silver is in the state of the last applied entry: no attempt after it was interrupted."""
        statuses = [entry.status for entry in self._of(table) if entry.status not in UNTOUCHED]
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
    """The entries of the ledger that a run needs (``needed_rows``); none if no batch was ever applied.

    Args:
        session: reads a ledger in Azure; a local one is read by delta-rs, without a query.
        path: ``LakePaths.ledger``.
    """
    if is_local(path):
        return read_recent_entries(path)
    table = load_table(session, path)
    return [] if table is None else to_entries(needed_rows(table.toArrow()))
