"""One table of one night: judge the rows of its batches, compare them with silver, and write what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.errors import BronzeError, LedgerError, QualityGateError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey, masking_state
from spark_jobs.runtime.delta_tables import load_table, merge_rows, overwrite_table
from spark_jobs.runtime.messages import applied, source_warnings, stopped
from spark_jobs.silver.quarantine import Quarantine
from spark_jobs.transforms.changes import (
    ACTION,
    BATCH,
    DELETE,
    INSERT,
    UNCHANGED,
    UPDATE,
    align,
    compare,
    identity_columns,
)
from spark_jobs.transforms.check_conditions import verify_conditions
from spark_jobs.transforms.checks import (
    CLEAN,
    DROPPED_STATE,
    DUPLICATE,
    QUARANTINED,
    STATE,
    STOPPED,
    judge,
)
from spark_jobs.transforms.cleaning import ORIGIN, clean, read_batches
from spark_jobs.transforms.columns import plan_columns
from spark_jobs.transforms.duplicates import COPY, KEY_IS_NULL, number_rows
from spark_jobs.transforms.masking import masked_values, with_pseudonyms
from spark_jobs.transforms.staging import Counts, count, outcome

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


@dataclass(frozen=True)
class Prepared:
    """The staged outcome of a batch, and the ledger entry that it will have."""

    staged: DataFrame
    counts: Counts
    entry: LedgerEntry
    whole: bool


@dataclass
class SilverTable:
    """A table and the batches that it shall hold.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        table: its rules.
        batches: sealed, oldest first: together the whole table, or with ``increment`` what silver lacks.
        increment: rows of silver whose key is not in the batches stay as they are.
        replace: the key is another one than before: compare with nothing, replace everything.
        rewrite_quarantine: an earlier attempt may have left rows of this batch in the quarantine.
        masking_key: None where no column is masked.
    """

    session: SparkSession
    paths: LakePaths
    run_id: str
    table: Table
    batches: tuple[Manifest, ...]
    increment: bool = False
    replace: bool = False
    rewrite_quarantine: bool = True
    masking_key: MaskingKey | None = None
    _existing: DataFrame | None = field(default=None, init=False)
    _prepared: Prepared | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.manifest = self.batches[-1]
        self.columns = plan_columns(self.table, self.manifest)
        self.names = [column.name for column in self.columns if not column.drop]
        self.silver_columns = [*self.names, *([] if self.table.key else [COPY]), BATCH]
        self.path = self.paths.silver_table(self.table.silver)
        self._existing = load_table(self.session, self.path)

    @cached_property
    def numbered(self) -> DataFrame:
        """The batches' rows, typed and ranked within their key."""
        several = len(self.batches) > 1
        raw = read_batches(self.session, self.batches, self.paths)
        cleaned = clean(raw, self.table, self.columns, [ORIGIN] if several else [])
        duplicates = self._has_duplicates(cleaned)
        numbered = number_rows(cleaned, self.table, self.names, has_duplicates=duplicates, newest_first=several)
        return with_pseudonyms(numbered, self.columns, self.masking_key)

    def judged(self, parents: Mapping[str, DataFrame], table: Table | None = None) -> DataFrame:
        """The rows with what becomes of each (``judge``), by the rules of ``table`` if other than its own."""
        return judge(self.numbered, table or self.table, self.columns, parents)

    def prepare(self, parents: Mapping[str, DataFrame], fingerprint: str) -> None:
        """Judge the rows and stage the outcome: it is computed once, and what is verified is what is then written.

        Raises:
            QualityGateError: a ``fail`` check found rows; silver is as it was, the rows are in the quarantine.
            LedgerError: a row is not accounted for; nothing was written.
            BronzeError: the files do not hold what the manifest says.
        """
        whole = self.replace or self.schema_changed()
        if whole and self.increment:
            raise LedgerError(
                f"{self.table.silver}: batch {self.manifest.batch_id} is an increment, which cannot stand for the "
                "whole table; nothing was written. This is a defect of Midnight: please report it"
            )
        staged = self._stage(parents, whole=whole)
        counts = count(staged, self.table)
        entry = self._predict(counts, fingerprint)
        if counts.stopped:
            self.quarantine.write(staged.filter((staged[STATE] == QUARANTINED) | staged[STOPPED]))
            raise QualityGateError(stopped(self.table, self.manifest.batch_id, counts, self.paths.quarantine))
        self._prepared = Prepared(staged, counts, entry.verify(), whole=whole)

    def commit(self) -> LedgerEntry:
        """Bring the quarantine and silver to the state that was prepared; only what changed is written.

        Raises:
            LedgerError: silver does not hold what was expected.
        """
        if self._prepared is None:
            raise LedgerError(f"{self.table.silver}: nothing was prepared")
        staged, counts = self._prepared.staged, self._prepared.counts
        if counts.states[QUARANTINED] or self.rewrite_quarantine:
            self.quarantine.write(staged.filter(staged[STATE] == QUARANTINED))
        if self._prepared.whole:
            rows = staged.filter(staged[STATE] == CLEAN)
            overwrite_table(rows.select(*self.silver_columns), self.path)
        elif counts.changed:
            self._merge(staged)
        return self._recount(self._prepared.entry)

    @property
    def quarantine(self) -> Quarantine:
        """Where this batch's bad rows go."""
        return Quarantine(self.session, self.paths.quarantine, self.run_id, self.table, self.manifest.batch_id)

    def rows(self) -> int:
        """Rows that silver holds now."""
        table = load_table(self.session, self.path)
        return 0 if table is None else table.count()

    def _stage(self, parents: Mapping[str, DataFrame], *, whole: bool) -> DataFrame:
        existing = None if self.replace or self._existing is None else self._existing
        before = None if existing is None else align(existing, self.columns, keyless=not self.table.key)
        if before is not None and self.increment:
            before = before.join(self._keys(), on=list(self.table.key), how="left_semi")
        verify_conditions(self.numbered, self.table, self.columns)
        compared = compare(self.judged(parents), before, self.table.key, self.names)
        rows = outcome(
            compared,
            self.table,
            self.columns,
            self._origin(),
            silver_columns=self.silver_columns,
            whole=whole,
        )
        path = self.paths.silver_staging(self.table.silver)
        overwrite_table(rows, path)
        staged = load_table(self.session, path)
        if staged is None:
            raise LedgerError(f"{path} vanished while the job was running; is another run active?")
        return staged

    def _origin(self) -> Column:
        from pyspark.sql import functions as F

        newest = F.lit(self.manifest.batch_id)
        return F.coalesce(F.col(ORIGIN), newest) if len(self.batches) > 1 else newest

    def _keys(self) -> DataFrame:
        """The keys of all rows of the batches, as silver shows them."""
        from pyspark.sql import functions as F

        shown = masked_values(self.columns)
        keys = self.numbered.filter(~F.col(KEY_IS_NULL))
        return keys.select(*[shown.get(name, F.col(name)).alias(name) for name in self.table.key]).distinct()

    def _merge(self, staged: DataFrame) -> None:
        merge_rows(
            self.session,
            self.path,
            staged.filter(staged[ACTION].isin(INSERT, UPDATE, DELETE)).select(*self.silver_columns, ACTION),
            identity=identity_columns(self.table.key, self.names),
            columns=self.silver_columns,
            action=ACTION,
        )

    def _has_duplicates(self, cleaned: DataFrame) -> bool:
        """Saves the sort of a table whose key holds, which is nearly every table."""
        from pyspark.sql import functions as F

        if not self.table.key:
            return True
        most = cleaned.groupBy(*self.table.key).count().agg(F.max("count")).collect()[0][0]
        return (most or 0) > 1

    def schema_changed(self) -> bool:
        """Whether silver does not exist yet, or has other columns than the batches."""
        if self._existing is None:
            return True
        expected = {column.name: column.silver_type for column in self.columns if not column.drop}
        found = {name: kind.upper() for name, kind in self._existing.dtypes if name not in (COPY, BATCH)}
        return expected != found or (COPY in self._existing.columns) == bool(self.table.key)

    def _predict(self, counts: Counts, fingerprint: str) -> LedgerEntry:
        expected = sum(batch.rows for batch in self.batches)
        if counts.rows_in != expected:
            ids = ", ".join(batch.batch_id for batch in self.batches)
            raise BronzeError(
                f"{self.table.qualified_name}: the files of batch {ids} hold {counts.rows_in} rows, "
                f"the manifest says {expected}; delete the batch folder and clear the ingest task"
            )
        before = 0 if self._existing is None else self._existing.count()
        grown = before + counts.actions[INSERT] - counts.actions[DELETE]
        return LedgerEntry(
            batch_id=self.manifest.batch_id,
            run_id=self.run_id,
            attempt_at=datetime.now(UTC),
            table=self.table.silver,
            source_table=self.table.qualified_name,
            status="applied",
            rows_in=counts.rows_in,
            inserted=counts.actions[INSERT],
            updated=counts.actions[UPDATE],
            unchanged=counts.actions[UNCHANGED],
            deleted=before if self.replace else counts.actions[DELETE],
            duplicates=counts.states[DUPLICATE],
            dropped=counts.states[DROPPED_STATE],
            quarantined=counts.states[QUARANTINED],
            warnings=counts.warned,
            silver_before=before,
            silver_after=grown if self.increment else counts.states[CLEAN],
            message=applied(self.table, self.columns, self.batches, counts, increment=self.increment),
            source_warnings=source_warnings(self.table, self.batches, counts.states[DUPLICATE]),
            fingerprint=fingerprint,
            masking=masking_state(self.table, self.masking_key),
        )

    def _recount(self, entry: LedgerEntry) -> LedgerEntry:
        """What was predicted against what silver now holds."""
        after = self.rows()
        if after != entry.silver_after:
            raise LedgerError(
                f"{self.table.silver}: silver holds {after} rows after batch {entry.batch_id}, expected "
                f"{entry.silver_after}; another writer? Make it anew with midnight_rebuild"
            )
        return entry.model_copy(update={"attempt_at": datetime.now(UTC)})
