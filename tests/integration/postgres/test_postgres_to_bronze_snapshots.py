"""PostgreSQL to bronze against a real server: each row is read once, from one snapshot, into an intact batch."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import threading

import psycopg
import pytest

from cli.postgres.embedded import EmbeddedPostgres, free_port
from cli.postgres.location import as_server_user, locate, new_folder_for_server_user
from midnight.postgres_to_bronze import page_ranges
from tests.support.ingest_run import configure, fetch, run_sql
from tests.support.other_postgres import needs_postgres, needs_program


def small_ranges(monkeypatch, pages=2):
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", pages)


@needs_postgres(14, "a table that is read in ranges")
def test_partitions_of_several_levels_are_read_once(database, bronze, monkeypatch):
    small_ranges(monkeypatch)
    run_sql(
        database,
        "CREATE TABLE parts (id int, day date, filler text) PARTITION BY RANGE (day)",
        "CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
        "CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') "
        "PARTITION BY HASH (id)",
        "CREATE TABLE parts_b0 PARTITION OF parts_b FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE parts_b1 (filler text, day date, id int)",  # another order of columns
        "ALTER TABLE parts_b ATTACH PARTITION parts_b1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO parts SELECT i, '2024-01-01'::date + i % 60, repeat('x', 200) FROM generate_series(1, 3000) i",
    )
    table = configure(database, "parts")
    bronze.ingest(database, table)
    assert len(bronze.manifest(table).files) > 5
    assert list(range(1, 3001)) == sorted(bronze.read(table)["id"].to_pylist())


@needs_postgres(11, "a procedure")
def test_one_snapshot_over_tables_and_ranges_while_writers_are_busy(database, bronze, monkeypatch):
    """Each transaction adds an order and its line, moves money, and rewrites old rows: a torn read would show."""
    small_ranges(monkeypatch)
    run_sql(
        database,
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler text)",
        "CREATE TABLE orders (id serial PRIMARY KEY, filler text)",
        "CREATE TABLE lines (order_id int, filler text)",
        "INSERT INTO accounts SELECT i, 100, repeat('x', 300) FROM generate_series(1, 2000) i",
        """CREATE PROCEDURE write() LANGUAGE plpgsql AS $$
           DECLARE a int; b int; o int; BEGIN
             FOR i IN 1..1000000 LOOP
               a := 1 + random() * 1999; b := 1 + random() * 1999;
               UPDATE accounts SET balance = balance - 5 WHERE id = a;
               UPDATE accounts SET balance = balance + 5 WHERE id = b;
               INSERT INTO orders (filler) VALUES (repeat('o', 300)) RETURNING id INTO o;
               INSERT INTO lines VALUES (o, repeat('l', 100));
               COMMIT;
             END LOOP; END $$""",
    )
    tables = [configure(database, name) for name in ("lines", "orders", "accounts")]
    with psycopg.connect(database.dsn, autocommit=True) as writer:

        def write():
            with pytest.raises(psycopg.errors.QueryCanceled):
                writer.execute("CALL write()")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            results = [
                (bronze.ingest(database, *tables, batch_id=f"b{n}", connections=3), *map(bronze.read, tables))
                for n in range(4)
            ]
        finally:
            writer.cancel()
            thread.join()
    for _, lines, orders, accounts in results:
        assert sorted(orders["id"].to_pylist()) == sorted(lines["order_id"].to_pylist())
        assert list(range(1, 2001)) == sorted(accounts["id"].to_pylist())
        assert sum(accounts["balance"].to_pylist()) == 200_000
    assert results[-1][2].num_rows > results[0][2].num_rows
    manifests = [bronze.manifest(table) for table in tables]
    assert len({m.read_from.snapshot for m in manifests}) == 1
    assert all(m.read_from.server.isdigit() and "/" in m.read_from.lsn for m in manifests)


def test_the_same_run_again_keeps_its_batch_and_another_run_reads_anew(database, bronze):
    run_sql(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
    table = configure(database, "t")
    first = bronze.ingest(database, table)
    files = {name: (bronze.root / name).read_bytes() for name in bronze.files()}
    run_sql(database, "INSERT INTO t VALUES (2)")
    again = bronze.ingest(database, table)
    assert [(r[0].kept, r[0].rows) for r in (first, again)] == [(False, 1), (True, 1)]
    assert files == {name: (bronze.root / name).read_bytes() for name in bronze.files()}
    assert bronze.ingest(database, table, batch_id="b2")[0].rows == 2


@pytest.mark.parametrize("damage", ["truncate", "change", "delete", "manifest", "no manifest"])
def test_a_damaged_batch_is_read_again(database, bronze, damage):
    run_sql(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
    table = configure(database, "t")
    bronze.ingest(database, table)
    part = next((bronze.root).rglob("part-*.parquet"))
    manifest = next((bronze.root).rglob("_manifest.json"))
    content = part.read_bytes()
    {
        "truncate": lambda: part.write_bytes(content[:-8]),
        "change": lambda: part.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:]),
        "delete": part.unlink,
        "manifest": lambda: manifest.write_text(manifest.read_text()[:50]),
        "no manifest": manifest.unlink,
    }[damage]()
    (result,) = bronze.ingest(database, table)
    assert (result.kept, result.rows) == (False, 2)
    assert len(bronze.files()) == 2
    assert sorted(bronze.rows(table)) == [(1,), (2,)]


@needs_program("pg_basebackup")
def test_a_hot_standby_is_read_as_the_primary_would_be(postgres_server, database, bronze, monkeypatch):
    small_ranges(monkeypatch)
    run_sql(database, "CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 5000)")
    table = configure(database, "t")
    bronze.ingest(database, table, batch_id="b1")
    root = new_folder_for_server_user("midnight-standby-")
    standby = EmbeddedPostgres(
        root / "cluster", port=free_port(), password=postgres_server.password, log=root / "standby.log"
    )
    try:
        location = locate(standby.folder)
        subprocess.run(
            [
                location.binaries / "pg_basebackup",
                f"--pgdata={location.data}",
                f"--dbname={postgres_server.dsn}",
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            ],
            check=True,
            cwd="/",
            **as_server_user(),
        )
        login = dataclasses.replace(standby.start(), database=database.database)
        assert fetch(login, "SELECT pg_is_in_recovery()") == [(True,)]
        (unchanged,) = bronze.ingest(login, table, batch_id="b2")
        assert unchanged.kept
        bronze.ingest(login, table, batch_id="b2", full_reload=True)
        assert sorted(bronze.rows(table)) == [(number,) for number in range(1, 5001)]
        primary, secondary = bronze.store.sealed_batches(table)
        assert primary.read_from.server == secondary.read_from.server
        assert secondary.read_from.lsn
        assert len(secondary.files) > 1
    finally:
        standby.remove()
        shutil.rmtree(root)
