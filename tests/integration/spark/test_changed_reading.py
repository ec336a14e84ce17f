"""Mode, cursor or key of a table change later: silver equals the source, and no full snapshot is read without need."""

from __future__ import annotations

from typing import Any

import pytest

from cli.postgres.embedded import Server
from midnight.bronze_to_silver.batch_chain import batch_chain, check_chain
from midnight.configuration.tables import Table
from spark_jobs.silver.run import build_silver
from tests.support.incremental_ingest import batch_of_day, by_operator
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql
from tests.support.sealed_batches import document, silver_rows


class Days:
    """Runs day after day: reads the table, brings it to silver, and compares that with the source."""

    def __init__(self, session: Any, server: Server, bronze: BronzeFolder) -> None:
        self.session, self.server, self.bronze, self.day, self.message = session, server, bronze, 0, ""

    def run(self, table: Table, *changes: str) -> tuple[str, int]:
        """Change the source, run; the mode of the batch and its rows."""
        run_sql(self.server, *changes)
        self.day += 1
        by_operator(self.server, self.bronze, table, batch_id=batch_of_day(self.day))
        newest = self.bronze.manifest(table)
        assert newest is not None
        chain = batch_chain(newest, lambda batch: self.bronze.store.read_manifest(table, batch))
        check_chain(table, chain)
        (entry,) = build_silver(self.session, document(self.bronze.paths, self.day, (table, chain)))
        self.message = entry.message
        rows = sorted(tuple(row.values()) for row in silver_rows(self.bronze.paths, table))
        assert rows == sorted(fetch(self.server, "SELECT id, part, v, moved FROM public.things"))
        return newest.mode, newest.rows


@pytest.fixture
def days(sail_session, database: Server, tmp_path) -> Days:
    run_sql(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, part int, v text, moved int)",
        "INSERT INTO things SELECT i, i % 3, 'v', i FROM generate_series(1, 20) i",
    )
    return Days(sail_session, database, BronzeFolder(tmp_path / "lake"))


def test_no_full_snapshot_is_read_where_the_batches_prove_that_none_is_needed(days: Days) -> None:
    snapshot = configure(days.server, "things", key=("id",))
    incremental = {"mode": "incremental", "full_snapshot_interval_days": 0}
    by_moved = snapshot.model_copy(update={**incremental, "cursor": "moved"})
    by_xmin = snapshot.model_copy(update={**incremental, "cursor": "xmin"})
    two_columns = by_xmin.model_copy(update={"key": ("part", "id")})
    late = "INSERT INTO things VALUES ({}, 0, 'late', -5000)"
    assert days.run(snapshot) == ("snapshot", 20)
    # From snapshots to increments: rows of any cursor value are found.
    assert days.run(by_moved, "UPDATE things SET v = 'a' WHERE id = 1", late.format(21))[0] == "incremental"
    assert days.run(by_moved, "UPDATE things SET v = 'b', moved = 99 WHERE id = 2")[0] == "incremental"
    assert days.run(by_xmin, "UPDATE things SET v = 'c' WHERE id = 3", late.format(22)) == ("incremental", 2)
    assert days.run(by_moved, "UPDATE things SET v = 'd' WHERE id = 4", late.format(23)) == ("incremental", 2)
    # A key of more columns: a row may have changed one of them since the full snapshot.
    assert days.run(two_columns, "UPDATE things SET v = 'e' WHERE id = 5") == ("snapshot", 23)
    assert days.run(two_columns, "UPDATE things SET v = 'f' WHERE id = 6") == ("incremental", 1)
    # A part of the key: all versions of a row have the same values in it.
    assert days.run(by_xmin, "UPDATE things SET v = 'g' WHERE id = 7") == ("incremental", 1)
    assert days.run(snapshot, "UPDATE things SET v = 'h' WHERE id = 8") == ("snapshot", 23)


def test_after_a_full_snapshot_any_key_will_do(days: Days) -> None:
    table = configure(
        days.server, "things", key=("part",), key_is_unique=False, mode="incremental", cursor="xmin", order_by=("id",)
    )
    by_operator(days.server, days.bronze, table, batch_id=batch_of_day(1))
    days.day = 1
    by_id = table.model_copy(update={"key": ("id",), "key_is_unique": True})
    assert days.run(by_id, "UPDATE things SET v = 'a', part = 9 WHERE id = 1") == ("incremental", 1)
    assert days.run(by_id, "UPDATE things SET v = 'b', part = 8 WHERE id = 1") == ("incremental", 1)


def test_the_ledger_says_that_a_table_is_unchanged(days: Days) -> None:
    table = configure(days.server, "things", key=("id",))
    assert days.run(table) == ("snapshot", 20)
    for _ in range(2):
        days.run(table)
        assert days.message == f"unchanged since batch {batch_of_day(1)}"
    days.run(table, "DELETE FROM things WHERE id = 1")
    assert (days.message, len(days.bronze.store.sealed_batches(table))) == ("", 2)
