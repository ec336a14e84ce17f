"""``cursor: xmin``: increments of tables without a cursor column, also after a wraparound and on another server."""

from __future__ import annotations

import dataclasses
import re

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.errors import SourceMismatchError
from tests.support.incremental_ingest import batch_of_day, by_data_factory, by_operator
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.other_postgres import needs_postgres, needs_program
from tests.support.postgres_cluster import own_clusters


def items(server: Server, name: str = "items", **fields) -> Table:
    columns = {"key": ("id",), "mode": "incremental", "cursor": "xmin", "full_snapshot_interval_days": 0}
    return configure(server, name, **{**columns, **fields})


def create(server: Server, rows: int = 10) -> Table:
    run_sql(
        server,
        "CREATE TABLE items (id int PRIMARY KEY, version int)",
        f"INSERT INTO items SELECT i, 0 FROM generate_series(1, {rows}) i",
    )
    return items(server)


class Days:
    """Reads a table day after day, each into one batch."""

    def __init__(self, bronze: BronzeFolder) -> None:
        self.bronze, self.day, self.lines = bronze, 0, list[str]()

    def read(self, server: Server, table: Table) -> tuple[str, list[int]]:
        """Mode and ids of the batch of the next day."""
        self.day, self.lines = self.day + 1, []
        by_operator(server, self.bronze, table, batch_id=batch_of_day(self.day), log=self.lines.append)
        manifest = self.bronze.manifest(table)
        assert manifest is not None
        return manifest.mode, sorted(row[0] for row in self.bronze.rows(table))


@pytest.fixture
def days(bronze: BronzeFolder) -> Days:
    return Days(bronze)


def test_what_changed_is_read_and_nothing_else(database: Server, days: Days) -> None:
    table = create(database)
    assert days.read(database, table) == ("snapshot", list(range(1, 11)))
    assert days.read(database, table) == ("incremental", [])
    with psycopg.connect(database.dsn) as writer:
        writer.execute("UPDATE items SET version = 1 WHERE id = 3")
        writer.execute("SAVEPOINT s")
        writer.execute("INSERT INTO items VALUES (11, 0)")
        run_sql(database, "UPDATE items SET version = 1 WHERE id = 4")
        assert days.read(database, table) == ("incremental", [4])
        run_sql(database, "UPDATE items SET version = 1 WHERE id = 5")
    assert days.read(database, table) == ("incremental", [3, 4, 5, 11])
    run_sql(database, "VACUUM FREEZE items")
    assert days.read(database, table) == ("incremental", [])
    manifest = days.bronze.manifest(table)
    assert (manifest.cursor.column, manifest.cursor.since, manifest.cursor.reached) == ("xmin", None, None)
    assert manifest.cursor.since_transaction == days.bronze.store.read_manifest(table, batch_of_day(4)).horizon.xmin
    assert [column.name for column in manifest.columns] == ["id", "version"]
    assert days.lines[0].startswith("public.items: reading those that transaction ")


def test_data_factory_reads_full_snapshots_and_the_operator_goes_on_from_its_own(
    database: Server, bronze: BronzeFolder
) -> None:
    table = create(database)
    by_operator(database, bronze, table, batch_id=batch_of_day(1))
    run_sql(database, "UPDATE items SET version = 1 WHERE id = 3")
    by_data_factory(database, bronze, table, batch_id=batch_of_day(2))
    assert (bronze.manifest(table).mode, bronze.manifest(table).rows) == ("snapshot", 10)
    by_operator(database, bronze, table, batch_id=batch_of_day(3))
    assert (bronze.manifest(table).mode, bronze.rows(table)) == ("incremental", [(3, 1)])


def test_what_has_no_xmin_is_refused(database: Server, days: Days) -> None:
    create(database)
    run_sql(
        database,
        "CREATE VIEW seen AS SELECT * FROM items",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE FOREIGN TABLE far (id int, version int) SERVER other",
        "CREATE TABLE parts (id int, version int) PARTITION BY RANGE (id)",
        "CREATE FOREIGN TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10) SERVER other",
    )
    for name, why in (
        ("seen", "view"),
        ("far", "far (not a heap), foreign table"),
        ("parts", "low (not a heap), part"),
    ):
        with pytest.raises(SourceMismatchError) as found:
            days.read(database, items(database, name))
        assert f"public.{name} has no xmin that tells which transaction wrote a row: {why}" in str(found.value)


