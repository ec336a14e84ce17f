"""One table of one run: evaluates the rows of its batches, compares them with silver and writes the changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.errors import LedgerError, QualityGateError
from midnight.lake.column_figures import ColumnFigures
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from midnight.names import releasable_check
from spark_jobs.runtime.delta_tables import count_rows, open_table, overwrite_table
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.staged_rows import StagedFolder
from spark_jobs.silver.batch_difference import BatchDifference
from spark_jobs.silver.batch_rows import BatchRows
from spark_jobs.silver.change_set import write_change_set
from spark_jobs.silver.column_figures import CountedColumns, few, nulls_after
from spark_jobs.silver.counts import Counts, Prepared, make_counts
from spark_jobs.silver.deleted_rows import DeletedRows
from spark_jobs.silver.entries import make_applied_entry
from spark_jobs.silver.existing_table import columns_differ, recount
from spark_jobs.silver.messages import stopped_message
from spark_jobs.silver.outcome_staging import OutcomeStaging
from spark_jobs.silver.quarantine import RejectedRows
from spark_jobs.silver.read_back import ReadBack
from spark_jobs.silver.write_changes import read_changes, write_changes
from spark_jobs.transforms.changes import ACTION, BATCH, MARK, RETAINED, identity_columns
from spark_jobs.transforms.checks import CLEAN, QUARANTINED, STATE, STOPPED
from spark_jobs.transforms.cleaning import DELETED
from spark_jobs.transforms.columns import plan_columns
from spark_jobs.transforms.duplicates import COPY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_jobs.reconciliation.proofs import Proofs
    from spark_jobs.runtime.found_rows import FoundRows
    from spark_jobs.runtime.repeated_rows import ChangedFiles


@dataclass
class SilverTable:
    """A table and the batches to bring to silver.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        table: its rules.
        batches: sealed, oldest first: a full snapshot and its increments, or with ``increment`` only the missing ones.
        increment: rows of silver whose key is not among the evaluated rows stay unchanged.
        difference: from the batch whose state silver is in, to find the changed rows of a full snapshot; None: all rows
            are evaluated.
        replace: the key has changed: do not compare, replace all rows.
        records_changes: a change set of the batch is complete, since silver is in the state that the ledger says.
        rewrite_quarantine: an earlier attempt may have left rows of this batch in the quarantine.
        masking_key: None if no column is masked.
        settled: the entry of the ledger whose state silver is in; None: not known, after an interrupted run.
        proofs: takes the comparison of what is written with what is read back; None: nothing is compared.
        released: who released which failed checks of the table, and why; for the ledger.

    Attributes:
        existing: silver before this run changes it; None if there is none.
        rejected: the rows for the quarantine, if there may be any; until the next run's staging, so write them now.
        failed_checks: of a table that a ``fail`` check stopped, for its ledger entry.
        changed: the rows of the snapshot that are evaluated; None: all of them.
    """

    session: SparkSession
    paths: LakePaths
    run_id: str
    table: Table
    batches: tuple[Manifest, ...]
    increment: bool = False
    difference: BatchDifference | None = None
    replace: bool = False
    records_changes: bool = False
    rewrite_quarantine: bool = True
    masking_key: MaskingKey | None = None
    settled: LedgerEntry | None = None
    proofs: Proofs | None = None
    released: str = ""
    rejected: RejectedRows | None = field(default=None, init=False)
    existing: DataFrame | None = field(default=None, init=False)
    failed_checks: str = field(default="", init=False)
    changed: ChangedFiles | None = field(default=None, init=False)
    _prepared: Prepared | None = field(default=None, init=False)
    _found: FoundRows | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._begun = time.monotonic()
        self.manifest = self.batches[-1]
        self.columns = plan_columns(self.table, self.manifest)
        self.names = [column.name for column in self.columns if not column.drop]
        self.soft = self.table.deletes == "soft"
        self.compared = [*self.names, *([DELETED] if self.soft else [])]
        self.silver_columns = [*self.compared, *([] if self.table.key else [COPY]), BATCH]
        self.path = self.paths.silver_table(self.table.silver)
        self.existing = open_table(self.session, self.path)

    @cached_property
    def rows(self) -> BatchRows:
        """The rows to evaluate."""
        return BatchRows(self)

    @cached_property
    def deleted(self) -> DeletedRows:
        """Which rows the source has deleted."""
        return DeletedRows(self)

    def prepare(self, referenced: Mapping[str, DataFrame], fingerprint: str) -> None:
        """Evaluate the rows and stage the outcome: it is computed once, verified, and then written as verified.

        Raises:
            QualityGateError: rows failed a ``fail`` check; silver is unchanged, the rows are in the quarantine.
            LedgerError: a row is not accounted for; nothing was written.
            BronzeError: the files do not match the manifest.
        """
        overwrite = self.replace or self.schema_changed()
        if overwrite and self.increment:
            raise LedgerError(
                f"{self.table.silver}: batch {self.manifest.batch_id} is an increment, which cannot replace the table; "
                "nothing was written; hint: this is a defect of Midnight, please report it"
            )
        is_new, merges = self.replace or self.existing is None, not is_sail(self.session)
        counted = CountedColumns.of_table(self.table, self.columns, all_rows=overwrite, is_new=is_new, merges=merges)
        staging = OutcomeStaging(self, referenced, counted)
        outcome = staging.stage(overwrite=overwrite)
        self._found = staging.found
        staged, counts = outcome.rows, make_counts(outcome.counts, self.table, counted)
        whole = overwrite or not self.records_changes
        entry = make_applied_entry(self, counts, self.rows_before, fingerprint).model_copy(
            update={"changed": "everything" if whole else "rows" if counts.changed else "nothing"}
        )
        if counts.stopped:
            self.failed_checks = counts.failed_checks
            self._reject(staged.filter((staged[STATE] == QUARANTINED) | staged[STOPPED]))
            message = stopped_message(self.table, self.manifest.batch_id, counts, self.paths.quarantine)
            failed = [c.label for c in self.table.checks if c.on_failure == "fail" and counts.checks[c.label]]
            raise QualityGateError(message, [releasable_check("silver", self.table.silver, name) for name in failed])
        self._prepared = Prepared(staged, counts, entry.verify(), overwrite=overwrite)

    def commit(self) -> LedgerEntry:
        """Write the prepared state to silver, only what changed, and give the quarantine its rows (``rejected``).

        Raises:
            ReconciliationError: silver does not have the rows that were prepared.
            LedgerError: silver does not have the expected number of rows.
        """
        if self._prepared is None:
            raise LedgerError(f"{self.table.silver}: commit was called before prepare")
        staged, counts = self._prepared.staged, self._prepared.counts
        if counts.states[QUARANTINED] or self.rewrite_quarantine:
            self._reject(staged.filter(staged[STATE] == QUARANTINED))
        read_back = None if self.proofs is None else ReadBack.before_commit(self, self.proofs)
        if read_back is not None:
            read_back.explain_altered(staged)
        if self._prepared.overwrite:
            rows = staged.filter((staged[STATE] == CLEAN) | staged[ACTION].isin(MARK, RETAINED))
            overwrite_table(rows.select(*self.silver_columns), self.path)
        elif counts.changed:
            self._change_rows(staged, counts, self._prepared.entry.silver_after)
        if read_back is not None:
            read_back.after_commit(staged, self._prepared.entry, overwrite=self._prepared.overwrite)
        entry = recount(self.session, self.path, self._prepared.entry)
        nulls = counts.nulls if self._prepared.overwrite else self._nulls_after(counts.nulls)
        figures = ColumnFigures(nulls, few(counts.distinct))
        elapsed = round(1000 * (time.monotonic() - self._begun))
        return entry.model_copy(update={"milliseconds": elapsed, "column_figures": str(figures)})

    def _nulls_after(self, grown: Mapping[str, int]) -> Mapping[str, int]:
        before = None if self.settled is None else ColumnFigures.parse(self.settled.column_figures).nulls
        return nulls_after(self.session, self.path, before, grown)

    @cached_property
    def rows_before(self) -> int:
        """Number of rows in silver before this run changes it."""
        return 0 if self.existing is None else count_rows(self.session, self.path)

    def _reject(self, rows: DataFrame) -> None:
        self.rejected = RejectedRows(self.table, self.manifest.batch_id, rows)

    def _change_rows(self, staged: DataFrame, counts: Counts, rows_after: int) -> None:
        columns, folder = self.silver_columns, StagedFolder(staged, self.paths.silver_staging(self.table.silver))
        identity, actions = identity_columns(self.table.key, self.names), counts.actions
        in_memory = read_changes(folder, identity, columns, actions) if is_sail(self.session) else None
        if self.records_changes:
            path = self.paths.silver_changes(self.table.silver, self.manifest.batch_id)
            after = None if in_memory is None else in_memory.added
            write_change_set(folder, [name for name in columns if name != BATCH], path, after=after)
        options: dict[str, Any] = {"actions": actions, "bounds": counts.bounds, "rows_after": rows_after}
        options |= {"in_memory": in_memory, "found": self._found}
        how = write_changes(self.session, self.path, folder, identity=identity, columns=columns, **options)
        print(f"{self.table.silver}: {how}", flush=True)

    def schema_changed(self) -> bool:
        """Whether silver does not exist yet, or has other columns than the batches."""
        return columns_differ(self.existing, self.table, self.columns)
