"""Rows that are committed after the snapshot, with an earlier cursor value, are in the next increment."""

from __future__ import annotations

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from tests.support.incremental_ingest import batch_of_day, by_data_factory, by_operator, read
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql
from tests.support.late_commits.campaign import run_schedules


def incremental(server: Server, name: str, **fields) -> Table:
    return configure(server, name, **{"key": ("id",), "mode": "incremental", "cursor": "moved", **fields})


def test_random_schedules_of_concurrent_writers() -> None:
    """`make prove-late-commits` runs a thousand."""
    tally = run_schedules(range(1, 13))
    assert (tally.failed, tally.schedules["visibility"]) == ([], 12)
    assert tally.missed["lag"] > 0
    assert tally.schedules["horizon"] > 0


def test_a_role_with_nothing_but_select_gets_a_horizon(database: Server, reader: Server, bronze: BronzeFolder) -> None:
    table = configure(reader, "customers")
    with psycopg.connect(database.dsn) as writer:
        writer.execute("SELECT 1")  # idle, and without a transaction id
        bronze.ingest(reader, table, batch_id=batch_of_day(1))
        first = bronze.manifest(table).horizon
        assert (first.oldest_start, list(first.open_transactions.values()), first.timeline) == (None, [None], 1)
        bronze.ingest(reader, table, batch_id=batch_of_day(2), full_reload=True)
        assert bronze.manifest(table).horizon.oldest_start is None
    with psycopg.connect(database.dsn) as writer:
        writer.execute("SELECT 1")
        bronze.ingest(reader, table, batch_id=batch_of_day(3), full_reload=True)
        third = bronze.manifest(table).horizon
        before = bronze.store.read_manifest(table, batch_of_day(2)).horizon.clock
        assert (third.oldest_start, list(third.open_transactions.values())) == (before, [before])
    bronze.ingest(reader, table, batch_id=batch_of_day(4), full_reload=True)
    fourth = bronze.manifest(table).horizon
    assert (fourth.oldest_start, fourth.open_transactions) == (fourth.clock, {})


@pytest.mark.parametrize("rule", ["visibility", "horizon"])
def test_a_long_transaction_is_read_and_reported(
    database: Server, bronze: BronzeFolder, orders: Table, rule: str
) -> None:
    orders = orders.model_copy(update={"late_commits": rule, "cursor_lag": 0})
    run_sql(database, "INSERT INTO orders VALUES (300, 'now')")
    with psycopg.connect(database.dsn) as writer:
        writer.execute("INSERT INTO orders VALUES (301, 'late')")
        run_sql(database, "SELECT pg_sleep(1.1)", "INSERT INTO orders VALUES (302, 'after')")
        by_operator(database, bronze, orders, batch_id=batch_of_day(1))
        horizon = bronze.manifest(orders).horizon
        started = fetch(database, "SELECT xact_start FROM pg_stat_activity WHERE state = 'idle in transaction'")[0][0]
        assert (horizon.oldest_start, list(horizon.open_transactions.values())) == (started, [started])
        assert horizon.snapshot == f"{horizon.xmin}:{horizon.xmax}:{horizon.xmin}"
        assert (horizon.timeline, horizon.batch_id, horizon.relation.has_xmin) == (1, batch_of_day(1), True)
        [warning] = bronze.manifest(orders).warnings
        assert warning.startswith("a transaction is open since")
    by_operator(database, bronze, orders, batch_id=batch_of_day(2))
    mode, ids, _ = read(bronze, orders)
    assert (mode, {301, 302} & set(ids), bronze.manifest(orders).warnings) == ("incremental", {301, 302}, ())
    assert (bronze.manifest(orders).cursor.since_transaction is None) == (rule == "horizon")


def test_a_row_that_came_while_data_factory_read_is_in_the_next_increment_of_the_operator(
    database: Server, bronze: BronzeFolder, orders: Table
) -> None:
    by_operator(database, bronze, orders, batch_id=batch_of_day(1))
    run_sql(database, "INSERT INTO orders VALUES (301, 'late', '2001-01-01')")
    by_data_factory(database, bronze, orders, batch_id=batch_of_day(2))
    assert 301 not in read(bronze, orders)[1]
    assert bronze.manifest(orders).horizon.batch_id == batch_of_day(1)
    by_operator(database, bronze, orders, batch_id=batch_of_day(3))
    assert 301 in read(bronze, orders)[1]


def test_the_rows_of_an_attached_table_are_read(database: Server, bronze: BronzeFolder) -> None:
    columns = "id int, moved timestamptz"
    run_sql(
        database,
        f"CREATE TABLE parts ({columns}) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (100)",
        f"CREATE TABLE parents ({columns})",
        "INSERT INTO parts VALUES (1, now())",
        "INSERT INTO parents VALUES (1, now())",
        f"CREATE TABLE high ({columns})",
        f"CREATE TABLE child ({columns})",
        "INSERT INTO high VALUES (101, '2001-01-01')",
        "INSERT INTO child VALUES (101, '2001-01-01')",
    )
    tables = [incremental(database, name) for name in ("parts", "parents")]
    by_operator(database, bronze, *tables, batch_id=batch_of_day(1))
    run_sql(
        database,
        "ALTER TABLE parts ATTACH PARTITION high FOR VALUES FROM (100) TO (200)",
        "ALTER TABLE child INHERIT parents",
    )
    by_operator(database, bronze, *tables, batch_id=batch_of_day(2))
    assert [read(bronze, table)[:2] for table in tables] == [("incremental", [1, 101])] * 2
    by_operator(database, bronze, *tables, batch_id=batch_of_day(3))
    assert [read(bronze, table)[:2] for table in tables] == [("incremental", [1])] * 2