@needs_postgres(11, "a row that moves to another partition")
def test_partitions_and_materialized_views_have_it(database: Server, days: Days) -> None:
    run_sql(
        database,
        "CREATE TABLE items (id int, version int) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF items FOR VALUES FROM (0) TO (10)",
        "INSERT INTO items VALUES (1, 0), (2, 0)",
    )
    table = items(database)
    assert days.read(database, table) == ("snapshot", [1, 2])
    run_sql(
        database,
        "UPDATE items SET version = 1 WHERE id = 2",
        "CREATE TABLE high PARTITION OF items FOR VALUES FROM (10) TO (20)",
        "INSERT INTO items VALUES (11, 0)",
    )
    assert days.read(database, table) == ("incremental", [2, 11])
    run_sql(database, "UPDATE items SET id = 12 WHERE id = 2")  # into the other partition
    assert days.read(database, table) == ("incremental", [12])


@pytest.mark.slow
@needs_program("pg_resetwal")
def test_after_one_and_two_wraparounds(days: Days) -> None:
    with own_clusters() as [cluster]:
        table = create(cluster.server)
        days.read(cluster.server, table)
        for step in range(1, 7):
            number = step * 1_500_000_000
            cluster.set_next_transaction(number)
            run_sql(cluster.server, f"UPDATE items SET version = {step} WHERE id = {step}")
            mode, ids = days.read(cluster.server, table)
            horizon = days.bronze.manifest(table).horizon
            assert (mode, step in ids, horizon.xmin // 2**32) == ("incremental", True, number // 2**32)
            assert ids == [step] or number > 2**32, "frozen rows keep the half of an id that may come again"
            cluster.freeze()
            mode, ids = days.read(cluster.server, table)
            assert (mode, ids) == ("incremental", [])
        assert horizon.xmin > 2 * 2**32
        cluster.set_next_transaction(7 * 1_500_000_000)
        cluster.set_next_transaction(8 * 1_500_000_000)
        assert days.read(cluster.server, table)[0] == "snapshot"
        assert re.search(r"\(2,999,\d{3},\d{3} transactions began since batch", days.lines[0])
        cluster.set_next_transaction(9 * 1_500_000_000 - 2**32)
        assert days.read(cluster.server, table)[0] == "snapshot"
        assert "was reached before" in days.lines[0]


@pytest.mark.slow
@needs_program("pg_basebackup")
def test_a_standby_goes_on_and_a_failover_needs_a_full_snapshot(days: Days) -> None:
    with own_clusters() as clusters:
        primary = clusters[0].server
        table = create(primary)
        days.read(primary, table)
        clusters.append(clusters[0].copy_as_standby("second"))
        standby = clusters[1].server
        run_sql(primary, "UPDATE items SET version = 1 WHERE id = 3")
        _wait_for(primary, standby)
        assert days.read(standby, table) == ("incremental", [3])
        assert days.bronze.manifest(table).horizon.in_recovery
        clusters[0].stop()
        run_sql(standby, "SELECT pg_promote()", "UPDATE items SET version = 1 WHERE id = 4")
        assert days.read(standby, table)[0] == "snapshot"
        assert "the server is on timeline 2 instead of 1" in days.lines[0]
        run_sql(standby, "UPDATE items SET version = 1 WHERE id = 5")
        assert days.read(standby, table) == ("incremental", [5])


@needs_program("pg_dump")
def test_a_restored_database_and_another_server_need_a_full_snapshot(database: Server, days: Days) -> None:
    with own_clusters() as [cluster]:
        first = dataclasses.replace(cluster.server, database="shop")
        run_sql(cluster.server, "CREATE DATABASE shop")
        table = create(first)
        days.read(first, table)
        dump = cluster.run("pg_dump", "--inserts", first.dsn)
        run_sql(cluster.server, "DROP DATABASE shop", "CREATE DATABASE shop")
        statements = [line for line in dump.splitlines() if not line.startswith("\\")]  # of psql
        run_sql(first, "\n".join(statements))
        assert days.read(first, table)[0] == "snapshot"
        assert "created again" in days.lines[0]
        create(database)
        assert days.read(database, table)[0] == "snapshot"
        assert "the server is " in days.lines[0]


def _wait_for(primary: Server, standby: Server) -> None:
    with psycopg.connect(primary.dsn) as connection:
        position = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
    with psycopg.connect(standby.dsn, autocommit=True) as connection:
        connection.execute("SET statement_timeout = '30s'")
        assert position is not None
        connection.execute(
            f"DO $$ BEGIN WHILE pg_last_wal_replay_lsn() < '{position[0]}' LOOP "
            "PERFORM pg_sleep(0.02); END LOOP; END $$"
        )
