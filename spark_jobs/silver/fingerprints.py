"""The fingerprints of the tables of a run: what their rows follow from, with what they reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from midnight.bronze.manifest import Manifest
from midnight.bronze_to_silver.fingerprint import Fingerprint, fingerprint
from midnight.bronze_to_silver.table_order import referenced_tables
from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from spark_jobs.silver.ledger import Ledger


class Fingerprints:
    """Computes fingerprints.

    Args:
        ledgers: where the last fingerprint of a referenced table is looked for, one after the other.
    """

    def __init__(self, ledgers: Sequence[Ledger]) -> None:
        self._ledgers = ledgers
        self._applied: dict[str, LedgerEntry] = {}

    def add(self, entries: Iterable[LedgerEntry]) -> None:
        """Note the entries of tables that this run has applied."""
        self._applied |= {entry.table: entry for entry in entries if entry.status == "applied"}

    def of(self, group: Sequence[tuple[Table, tuple[Manifest, ...]]]) -> dict[str, Fingerprint]:
        """Silver name -> fingerprint of the tables of a group, each with its batches."""
        names = {table.silver for table, _ in group}
        outside = {name for table, _ in group for name in referenced_tables(table)} - names
        referenced = {name: self._last(name) for name in outside}
        return {table.silver: fingerprint(table, group, referenced) for table, _ in group}

    def _last(self, name: str) -> str:
        applied = self._applied.get(name)
        entries = [applied] if applied else [ledger.last_applied(name) for ledger in self._ledgers]
        return next((entry.fingerprint for entry in entries if entry is not None), "")
