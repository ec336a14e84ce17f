"""One table of one run: evaluates the rows of its batches, compares them with silver and writes the changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.errors import LedgerError, QualityGateError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from spark_jobs.runtime.delta_tables import count_rows, load_table, overwrite_table
from spark_jobs.runtime.staged_rows import stage_rows
from spark_jobs.silver.change_set import write_change_set
from spark_jobs.silver.counts import Counts, count_outcome
from spark_jobs.silver.entries import make_applied_entry
from spark_jobs.silver.key_ranges import key_ranges
from spark_jobs.silver.messages import stopped_message
from spark_jobs.silver.quarantine import RejectedRows
from spark_jobs.silver.read_batches import read_batches
from spark_jobs.silver.verify_checks import verify_checks
from spark_jobs.silver.write_changes import rows_with_keys, write_changes
from spark_jobs.transforms.changes import BATCH, align, compare, identity_columns
from spark_jobs.transforms.checks import (
    CLEAN,
    QUARANTINED,
    STATE,
    STOPPED,
    evaluate_checks,
)
from spark_jobs.transforms.cleaning import ORIGIN, clean
from spark_jobs.transforms.columns import plan_columns
from spark_jobs.transforms.duplicates import COPY, KEY_IS_NULL, number_rows
from spark_jobs.transforms.masking import masked_values, with_pseudonyms
from spark_jobs.transforms.staging import outcome_rows, outcome_schema

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

SORT_WITHOUT_LOOKING_ROWS = 200_000


@dataclass(frozen=True)
class Prepared:
    """The staged outcome of a batch, and its future ledger entry."""

    staged: DataFrame
    counts: Counts
    entry: LedgerEntry
    overwrite: bool


@dataclass
class SilverTable:
    """A table and the batches to bring to silver.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        table: its rules.
        batches: sealed, oldest first: a full snapshot and its increments, or with ``increment`` only the missing ones.
        increment: rows of silver whose key is not in the batches stay unchanged.
        replace: the key has changed: do not compare, replace all rows.
        records_changes: a change set of the batch is complete, since silver is in the state that the ledger says.
        rewrite_quarantine: an earlier attempt may have left rows of this batch in the quarantine.
        masking_key: None if no column is masked.

    Attributes:
        rejected: the rows for the quarantine, if there may be any; until the next run's staging, so write them now.
    """

    session: SparkSession
    paths: LakePaths
    run_id: str
    table: Table
    batches: tuple[Manifest, ...]
    increment: bool = False
    replace: bool = False
    records_changes: bool = False
    rewrite_quarantine: bool = True
    masking_key: MaskingKey | None = None
    rejected: RejectedRows | None = field(default=None, init=False)
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
        duplicates = self._may_have_duplicates(cleaned)
        numbered = number_rows(cleaned, self.table, self.columns, has_duplicates=duplicates, newest_first=several)
        return with_pseudonyms(numbered, self.columns, self.masking_key)

    def evaluated(self, referenced: Mapping[str, DataFrame], table: Table | None = None) -> DataFrame:
        """The rows with their outcome (``evaluate_checks``), by the rules of ``table`` instead of its own if given."""
        return evaluate_checks(self.numbered, table or self.table, self.columns, referenced)

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
        staged = self._stage(referenced, overwrite=overwrite)
        counts = count_outcome(staged, self.table)
        whole = overwrite or not self.records_changes
        entry = make_applied_entry(self, counts, self.rows_before, fingerprint).model_copy(
            update={"changed": "everything" if whole else "rows" if counts.changed else "nothing"}
        )
        if counts.stopped:
            self._reject(staged.filter((staged[STATE] == QUARANTINED) | staged[STOPPED]))
            raise QualityGateError(stopped_message(self.table, self.manifest.batch_id, counts, self.paths.quarantine))
        self._prepared = Prepared(staged, counts, entry.verify(), overwrite=overwrite)

    def commit(self) -> LedgerEntry:
        """Write the prepared state to silver, only what changed, and give the quarantine its rows (``rejected``).

        Raises:
            LedgerError: silver does not have the expected number of rows.
        """
        if self._prepared is None:
            raise LedgerError(f"{self.table.silver}: commit was called before prepare")
        staged, counts = self._prepared.staged, self._prepared.counts
        if counts.states[QUARANTINED] or self.rewrite_quarantine:
            self._reject(staged.filter(staged[STATE] == QUARANTINED))
        if self._prepared.overwrite:
            rows = staged.filter(staged[STATE] == CLEAN)
            overwrite_table(rows.select(*self.silver_columns), self.path)
        elif counts.changed:
            self._change_rows(staged, self._prepared.entry.silver_after)
        return self._recount(self._prepared.entry)

    @cached_property
    def rows_before(self) -> int:
        """Number of rows in silver before this run changes it."""
        return 0 if self._existing is None else count_rows(self.session, self.path)

    def _reject(self, rows: DataFrame) -> None:
        self.rejected = RejectedRows(self.table, self.manifest.batch_id, rows)

    def _stage(self, referenced: Mapping[str, DataFrame], *, overwrite: bool) -> DataFrame:
        existing = None if self.replace or self._existing is None else self._existing
        if existing is not None and self.increment:
            existing = rows_with_keys(self.session, self.path, existing, self._keys(), self.rows_in)
        before = None if existing is None else align(existing, self.columns, keyless=not self.table.key)
        verify_checks(self.numbered, self.table, self.columns)
        evaluated, names = self.evaluated(referenced), self.silver_columns
        parts = [
            outcome_rows(compared, self.table, self.columns, self._origin(), silver_columns=names, all_rows=overwrite)
            for compared in self._compared(evaluated, before, in_parts=not overwrite and not self.increment)
        ]
        schema = outcome_schema(self.table, self.columns, silver_columns=names, all_rows=overwrite)
        path, many = self.paths.silver_staging(self.table.silver), self.rows_in > SORT_WITHOUT_LOOKING_ROWS
        return stage_rows(parts, path, schema, ordered=overwrite and many)

    def _compared(self, evaluated: DataFrame, before: DataFrame | None, *, in_parts: bool) -> list[DataFrame]:
        key, names = self.table.key, self.names
        if before is None or not in_parts:
            return [compare(evaluated, before, key, names)]
        return [compare(evaluated.filter(part), before.filter(part), key, names) for part in self._key_ranges]

    @cached_property
    def _key_ranges(self) -> list[Column]:
        rows = 0 if self._existing is None else max(self.rows_in, self.rows_before)
        return key_ranges(self.session, self.path, self.table, self.columns, rows)

    @property
    def rows_in(self) -> int:
        """Number of rows of the batches, by their manifests."""
        return sum(batch.rows for batch in self.batches)

    def _origin(self) -> Column:
        from pyspark.sql import functions as F

        newest = F.lit(self.manifest.batch_id)
        return F.coalesce(F.col(ORIGIN), newest) if len(self.batches) > 1 else newest

    def _keys(self) -> DataFrame:
        """The keys of all rows of the batches, with pseudonyms in place of masked values."""
        from pyspark.sql import functions as F

        pseudonyms = masked_values(self.columns)
        keys = self.numbered.filter(~F.col(KEY_IS_NULL))
        return keys.select(*[pseudonyms.get(name, F.col(name)).alias(name) for name in self.table.key]).distinct()

    def _change_rows(self, staged: DataFrame, rows_after: int) -> None:
        columns = self.silver_columns
        if self.records_changes:
            path = self.paths.silver_changes(self.table.silver, self.manifest.batch_id)
            write_change_set(staged, [name for name in columns if name != BATCH], path)
        identity = identity_columns(self.table.key, self.names)
        how = write_changes(self.session, self.path, staged, identity=identity, columns=columns, rows_after=rows_after)
        print(f"{self.table.silver}: {how}", flush=True)

    def _may_have_duplicates(self, cleaned: DataFrame) -> bool:
        """Without duplicates, as in nearly every table with a key, no sort is needed.

        Few rows are sorted in less time than a query takes.
        """
        from pyspark.sql import functions as F

        if not self.table.key or self.rows_in <= SORT_WITHOUT_LOOKING_ROWS:
            return True
        counts = [cleaned.filter(part).groupBy(*self.table.key).count() for part in self._key_ranges]
        return any((count.agg(F.max("count")).collect()[0][0] or 0) > 1 for count in counts)

    def schema_changed(self) -> bool:
        """Whether silver does not exist yet, or has different columns than the batches."""
        if self._existing is None:
            return True
        expected = {column.name: column.silver_type for column in self.columns if not column.drop}
        found = {name: kind.upper() for name, kind in self._existing.dtypes if name not in (COPY, BATCH)}
        return expected != found or (COPY in self._existing.columns) == bool(self.table.key)

    def _recount(self, entry: LedgerEntry) -> LedgerEntry:
        """Compare the predicted with the actual number of rows."""
        after = count_rows(self.session, self.path)
        if after != entry.silver_after:
            raise LedgerError(
                f"{self.table.silver}: silver has {after} rows after batch {entry.batch_id}, expected "
                f"{entry.silver_after}; hint: check whether another job writes it, then run the midnight_rebuild DAG"
            )
        return entry.model_copy(update={"attempt_at": datetime.now(UTC)})
