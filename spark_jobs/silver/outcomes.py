"""The outcomes of the tables of a run, until they are recorded in the quarantine and the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midnight.errors import LakeError, first_line
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from spark_jobs.reconciliation.proofs import Proofs
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.quarantine import RejectedRows, write_quarantine
from spark_jobs.silver.quarantine_read_back import read_quarantine_back

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A killed run loses the outcomes that were not recorded; their tables are evaluated completely by the next run.
RECORD_AFTER_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """The ledger entries of tables that were changed together, and their rows for the quarantine."""

    entries: Sequence[LedgerEntry]
    rejected: Sequence[RejectedRows] = ()


@dataclass
class Outcomes:
    """Collects outcomes; records them in one commit of the quarantine, then one of the ledger.

    A long run records about once a minute.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        ledger: to write.
        proofs: saved before the ledger.

    Attributes:
        entries: of all outcomes, recorded or not.
    """

    session: SparkSession
    paths: LakePaths
    run_id: str
    ledger: Ledger
    proofs: Proofs
    entries: list[LedgerEntry] = field(default_factory=list)
    _pending: list[Outcome] = field(default_factory=list)
    _recorded_at: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        """Collect an outcome."""
        self.entries += outcome.entries
        self._pending.append(outcome)
        if time.monotonic() - self._recorded_at > RECORD_AFTER_SECONDS:
            self.record()

    def record(self) -> None:
        """Write what is not yet written. The rejected rows come first: an entry in the ledger means that they exist.

        Raises:
            ReconciliationError: the quarantine does not have the rejected rows.
            LakeError: the engine cannot write; the tables are written, and the next run evaluates them again.
        """
        from pyspark.errors import PySparkException

        try:
            rejected = [rows for outcome in self._pending for rows in outcome.rejected]
            write_quarantine(self.session, self.paths.quarantine, self.run_id, rejected)
            read_quarantine_back(self.session, self.paths, rejected, self.proofs)
            self.proofs.save()
            self.ledger.append([entry for outcome in self._pending for entry in outcome.entries])
        except (PySparkException, LakeError) as error:
            raise LakeError(
                f"the quarantine or the ledger of this run cannot be written: {first_line(error)}; each silver table "
                "is complete; hint: fix the cause, then clear the task"
            ) from error
        self._pending, self._recorded_at = [], time.monotonic()
