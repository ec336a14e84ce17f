"""The link *written = read back* of gold: the rows that a query returned, and the table as it is read afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midnight.lake.paths import LakePaths, is_local
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.digest_states import TableDigest, make_state
from midnight.reconciliation.read_back import Sum, compare_with, stop_on_difference, unread_record
from midnight.reconciliation.record import LinkRecord
from midnight.reconciliation.row_sources import (
    FileRows,
    RowSource,
    TableState,
    local_state,
    rows_at_version,
    rows_with_keys_of,
    staged_files,
)
from midnight.reconciliation.spark_columns import digest_plan
from midnight.silver_to_gold.builds import BuiltModel
from midnight.silver_to_gold.models import GoldModel, GoldModelContract
from spark_jobs.reconciliation.frame_rows import FrameRows
from spark_jobs.reconciliation.proofs import Proof, Proofs, merge_records
from spark_jobs.reconciliation.statistics_probe import probe_statistics
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.transforms.keys import with_keys

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from midnight.reconciliation.row_digest import DigestPlan
    from spark_jobs.gold.refreshed_model import Refreshed

_HINT = (
    "readers keep the earlier build; hint: clear the task; check who else writes to the lake, and the engine's version"
)


def gold_subject(name: str, contract: GoldModelContract) -> Subject:
    """A model for messages. Gold has no values of masked columns, only pseudonyms."""
    plan = digest_plan([(column.name, column.type) for column in contract.columns], contract.key)
    return Subject("written = read back", f"gold.{name}", plan)


@dataclass(frozen=True)
class GoldReadBack:
    """Compares the tables of one build; used by several threads.

    Args:
        spark: any engine.
        paths: of the lake.
        proofs: takes the outcomes.
        build_id: of this build.
        earlier: the digests that the last build has recorded.
    """

    spark: SparkSession
    paths: LakePaths
    proofs: Proofs
    build_id: str
    earlier: dict[str, TableDigest]

    @classmethod
    def begin(cls, spark: SparkSession, paths: LakePaths, proofs: Proofs, build_id: str) -> GoldReadBack:
        """Read the digests of the last build; for the arguments see the class."""
        return cls(spark, paths, proofs, build_id, dict(proofs.states))

    def whole(self, model: GoldModel, staged: DataFrame, staged_path: str, folder: str) -> None:
        """Compare a table with the staged result of its query.

        Raises:
            ReconciliationError: they differ.
        """
        started = time.monotonic()
        subject = gold_subject(model.name, model.contract)
        evaluated: RowSource = FileRows(staged_files(staged_path)) if is_local(staged_path) else FrameRows(staged)
        wanted = evaluated.digest(subject.plan)
        after, records = local_state(folder), []
        if is_local(folder):
            how = f"{len(after.files):,} new files read by pyarrow"
            records.append(compare_with(subject, wanted, evaluated, FileRows(after.files), how, started=started)[0])
        self._add_engine(records, subject, wanted, evaluated, self._fresh(folder))
        records += probe_statistics(subject, folder, self._fresh(folder), evaluated)
        self._finish(model.name, subject.plan, records, wanted, after)

    def by_key(
        self, model: GoldModel, earlier: BuiltModel, done: Refreshed, staging: Callable[[str], str], folder: str
    ) -> None:
        """Compare a refreshed table with the earlier one and the rows of the keys that differ.

        Args:
            model: the model.
            earlier: its last build.
            done: the refresh.
            staging: part -> the folder with its staged rows.
            folder: of the new table.

        Raises:
            ReconciliationError: they differ.
        """
        if done.changed is None:
            return
        started = time.monotonic()
        subject = gold_subject(model.name, model.contract)
        plan, records = subject.plan, []
        before, after = local_state(self.paths.gold_folder(earlier.path)), local_state(folder)
        keys = done.changed.select(*done.key).distinct()
        left, joined = (
            self._replaced(part, staging, rows if done.every_row else with_keys(rows, keys, done.key), done, plan)
            for part, rows in (("before", done.before), ("after", done.after))
        )
        sums = self._earlier(model.name, earlier, plan, before)
        joined_sums = joined.digest(plan)
        change = joined_sums - left.digest(plan)
        if is_local(folder):
            old, new = FileRows(before.without(after)), FileRows(after.without(before))
            replaced = old.digest(plan)
            how = f"{len(new.files):,} new files read by pyarrow"
            expected = Sum((old, joined), (left,))
            record, found = compare_with(subject, replaced + change, expected, new, how, started=started)
            records.append(record)
            sums = None if sums is None else sums - replaced + found
        elif sums is not None:
            sums = sums + change
        self._add_engine(records, subject, joined_sums, joined, with_keys(self._fresh(folder), keys, done.key))
        if sums is None:
            sums = (FileRows(after.files) if is_local(folder) else FrameRows(self._fresh(folder))).digest(plan)
        self._finish(model.name, plan, records, sums, after)

    def same_rows(self, model: GoldModel, earlier: BuiltModel) -> None:
        """A table that was built whole has the rows of the earlier one, which stays: so have their digests.

        Raises:
            ReconciliationError: they differ, although the engine found no difference.
        """
        now, before = self.proofs.states.get(model.name), self.earlier.get(model.name)
        if now is None or before is None or (before.content, before.columns) != (earlier.built_in, now.columns):
            return
        folder = self.paths.gold_folder(earlier.path)
        rows = FileRows(local_state(folder).files) if is_local(folder) else FrameRows(self._fresh(folder))
        self.proofs.add(Proof((), before))
        if before.digest != now.digest:
            record, _ = compare_with(
                gold_subject(model.name, model.contract), now.sums, None, rows, "the earlier build"
            )
            self.proofs.add(Proof((record,)))
            stop_on_difference(
                [record], f"the engine found no difference; gold.{model.name} was not published; {_HINT}"
            )

    def unwritten(self, models: Mapping[str, BuiltModel], contracts: Mapping[str, GoldModelContract]) -> None:
        """Compare the tables of earlier builds with their digests; a table whose files are the same is not read.

        Raises:
            ReconciliationError: a table was changed after it was built.
        """
        for name, built in models.items():
            if built.built_in == self.build_id:
                continue
            subject, folder = gold_subject(name, contracts[name]), self.paths.gold_folder(built.path)
            files, state = local_state(folder), self.proofs.states.get(name)
            known = state is not None and state.content == built.built_in and state.plan == subject.plan
            if state is None or not known:
                rows: RowSource = FileRows(files.files) if is_local(folder) else FrameRows(self._fresh(folder))
                sums = rows.digest(subject.plan)
                record = unread_record(subject.table, sums, "its digest is known from now on")
                self.proofs.add(Proof((record,), make_state(name, built.built_in, files, subject.plan, sums)))
            elif files.stamp == state.stamp:
                self.proofs.add(Proof((unread_record(subject.table, state.sums, "not read: its files are the same"),)))
            else:
                self._compare_known(subject, state, files, folder)

    def _compare_known(self, subject: Subject, state: TableDigest, files: TableState, folder: str) -> None:
        expected = rows_at_version(folder, state.version)
        folder_files = FileRows(files.files)
        record, _ = compare_with(subject, state.sums, expected, folder_files, "all files read by pyarrow")
        changes = {"stamp": files.stamp, "version": files.version}
        new = state.model_copy(update=changes) if record.status == "equal" else None
        self.proofs.add(Proof((record,), new))
        hint = "hint: build it again with the DAG midnight_rebuild; check who else writes to the lake"
        stop_on_difference([record], f"{subject.table} was changed after it was built; {hint}")

    def _replaced(
        self, part: str, staging: Callable[[str], str], rows: DataFrame, done: Refreshed, plan: DigestPlan
    ) -> RowSource:
        """The staged rows of the keys that differ; those of the other affected keys are the same before and after."""
        if not is_local(staging(part)):
            return FrameRows(rows)
        if done.every_row:
            return FileRows(staged_files(staging(part)))
        keep = rows_with_keys_of(staged_files(staging("changed")), done.key, plan)
        return FileRows(staged_files(staging(part)), keep, done.key)

    def _earlier(self, name: str, earlier: BuiltModel, plan: DigestPlan, before: TableState) -> Any:
        state = self.proofs.states.get(name)
        same = state is not None and state.content == earlier.built_in and state.plan == plan
        return state.sums if state is not None and same and state.stamp == before.stamp else None

    def _fresh(self, folder: str) -> DataFrame:
        from midnight.errors import LakeError

        table = load_table(self.spark, folder)
        if table is None:
            raise LakeError(f"{folder} was deleted while the job was running; hint: clear the task")
        return table

    @staticmethod
    def _add_engine(
        records: list[LinkRecord], subject: Subject, wanted: Any, evaluated: RowSource, rows: DataFrame
    ) -> None:
        records.append(compare_with(subject, wanted, evaluated, FrameRows(rows), "read by the engine")[0])

    def _finish(self, name: str, plan: DigestPlan, records: list[LinkRecord], sums: Any, after: TableState) -> None:
        merged = merge_records(records)
        equal = merged.status == "equal"
        state = make_state(name, self.build_id, after, plan, sums) if equal else None
        self.proofs.add(Proof((merged,), state))
        stop_on_difference([merged], f"gold.{name} was not published; {_HINT}")
