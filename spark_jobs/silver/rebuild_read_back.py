"""The link *written = read back* of a rebuilt table: what the rebuild computed, and the table that readers see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths, is_local
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.digest_states import make_state
from midnight.reconciliation.read_back import compare_with, stop_on_difference
from midnight.reconciliation.row_sources import FileRows, RowSource, local_state
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.reconciliation.proofs import Proof, Proofs, merge_records
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.silver.altered_tables import silver_content

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class RebuildReadBack:
    """Compares the tables of a rebuild.

    Args:
        session: any engine.
        paths: of the lake.
        scratch: the lake of the rebuild.
        proofs: of the lake; takes the outcomes.
        scratch_proofs: the digests of the rebuilt tables, which the rebuild itself has compared.
    """

    session: SparkSession
    paths: LakePaths
    scratch: LakePaths
    proofs: Proofs
    scratch_proofs: Proofs

    @classmethod
    def of(cls, session: SparkSession, paths: LakePaths, scratch: LakePaths) -> RebuildReadBack:
        """For the rebuild in ``scratch``."""
        return cls(
            session, paths, scratch, Proofs(session, paths.silver_digests), Proofs(session, scratch.silver_digests)
        )

    def after_publication(self, table: Table, entry: LedgerEntry) -> None:
        """Compare the published table with the rebuilt one.

        Args:
            table: with ``reconcile: digests``, else nothing is compared.
            entry: its entry in the ledger.

        Raises:
            ReconciliationError: they differ.
        """
        rebuilt = self.scratch_proofs.states.get(table.silver) if table.proves_silver else None
        if rebuilt is None or rebuilt.plan is None:
            return
        masked = {column.name for column in table.masked_columns}
        subject = Subject("written = read back", table.silver, rebuilt.plan, masked)
        wanted, path = rebuilt.sums, self.paths.silver_table(table.silver)
        expected = self._rows(self.scratch.silver_table(table.silver))
        files = local_state(path)
        records = []
        if is_local(path):
            records.append(
                compare_with(subject, wanted, expected, FileRows(files.files), "all files read by pyarrow")[0]
            )
        fresh = load_table(self.session, path)
        if fresh is not None:
            records.append(compare_with(subject, wanted, expected, FrameRows(fresh), "read by the engine")[0])
        merged = merge_records(records)
        different = merged.status == "different"
        state = make_state(table.silver, silver_content(table, entry), files, rebuilt.plan, wanted, different=different)
        self.proofs.add(Proof((merged,), state))
        self.proofs.save()
        stop_on_difference([merged], f"{table.silver} is not used; hint: trigger midnight_rebuild again")

    def _rows(self, path: str) -> RowSource | None:
        if is_local(path):
            return FileRows(local_state(path).files)
        table = load_table(self.session, path)
        return None if table is None else FrameRows(table)
