"""One table of one batch: judge its rows, compare them with silver, and write what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from midnight.errors import BronzeError, LedgerError, MidnightError, QualityGateError
from midnight.lake_paths import LakePaths
from midnight.ledger import LedgerEntry
from midnight.manifest import Manifest
from midnight.tables import Table
from spark_jobs.delta_tables import load_table, merge_rows, overwrite_table
from spark_jobs.quarantine import quarantined_rows, write_quarantine
from spark_jobs.transforms.changes import (
    ACTION,
    BATCH,
    DELETE,
    INSERT,
    OLD_BATCH,
    UNCHANGED,
    UPDATE,
    align,
    compare,
    identity_columns,
)
from spark_jobs.transforms.checks import CLEAN, DROPPED_STATE, DUPLICATE, QUARANTINED, STATE, STOPPED, WARNED, judge
from spark_jobs.transforms.cleaning import clean, read_bronze
from spark_jobs.transforms.columns import describe_columns, plan_columns
from spark_jobs.transforms.duplicates import COPY, number_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Counts:
    """What one pass over the batch and silver found, in rows."""

    states: Mapping[str, int]
    actions: Mapping[str, int]
    checks: Mapping[str, int]
    warned: int
    stopped: int

    @property
    def rows_in(self) -> int:
        return sum(self.states.values())

    @property
    def changed(self) -> int:
        return self.actions[INSERT] + self.actions[UPDATE] + self.actions[DELETE]


@dataclass
class SilverTable:
    """A table and the batch that it shall hold.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        table: its rules.
        manifest: the sealed batch.
        replace: the key is another one than before: compare with nothing, replace everything.
        rewrite_quarantine: an earlier attempt may have left rows of this batch in the quarantine.
    """

    session: SparkSession
    paths: LakePaths
    run_id: str
    table: Table
    manifest: Manifest
    replace: bool = False
    rewrite_quarantine: bool = True
    bronze: LakePaths | None = None
    _existing: DataFrame | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.columns = plan_columns(self.table, self.manifest)
        self.names = [column.name for column in self.columns if not column.drop]
        self.path = self.paths.silver_table(self.table.silver)
        self._existing = load_table(self.session, self.path)

    @property
    def silver_columns(self) -> list[str]:
        """Every column of the Delta table, in order."""
        return [*self.names, *([] if self.table.key else [COPY]), BATCH]

    @cached_property
    def numbered(self) -> DataFrame:
        """The batch's rows, typed and ranked within their key."""
        raw = read_bronze(self.session, self.manifest, self.manifest.file_paths(self.bronze or self.paths))
        cleaned = clean(raw, self.table, self.columns)
        return number_rows(cleaned, self.table, self.names, has_duplicates=self._has_duplicates(cleaned))

    def judged(self, parents: Mapping[str, DataFrame], table: Table | None = None) -> DataFrame:
        """The batch's rows with what becomes of each (``judge``), by the rules of ``table`` if other than its own."""
        return judge(self.numbered, table or self.table, self.columns, parents)

    def apply(self, parents: Mapping[str, DataFrame], fingerprint: str) -> LedgerEntry:
        """Bring silver to the state of the batch.

        Raises:
            QualityGateError: a ``fail`` check found rows; silver is as it was, the rows are in the quarantine.
            LedgerError: a row is not accounted for; nothing was written.
            BronzeError: the files do not hold what the manifest says.
        """
        judged = self.judged(parents)
        before = None if self.replace else self._aligned()
        compared = compare(judged, before, self.table.key, self.names)
        counts = self._count(compared, has_silver=before is not None)
        entry = self._predict(counts, fingerprint)
        if counts.stopped:
            self._write_quarantine(judged)
            raise QualityGateError(self._gate_message(counts))
        entry.verify()
        if counts.states[QUARANTINED] or self.rewrite_quarantine:
            self._write_quarantine(judged)
        self._write(compared, counts)
        return self._recount(entry)

    def rows(self) -> int:
        """Rows that silver holds now."""
        table = load_table(self.session, self.path)
        return 0 if table is None else table.count()

    def _has_duplicates(self, cleaned: DataFrame) -> bool:
        from pyspark.sql import functions as F

        if not self.table.key:
            return True
        most = cleaned.groupBy(*self.table.key).count().agg(F.max("count")).collect()[0][0]
        return (most or 0) > 1

    def _aligned(self) -> DataFrame | None:
        return None if self._existing is None else align(self._existing, self.columns, keyless=not self.table.key)

    def _schema_changed(self) -> bool:
        if self._existing is None:
            return True
        expected = {column.name: column.target for column in self.columns if not column.drop}
        found = {name: kind.upper() for name, kind in self._existing.dtypes if name not in (COPY, BATCH)}
        return expected != found or (COPY in self._existing.columns) == bool(self.table.key)

    def _count(self, compared: DataFrame, *, has_silver: bool) -> Counts:
        from pyspark.sql import functions as F

        state, action = F.col(STATE), F.col(ACTION)
        states = (CLEAN, DUPLICATE, QUARANTINED, DROPPED_STATE)
        actions = (INSERT, UPDATE, UNCHANGED, DELETE)
        sums = {f"state_{name}": state == name for name in states}
        sums |= {f"action_{name}": action == name for name in actions}
        sums |= {f"check_{i}": F.col(f"_midnight_check_{i}") for i in range(len(self.table.checks))}
        sums |= {"warned": F.col(WARNED), "stopped": F.col(STOPPED)}
        row: dict[str, Any] = (
            compared.agg(*[F.count_if(condition).alias(name) for name, condition in sums.items()]).collect()[0].asDict()
        )
        counts = Counts(
            states={name: row[f"state_{name}"] for name in states},
            actions={name: row[f"action_{name}"] for name in actions},
            checks={check.label: row[f"check_{i}"] for i, check in enumerate(self.table.checks)},
            warned=row["warned"],
            stopped=row["stopped"],
        )
        if counts.rows_in != self.manifest.rows:
            raise BronzeError(
                f"{self.table.qualified_name}: the files of batch {self.manifest.batch_id} hold {counts.rows_in} rows, "
                f"the manifest says {self.manifest.rows}; delete the batch folder and clear the ingest task"
            )
        return counts

    def _predict(self, counts: Counts, fingerprint: str) -> LedgerEntry:
        before = 0 if self._existing is None else self._existing.count()
        deleted = before if self.replace else counts.actions[DELETE]
        clean_rows = counts.states[CLEAN]
        entry = LedgerEntry(
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
            deleted=deleted,
            duplicates=counts.states[DUPLICATE],
            dropped=counts.states[DROPPED_STATE],
            quarantined=counts.states[QUARANTINED],
            warnings=counts.warned,
            silver_before=before,
            silver_after=clean_rows,
            message=self._message(counts),
            fingerprint=fingerprint,
        )
        return entry

    def _message(self, counts: Counts) -> str:
        warn = {check.label for check in self.table.checks if check.on_failure == "warn"}
        warnings = ", ".join(f"{label} {rows}" for label, rows in counts.checks.items() if label in warn and rows)
        parts = [describe_columns(self.table, self.columns), f"warnings: {warnings}" if warnings else ""]
        return "; ".join(part for part in parts if part)

    def _gate_message(self, counts: Counts) -> str:
        fail = {check.label for check in self.table.checks if check.on_failure == "fail"}
        rules = ", ".join(f"{label!r} {rows} rows" for label, rows in counts.checks.items() if label in fail and rows)
        return (
            f"{self.table.qualified_name}: check {rules} failed in batch {self.manifest.batch_id}; silver "
            f"{self.table.silver!r} is as it was; the rows are in {self.paths.quarantine} "
            f"(table = '{self.table.silver}', batch_id = '{self.manifest.batch_id}')"
        )

    def _write_quarantine(self, judged: DataFrame) -> None:
        rows = quarantined_rows(judged, self.table, self.manifest.batch_id, self.run_id, datetime.now(UTC))
        write_quarantine(self.session, self.paths.quarantine, rows, self.table.silver, self.manifest.batch_id)

    def _write(self, compared: DataFrame, counts: Counts) -> None:
        """Only what changed; everything where the table is new, has another schema, or mostly changed."""
        from pyspark.sql import functions as F

        schema_changed = self._schema_changed()
        if not counts.changed and not schema_changed and not self.replace:
            return
        batch = F.lit(self.manifest.batch_id)
        if schema_changed or self.replace or counts.changed * 2 > counts.states[CLEAN]:
            kept = compared.filter(F.col(STATE) == CLEAN).withColumn(
                BATCH, F.when(F.col(ACTION) == UNCHANGED, F.col(OLD_BATCH)).otherwise(batch)
            )
            overwrite_table(kept.select(*self.silver_columns), self.path, self.session)
            return
        changes = compared.filter(F.col(ACTION).isin(INSERT, UPDATE, DELETE)).withColumn(BATCH, batch)
        merge_rows(
            self.session,
            self.path,
            changes.select(*self.silver_columns, ACTION),
            identity_columns(self.table.key, self.names),
            self.silver_columns,
            ACTION,
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


def parent_frames(
    session: SparkSession, table: Table, names: list[str], lakes: list[LakePaths]
) -> dict[str, DataFrame]:
    """Silver tables that a table's foreign keys refer to, from the first lake that has them.

    Raises:
        MidnightError: one was never loaded.
    """
    frames = {}
    for name in names:
        found = next((f for lake in lakes if (f := load_table(session, lake.silver_table(name))) is not None), None)
        if found is None:
            raise MidnightError(
                f"{table.qualified_name}: a foreign key refers to silver table {name!r}, which was never loaded; "
                "load it in the same run or before"
            )
        frames[name] = found
    return frames
