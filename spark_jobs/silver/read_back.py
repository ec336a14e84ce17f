"""The link *written = read back* of silver: the rows as they were evaluated, and the table as it is read afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import is_local
from midnight.reconciliation.digest_states import make_state
from midnight.reconciliation.read_back import Sum, compare, compare_with, stop_on_difference, unread_record
from midnight.reconciliation.record import Difference, Link, LinkRecord
from midnight.reconciliation.row_sources import FileRows, RowSource, TableState, local_state
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.reconciliation.proofs import Proof, Proofs, merge_records
from spark_jobs.reconciliation.statistics_probe import probe_statistics
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.silver.altered_tables import repair_hint, silver_content
from spark_jobs.silver.evaluated_rows import Evaluated
from spark_jobs.silver.source_columns import compare_with_bronze
from spark_jobs.silver.unchanged_digests import silver_plan
from spark_jobs.transforms.changes import (
    ACTION,
    BATCH,
    INSERT,
    MARK,
    UPDATE,
    identity_columns,
)
from spark_jobs.transforms.keys import with_keys

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from midnight.reconciliation.differences import Subject
    from midnight.reconciliation.row_digest import DigestPlan
    from spark_jobs.silver.table import SilverTable

LINK: Link = "written = read back"


def silver_subject(silver: SilverTable) -> Subject:
    """The table for messages."""
    from midnight.reconciliation.differences import Subject

    masked = {column.name for column in silver.columns if column.masked}
    return Subject(LINK, silver.table.silver, silver_plan(silver.table, silver.columns), masked)


@dataclass(frozen=True)
class ReadBack:
    """The comparison of one table: begun before its commit, ended after it.

    Args:
        silver: the table.
        proofs: takes the outcome.
        before: the table's files before the commit; none in Azure.
    """

    silver: SilverTable
    proofs: Proofs
    before: TableState

    @classmethod
    def before_commit(cls, silver: SilverTable, proofs: Proofs) -> ReadBack | None:
        """None for a table with ``reconcile: off``."""
        if silver.table.reconcile == "off":
            return None
        return cls(silver, proofs, local_state(silver.path))

    def explain_altered(self, staged: DataFrame) -> None:
        """Name the rows of a table that was changed after the last run: those that differ from what was evaluated now.

        Args:
            staged: all rows, since the table is evaluated completely.

        Raises:
            ReconciliationError: there are such rows; the table is not written in this run.
        """
        silver, name = self.silver, self.silver.table.silver
        if name not in self.proofs.altered:
            return
        columns = [column for column in silver.silver_columns if column != BATCH]
        evaluated = Evaluated(staged, silver.paths.silver_staging(name), columns, overwrite=True)
        subject, table = silver_subject(silver), _all_rows(silver, self.before)
        record, _ = compare(subject, evaluated.added, table, "all files, with bronze evaluated again")
        self.proofs.add(Proof((record,)))
        stop_on_difference([record], f"{name} was changed after the last run; {repair_hint(silver.table)}")

    def after_commit(self, staged: DataFrame, entry: LedgerEntry, *, overwrite: bool) -> None:
        """Compare what the table should have got with what is in its new files, and with what the engine reads.

        Only files that were written are read by pyarrow, and those that they replace; the engine reads the changed
        rows.

        Args:
            staged: the rows as they were evaluated.
            entry: the table's future entry in the ledger.
            overwrite: the table was replaced; otherwise rows were inserted, updated and deleted.

        Raises:
            ReconciliationError: they differ; the next run writes the table again.
        """
        silver = self.silver
        if not silver.table.proves_silver:
            proof = self._count(entry)
        else:
            columns = [name for name in silver.silver_columns if name != BATCH]
            evaluated = Evaluated(staged, silver.paths.silver_staging(silver.table.silver), columns, overwrite)
            changed = overwrite or entry.inserted + entry.updated + entry.deleted + entry.marked > 0
            content = silver_content(silver.table, entry)
            proof = self._prove(evaluated, content) if changed else self._keep_digest(content)
            if not proof.is_different:
                proof = self._with_bronze(evaluated, proof)
        self.proofs.add(proof)
        stop_on_difference(proof.records, f"{silver.table.silver} is not used; {repair_hint(silver.table)}")

    def _count(self, entry: LedgerEntry) -> Proof:
        """The rows by the footers of the files; in Azure the ledger counts with the engine."""
        name = self.silver.table.silver
        if not is_local(self.silver.path):
            return Proof(())
        rows = local_state(self.silver.path).rows
        record = LinkRecord(
            link=LINK, table=name, status="equal", method="counts", rows=rows, compared="rows in the files"
        )
        if rows != entry.silver_after:
            found = Difference(link=LINK, table=name, kind="counts", expected=f"{entry.silver_after}", found=f"{rows}")
            different = {"status": "different", "differences": (found,), "difference_count": 1}
            record = record.model_copy(update=different)
        return Proof((record,))

    def _keep_digest(self, content: str) -> Proof:
        silver = self.silver
        subject = silver_subject(silver)
        sums = self._earlier(subject.plan)
        sums = _all_rows(silver, self.before).digest(subject.plan) if sums is None else sums
        record = unread_record(subject.table, sums, "no row was written")
        return Proof((record,), make_state(subject.table, content, self.before, subject.plan, sums))

    def _prove(self, evaluated: Evaluated, content: str) -> Proof:
        started, silver = time.monotonic(), self.silver
        subject = silver_subject(silver)
        plan, after = subject.plan, local_state(silver.path)
        joined = evaluated.added.digest(plan)
        records: list[LinkRecord] = []
        sums = joined if evaluated.overwrite else None
        if is_local(silver.path):
            record, found = self._compare_files(subject, evaluated, after, joined, started)
            records.append(record)
            sums = found
        fresh = load_table(silver.session, silver.path)
        if fresh is not None:
            rows = fresh if evaluated.overwrite else _changed_rows(silver, evaluated, fresh)
            records.append(compare_with(subject, joined, evaluated.added, FrameRows(rows), "read by the engine")[0])
            records += probe_statistics(subject, silver.path, fresh, evaluated.added)
        merged = merge_records(records)
        if sums is None:
            sums = self._sums_after(evaluated, plan, joined, after)
        different = merged.status == "different"
        return Proof((merged,), make_state(subject.table, content, after, plan, sums, different=different))

    def _with_bronze(self, evaluated: Evaluated, proof: Proof) -> Proof:
        silver, state = self.silver, proof.state
        if state is None or state.plan is None:
            return proof
        clean: RowSource
        clean, sums = _all_rows(silver, local_state(silver.path)), state.sums
        if silver.increment:
            clean = evaluated.clean
            sums = clean.digest(state.plan)
        elif silver.soft:  # rows that only silver still has
            clean = Sum((clean,), (evaluated.retained,))
            sums = sums - evaluated.retained.digest(state.plan)
        record = compare_with_bronze(silver, clean, evaluated.rejected, sums, state.plan)
        if record.status == "different":
            state = state.model_copy(update={"status": "different"})
        return Proof((*proof.records, record), state)

    def _compare_files(
        self, subject: Subject, evaluated: Evaluated, after: TableState, joined: Any, started: float
    ) -> tuple[LinkRecord, Any]:
        """The record, and the digest of the complete table if that is known."""
        plan = subject.plan
        if evaluated.overwrite:
            how, found_rows = _read_by(len(after.files)), FileRows(after.files)
            return compare_with(subject, joined, evaluated.added, found_rows, how, started=started)
        old, new = self.before.without(after), after.without(self.before)
        base = FileRows(old)
        replaced = base.digest(plan)
        wanted = replaced + joined - evaluated.removed.digest(plan)
        expected = Sum((base, evaluated.added), (evaluated.removed,))
        record, found = compare_with(subject, wanted, expected, FileRows(new), _read_by(len(new)), started=started)
        earlier = self._earlier(plan)
        return record, None if earlier is None else earlier - replaced + found

    def _earlier(self, plan: DigestPlan) -> Any:
        """The digest of the table before the commit; None if no run recorded one of the rows that it has now.

        A run that was killed may have changed the table and not recorded its digest: in a folder the files show it, in
        Azure the ledger.
        """
        silver = self.silver
        state = self.proofs.states.get(silver.table.silver)
        if state is None or state.plan != plan or state.status != "equal":
            return None
        if is_local(silver.path):
            return state.sums if state.stamp == self.before.stamp else None
        last = silver.settled
        return state.sums if last is not None and state.content == silver_content(silver.table, last) else None

    def _sums_after(self, evaluated: Evaluated, plan: DigestPlan, joined: Any, after: TableState) -> Any:
        """The digest of the complete table: in Azure from the changes if it was known, else by reading the table."""
        earlier = None if is_local(self.silver.path) else self._earlier(plan)
        if earlier is not None:
            return earlier + joined - evaluated.removed.digest(plan)
        return _all_rows(self.silver, after).digest(plan)


def _all_rows(silver: SilverTable, state: TableState) -> RowSource:
    table = None if is_local(silver.path) else load_table(silver.session, silver.path)
    return FileRows(state.files) if table is None else FrameRows(table)


def _read_by(files: int) -> str:
    return f"{files:,} new files read by pyarrow"


def _changed_rows(silver: SilverTable, evaluated: Evaluated, fresh: DataFrame) -> DataFrame:
    """The inserted and updated rows, as the engine reads them from the table.

    By the batch in which they changed, where no other row can have it; else by their key.
    """
    from pyspark.sql import functions as F

    rows = evaluated.frame.filter(F.col(ACTION).isin(INSERT, UPDATE, MARK))
    if not silver.rewrite_quarantine and len(silver.batches) == 1:
        return fresh.filter(F.col(BATCH) == silver.manifest.batch_id)
    identity = identity_columns(silver.table.key, silver.names)
    return with_keys(fresh, rows.select(*identity), identity)
