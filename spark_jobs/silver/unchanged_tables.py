"""Which tables a run leaves as they are: decided from manifests, the ledger and bronze, without a query."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from midnight.bronze_to_silver.batch_chain import Chain
from midnight.bronze_to_silver.fingerprint import Fingerprint
from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from spark_jobs.runtime.delta_log import count_by_log
from spark_jobs.silver.batch_difference import BatchDifference
from spark_jobs.silver.entries import make_repeated_entry, make_unchanged_entry


@dataclass
class UnchangedTables:
    """Finds them, and remembers what the others' newest batches have changed.

    Args:
        paths: of the lake.
        run_id: the DAG run.
        settled: silver name -> the entry whose state the table is in; None if that is not certain.
        full: silver names of the tables whose entry must count all rows, not only those of increments.
    """

    paths: LakePaths
    run_id: str
    settled: Mapping[str, LedgerEntry | None]
    full: Collection[str]
    _differences: dict[str, BatchDifference | None] = field(default_factory=dict, init=False)

    def entries(self, group: Sequence[tuple[Table, Chain]], wanted: Mapping[str, Fingerprint]) -> list[LedgerEntry]:
        """The entries of a group whose tables all have these fingerprints already; else none.

        A local table that has lost or gained rows is not unchanged. In Azure only the engine could count it, which
        would take longer than everything else about an unchanged table: there the ledger is believed.

        Args:
            group: tables that change together, with their batches.
            wanted: silver name -> fingerprint.
        """
        entries = []
        for table, chain in group:
            last, newest = self.settled.get(table.silver), chain[-1]
            if last is None or last.fingerprint != str(wanted[table.silver]):
                return []
            if newest.follows and table.silver in self.full:
                return []
            if count_by_log(self.paths.silver_table(table.silver)) not in (None, last.silver_after):
                return []
            entries.append(make_unchanged_entry(self.run_id, table, chain, last))
        return entries

    def repeated(self, group: Sequence[tuple[Table, Chain]], wanted: Mapping[str, Fingerprint]) -> list[LedgerEntry]:
        """The entry of a table whose newest batch only repeats rows that silver has; else none.

        Args:
            group: tables that change together, with their batches.
            wanted: silver name -> fingerprint.
        """
        if len(group) > 1:
            return []
        started, (table, chain) = time.monotonic(), group[0]
        difference = self.difference(table, chain, wanted[table.silver])
        last = self.settled.get(table.silver)
        if difference is None or last is None or not difference.is_nothing():
            return []
        elapsed = round(1000 * (time.monotonic() - started))
        fingerprint = str(wanted[table.silver])
        return [make_repeated_entry(self.run_id, table, chain, last, fingerprint, milliseconds=elapsed)]

    def difference(self, table: Table, chain: Chain, wanted: Fingerprint) -> BatchDifference | None:
        """What the newest batch of a table changes; None if only the evaluation of all rows can tell.

        Args:
            table: not in a cycle of references.
            chain: its batches.
            wanted: the fingerprint that it gets.
        """
        name = table.silver
        if name in self.full:
            return None
        if name not in self._differences:
            self._differences[name] = BatchDifference.of(table, chain, self.settled.get(name), wanted, self.paths)
        return self._differences[name]
