"""The run that the report shows, read from the schema ``midnight`` of the serving file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from midnight.gold_to_serving.run_tables import OF_NEWEST_BATCH
from midnight.lake.ledger import LedgerEntry, total_rows

BATCHES_SHOWN = 60
EXAMPLES_SHOWN = 3


@dataclass(frozen=True)
class Batch:
    """The bronze batch that the rows of a table come from; times in UTC, size in bytes."""

    table: str
    batch_id: str
    read_at: datetime
    sealed_at: datetime
    rows: int
    mode: str
    files: int
    bytes: int
    written_by: str
    server: str


@dataclass(frozen=True)
class QuarantineRule:
    """The rows of a table that one rule sent to quarantine, with a few examples as (reason, row)."""

    table: str
    rule: str
    rows: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Model:
    """A published gold model."""

    name: str
    description: str
    rows: int
    reused: bool
    built_in: str
    checks: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class BatchTotals:
    """The row counts of one batch, summed over its tables."""

    batch_id: str
    rows_in: int
    inserted: int
    updated: int
    deleted: int
    quarantined: int


@dataclass(frozen=True)
class RunSummary:
    """The published build, and the batches that it was built from.

    Args:
        build_id: the published build; ``batch_id`` and ``run_id`` identify its run, ``completed_at`` is in UTC.
        ledger: the last entry of each table.
        batches: the batch of each table's last ledger entry, by table; a table without a run document is missing.
        quarantine: of each table's newest batch, most rows first.
        models: sorted by name.
        history: oldest first, at most BATCHES_SHOWN.
    """

    build_id: str
    batch_id: str
    run_id: str
    completed_at: datetime
    ledger: tuple[LedgerEntry, ...]
    batches: dict[str, Batch]
    quarantine: tuple[QuarantineRule, ...]
    models: tuple[Model, ...]
    history: tuple[BatchTotals, ...]

    @property
    def newest_batch(self) -> str:
        """The newest batch in silver. It is newer than ``batch_id`` after a rebuild, or when an old run was cleared."""
        return max((entry.batch_id for entry in self.ledger), default=self.batch_id)

    @property
    def problems(self) -> tuple[str, ...]:
        """Failed tables, and tables whose rows do not add up; empty when every row is accounted for."""
        return tuple(
            entry.imbalance or f"{entry.table}: {entry.message or 'the last attempt failed'}"
            for entry in self.ledger
            if entry.imbalance or entry.status == "failed"
        )

    @property
    def totals(self) -> dict[str, int]:
        """Each count of the ledger, summed over the tables."""
        return total_rows(self.ledger) | {"silver_after": sum(entry.silver_after for entry in self.ledger)}


def read_run_summary(connection: duckdb.DuckDBPyConnection) -> RunSummary:
    """Read the summary from an open serving file."""
    build = _rows(connection, "SELECT * FROM midnight.gold_build")[0]
    return RunSummary(
        build_id=build["build_id"],
        batch_id=build["batch_id"],
        run_id=build["run_id"],
        completed_at=build["completed_at"].replace(tzinfo=UTC),
        ledger=_ledger(connection),
        batches=_batches(connection),
        quarantine=_quarantine(connection),
        models=_models(connection),
        history=_history(connection),
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _ledger(connection: duckdb.DuckDBPyConnection) -> tuple[LedgerEntry, ...]:
    names = list(LedgerEntry.model_fields)
    rows = _rows(connection, 'SELECT * FROM midnight.ledger_latest ORDER BY "table"')
    values = [{name: row[name] for name in names if row[name] is not None} for row in rows]
    return tuple(LedgerEntry.model_validate(entry) for entry in values)


def _batches(connection: duckdb.DuckDBPyConnection) -> dict[str, Batch]:
    rows = _rows(
        connection,
        'SELECT b.* FROM midnight.batch AS b INNER JOIN midnight.ledger_latest AS l ON b."table" = l."table" '
        "AND b.batch_id = l.batch_id",
    )
    batches = [
        Batch(**row | {name: row[name].replace(tzinfo=UTC) for name in ("read_at", "sealed_at")}) for row in rows
    ]
    return {batch.table: batch for batch in batches}


def _quarantine(connection: duckdb.DuckDBPyConnection) -> tuple[QuarantineRule, ...]:
    counts = _rows(
        connection,
        'SELECT q."table", q.rule, sum(q."rows")::BIGINT AS "rows" FROM midnight.quarantine_count AS q '
        f"INNER JOIN midnight.ledger_latest AS l ON {OF_NEWEST_BATCH} GROUP BY ALL ORDER BY 3 DESC, 1, 2",
    )
    examples: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in _rows(
        connection,
        'SELECT "table", rule, reason, "row" FROM midnight.quarantine '
        f'QUALIFY row_number() OVER (PARTITION BY "table", rule ORDER BY reason, "row") <= {EXAMPLES_SHOWN}',
    ):
        examples.setdefault((row["table"], row["rule"]), []).append((row["reason"] or "", row["row"] or ""))
    return tuple(
        QuarantineRule(c["table"], c["rule"], c["rows"], tuple(sorted(examples.get((c["table"], c["rule"]), []))))
        for c in counts
    )


def _models(connection: duckdb.DuckDBPyConnection) -> tuple[Model, ...]:
    checks: dict[str, list[dict[str, Any]]] = {}
    for check in _rows(connection, 'SELECT * FROM midnight.gold_check ORDER BY model, "check"'):
        checks.setdefault(check["model"], []).append(check)
    models = []
    for row in _rows(connection, "SELECT * FROM midnight.gold_model ORDER BY model"):
        own = checks.get(row["model"], [])
        warnings = tuple(f"{c['check']}: {c['failed_rows']:,} rows" for c in own if c["failed_rows"])
        models.append(
            Model(row["model"], row["description"], row["rows"], row["reused"], row["built_in"], len(own), warnings)
        )
    return tuple(models)


def _history(connection: duckdb.DuckDBPyConnection) -> tuple[BatchTotals, ...]:
    """A batch that was applied twice counts its rows once; changed rows are summed over the attempts."""
    rows = _rows(
        connection,
        "WITH by_table AS (SELECT batch_id, max(rows_in) AS rows_in, sum(inserted) AS inserted, "
        "sum(updated) AS updated, sum(deleted) AS deleted, max(quarantined) AS quarantined "
        "FROM midnight.ledger WHERE status = 'applied' GROUP BY batch_id, \"table\") "
        "SELECT batch_id, sum(rows_in)::BIGINT AS rows_in, sum(inserted)::BIGINT AS inserted, "
        "sum(updated)::BIGINT AS updated, sum(deleted)::BIGINT AS deleted, sum(quarantined)::BIGINT AS quarantined "
        f"FROM by_table GROUP BY batch_id ORDER BY batch_id DESC LIMIT {BATCHES_SHOWN}",
    )
    return tuple(BatchTotals(**row) for row in reversed(rows))