def test_a_role_with_rights_on_columns_alone_cannot_see_which_transaction_wrote_a_row(
    database: Server, reader: Server, bronze: BronzeFolder
) -> None:
    run_sql(
        database,
        "CREATE TABLE partly (id int PRIMARY KEY, moved timestamptz, secret int)",
        "INSERT INTO partly VALUES (1, now())",
        f"GRANT SELECT (id, moved) ON partly TO {reader.user}",
    )
    found = incremental(reader, "partly", new_columns="ignore")
    table = found.model_copy(update={"columns": found.columns[:2]})
    by_xmin = table.model_copy(update={"cursor": "xmin"})
    modes = []
    for day, read_as in enumerate((table, table, by_xmin, by_xmin), 1):
        by_operator(reader, bronze, read_as, batch_id=batch_of_day(day))
        modes.append(bronze.manifest(read_as).mode)
    assert modes == ["snapshot", "incremental", "snapshot", "snapshot"]


def test_a_table_that_was_exchanged_is_read_in_full(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    lines: list[str] = []
    run_sql(
        database,
        "CREATE TABLE staged (LIKE orders INCLUDING ALL)",
        "INSERT INTO staged SELECT * FROM orders WHERE id < 50",
    )
    by_operator(database, bronze, orders, batch_id=batch_of_day(1))
    run_sql(database, "ALTER TABLE orders RENAME TO old", "ALTER TABLE staged RENAME TO orders")
    by_operator(database, bronze, orders, batch_id=batch_of_day(2), log=lines.append)
    assert (bronze.manifest(orders).mode, bronze.manifest(orders).rows) == ("snapshot", 49)
    assert any("created again" in line for line in lines)


def test_rewritten_and_frozen_tables_stay_incremental(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    by_operator(database, bronze, orders, batch_id=batch_of_day(1))
    run_sql(
        database,
        "INSERT INTO orders VALUES (301, 'late', '2001-01-01')",
        "VACUUM FREEZE orders",
        "CLUSTER orders USING orders_pkey",
        "VACUUM FULL FREEZE orders",
    )
    by_operator(database, bronze, orders, batch_id=batch_of_day(2))
    mode, ids, _ = read(bronze, orders)
    assert (mode, 301 in ids, len(ids) < 100) == ("incremental", True, True)


def test_a_view_goes_back_to_the_oldest_transaction(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    assert orders.key
    run_sql(database, "CREATE VIEW seen AS SELECT * FROM orders")
    view = incremental(database, "seen", cursor_lag=0)
    warnings: list[str] = []
    with psycopg.connect(database.dsn) as writer:
        writer.execute("INSERT INTO orders VALUES (301, 'late')")
        run_sql(database, "INSERT INTO orders VALUES (302, 'after')")
        by_operator(database, bronze, view, batch_id=batch_of_day(1))
    by_operator(database, bronze, view, batch_id=batch_of_day(2), warn=warnings.append)
    assert (read(bronze, view)[:2], warnings) == (("incremental", [301, 302]), [])
    number = incremental(database, "seen", cursor="id")
    for day in (3, 4):
        by_operator(database, bronze, number, batch_id=batch_of_day(day), warn=warnings.append)
    assert warnings == [
        "public.seen: a row that is committed more than cursor_lag (1000) after its 'id' may be missed until the next "
        "full snapshot: its cursor is a number"
    ]


def test_an_index_on_the_cursor_serves_the_horizon_and_not_visibility(
    database: Server, bronze: BronzeFolder, orders: Table
) -> None:
    run_sql(database, "INSERT INTO orders SELECT i, 'more', '2020-01-01' FROM generate_series(1000, 30000) i")
    run_sql(database, "ANALYZE orders")
    found = {}
    for day, rule in enumerate(["visibility", "horizon"], 1):
        table = orders.model_copy(update={"late_commits": rule})
        by_operator(database, bronze, table, batch_id=batch_of_day(2 * day))
        by_operator(database, bronze, table, batch_id=batch_of_day(2 * day + 1))
        cursor = bronze.manifest(table).cursor
        newer = f" OR age(xmin) <= (SELECT age('{cursor.since_transaction}'::xid))"
        condition = f"moved >= '{cursor.since}' OR moved IS NULL{newer if cursor.since_transaction else ''}"
        plan = "".join(row[0] for row in fetch(database, f"EXPLAIN SELECT * FROM public.orders WHERE {condition}"))
        found[rule] = "Seq Scan" in plan
    assert found == {"visibility": True, "horizon": False}
