"""Snapshots of a table whose rows move, go and come back: silver is as if each had been evaluated completely."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from pyspark.sql import SparkSession

from cli.postgres.embedded import Server
from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.lake.ledger import COUNTS, LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument, TableWork
from spark_jobs.runtime.session import open_session
from spark_jobs.silver import batch_difference
from spark_jobs.silver.run import build_silver
from spark_jobs.silver.table import SilverTable
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.run_sequences.comparison import contents, quarantined

ROWS = 20_000
CREATE = (
    "CREATE TABLE orders (code text PRIMARY KEY, id bigint, amount numeric(12,2), note text, at timestamptz)",
    "INSERT INTO orders SELECT 'K-' || i, i, i * 0.25, md5(i::text), TIMESTAMPTZ '2024-01-01 UTC' + i * INTERVAL '1 s' "
    f"FROM generate_series(1, {ROWS}) AS i",
)
# What happens to the table, and how many rows are evaluated at most; None: all of them.
CHANGES: dict[str, tuple[tuple[str, ...], int | None]] = {
    "updates all over": (("UPDATE orders SET amount = amount + 1 WHERE id % 1000 = 3",), 30),
    "deletes all over": (("DELETE FROM orders WHERE id % 333 = 5",), 30),
    "rows that are rejected": (("UPDATE orders SET id = 99999 WHERE id IN (11, 12, 13)",), 30),
    "a vacuum, and rows in the places of others": (
        ("VACUUM orders", "INSERT INTO orders SELECT 'N-' || i, i FROM generate_series(101, 140) AS i"),
        70,
    ),
    "other keys": (("UPDATE orders SET code = 'M-' || id WHERE id % 5000 = 9",), 70),
    "a key that is another's after trimming": (("INSERT INTO orders VALUES (' K-21', 21)",), None),
    "only one of them": (("DELETE FROM orders WHERE code = ' K-21'",), None),  # the last run had a duplicate
    "a rewritten table": (("VACUUM FULL orders", "UPDATE orders SET amount = 0 WHERE id = 99"), 70),
    "most of the rows": (("UPDATE orders SET amount = amount + 1 WHERE id % 4 > 0",), ROWS),
}


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    with open_session("sail") as opened:
        yield opened


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """How many rows each run has evaluated; None: all."""
    monkeypatch.setattr(batch_difference, "SMALL_SNAPSHOT_ROWS", 0)
    found: list[int | None] = []
    original = SilverTable.prepare

    def spy(silver: SilverTable, *arguments):
        original(silver, *arguments)
        found.append(None if silver.changed is None else silver.changed.rows)

    monkeypatch.setattr(SilverTable, "prepare", spy)
    return found


def apply(session: SparkSession, paths: LakePaths, table: Table, batch: Manifest) -> LedgerEntry:
    work = TableWork(table=table, batches=(batch,))
    document = RunDocument(batch_id=batch.batch_id, run_id=batch.batch_id, lake=paths.as_dict(), tables=(work,))
    (entry,) = build_silver(session, document)
    return entry


def test_each_snapshot_gives_what_a_new_lake_gets_from_it(
    session, database: Server, bronze: BronzeFolder, tmp_path: Path, evaluated
):
    run_sql(database, *CREATE)
    checks = [
        {"rule": "range", "column": "id", "max": ROWS},
        {"rule": "expression", "name": "even", "sql": "id % 5000 <> 7", "on_failure": "warn"},
    ]
    table = configure(database, "orders", key=("code",), checks=checks)
    table = Table.model_validate(table.model_dump(by_alias=True))
    for number, (what, (statements, most)) in enumerate({"created": ((), ROWS), **CHANGES}.items()):
        run_sql(database, *statements)
        bronze.ingest(database, table, batch_id=f"2026010{number}T000000000Z-00000001")
        batch = bronze.manifest(table)
        assert batch is not None
        entry = apply(session, bronze.paths, table, batch)
        if number:  # a new table is not compared
            rows = evaluated[-1]
            assert rows is None if most is None else rows is not None and rows <= most, (what, rows)
        new = dataclasses.replace(bronze.paths, silver=f"{tmp_path}/{number}/silver")
        with mock.patch.object(batch_difference, "SMALL_SNAPSHOT_ROWS", 10**9):
            expected = apply(session, new, table, batch)
        assert contents(bronze.paths.silver_table("orders")) == contents(new.silver_table("orders")), what
        assert quarantined(bronze.paths, table, [batch.batch_id]) == quarantined(new, table, [batch.batch_id]), what
        names = {*COUNTS, "failed_checks", "silver_after"} - {"inserted", "updated", "unchanged", "deleted"}
        assert entry.model_dump(include=names) == expected.model_dump(include=names), what
