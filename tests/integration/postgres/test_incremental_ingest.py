"""Incremental tables read from a real server, by our operator and by the queries that Data Factory gets."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.bronze.batch_id import make_batch_id
from midnight.bronze.increments import plan_read, read_history
from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import bronze_columns, copy_parameters
from midnight.errors import BronzeError
from midnight.postgres_to_bronze import page_ranges
from tests.fakes.adf_parquet import copy_to_parquet
from tests.integration.postgres.test_adf_batches import adf_batch
from tests.integration.postgres.test_adf_copy import HOSTILE
from tests.support.ingest_run import BronzeFolder, configure, run_sql

# type of the cursor -> four values, each more than the one before
CURSORS = {
    "smallint": ("-32768", "-1", "0", "32767"),
    "integer": ("-5", "0", "7", "2147483647"),
    "bigint": ("-9223372036854775808", "0", "9007199254740993", "9223372036854775807"),
    "numeric(38,0)": ("-1", "0", "12345678901234567890123456789012345678", "99999999999999999999999999999999999999"),
    "date": ("'0001-01-01'", "'1999-12-31'", "'2024-03-28'", "'2025-12-31'"),
    "timestamp": (
        "'0001-01-01 00:00'",
        "'2024-03-29 02:30'",
        "'2024-03-29 02:30:00.000001'",
        "'2025-12-31 23:59:59.999999'",
    ),
    "timestamptz": (
        "'0001-01-02 00:00+00'",
        "'2024-10-25 02:30+02'",
        "'2024-10-25 02:30+01'",
        "'2025-12-31 23:59:59.999999+00'",
    ),
}
CURSOR = 'the "cursor"'


def batch_of_day(number: int) -> str:
    return make_batch_id(datetime(2024, 11, number, tzinfo=UTC), "scheduled")


def by_operator(server: Server, bronze: BronzeFolder, *tables: Table, batch_id: str, **options) -> None:
    bronze.ingest(server, *tables, batch_id=batch_id, **options)


def start_copies(
    server: Server, bronze: BronzeFolder, *tables: Table, batch_id: str, full_reload: bool = False, **_others: object
) -> None:
    """Write the files that Data Factory would write for the request of the ingest task."""
    readings = {
        t.qualified_name: plan_read(
            t,
            bronze_columns(t),
            batch_id,
            read_history(bronze.store, t, batch_id),
            full_reload=full_reload,
        )
        for t in tables
    }
    for copy in copy_parameters(bronze.paths, "test", tables, batch_id, readings=readings)["tables"]:
        content, _ = copy_to_parquet(server.dsn, copy["query"], threading.Event())
        folder = Path(bronze.paths.bronze) / copy["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"run-{copy['part']}.parquet").write_bytes(content)


def seal_copies(bronze: BronzeFolder, *tables: Table, **options) -> None:
    adf_batch(bronze, *tables, pipeline_run="run", **options).seal()


def by_data_factory(server: Server, bronze: BronzeFolder, *tables: Table, **options) -> None:
    start_copies(server, bronze, *tables, **options)
    seal_copies(bronze, *tables, **options)


WAYS = pytest.mark.parametrize("ingest", [by_operator, by_data_factory])
Ingest = Callable[..., None]


@pytest.fixture
def bronze(tmp_path: Path) -> BronzeFolder:
    return BronzeFolder(tmp_path / "lake")


def read(bronze: BronzeFolder, table: Table) -> tuple[str, list[int], str | None]:
    """Of the newest batch: mode, ids of the rows, value that the cursor has reached."""
    manifest = bronze.manifest(table)
    return manifest.mode, sorted(row[0] for row in bronze.rows(table)), manifest.cursor.reached


def manifests(bronze: BronzeFolder, table: Table) -> list[Manifest]:
    return bronze.store.sealed_batches(table)


@WAYS
def test_every_type_of_cursor(database: Server, bronze: BronzeFolder, ingest: Ingest) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for name, value in HOSTILE.items():
            connection.execute(f"ALTER DATABASE {database.database} SET {name} = '{value}'")
    tables = {}
    quoted = '"the ""cursor"""'
    for number, (kind, (first, second, third, _)) in enumerate(CURSORS.items()):
        run_sql(
            database,
            f'CREATE TABLE "T {number}" (id int PRIMARY KEY, {quoted} {kind})',
            f'INSERT INTO "T {number}" VALUES (1, {first}), (2, {second}), (3, {third}), (4, NULL)',
        )
        tables[kind] = configure(
            database, f"T {number}", key=("id",), mode="incremental", cursor="the__cursor_", cursor_lag=0
        )
    ingest(database, bronze, *tables.values(), batch_id=batch_of_day(1))
    found = {kind: read(bronze, table) for kind, table in tables.items()}
    assert {kind: found[kind][:2] for kind in CURSORS} == dict.fromkeys(CURSORS, ("snapshot", [1, 2, 3, 4]))

    for number, (_, second, third, fourth) in enumerate(CURSORS.values()):
        run_sql(
            database,
            f'UPDATE "T {number}" SET {quoted} = {fourth} WHERE id = 1',
            f'INSERT INTO "T {number}" VALUES (5, {third}), (6, {second})',  # as if committed late
        )
    ingest(database, bronze, *tables.values(), batch_id=batch_of_day(2))
    # 3 and 5 have exactly the value that the run before reached; 6 is too late for a cursor_lag of 0.
    assert {kind: read(bronze, t)[:2] for kind, t in tables.items()} == dict.fromkeys(
        CURSORS, ("incremental", [1, 3, 4, 5])
    )
    for kind, table in tables.items():
        cursor = bronze.manifest(table).cursor
        assert (cursor.since, cursor.lowest, cursor.highest) == (found[kind][2], found[kind][2], cursor.reached)
        assert cursor.reached != found[kind][2]
        assert (cursor.follows, cursor.full_snapshot) == (batch_of_day(1), batch_of_day(1))

    for number in range(len(CURSORS)):
        run_sql(database, f'DELETE FROM "T {number}" WHERE id IN (1, 4)')
    before = {kind: bronze.manifest(table).cursor for kind, table in tables.items()}
    ingest(database, bronze, *tables.values(), batch_id=batch_of_day(3))
    for kind, table in tables.items():
        cursor = bronze.manifest(table).cursor
        assert (read(bronze, table)[:2], cursor.highest) == (("incremental", []), None)
        assert cursor.reached == before[kind].reached, "an increment without rows keeps the value of the one before"
        assert (cursor.follows, cursor.full_snapshot) == (batch_of_day(2), batch_of_day(1))


@pytest.fixture
def orders(database: Server) -> Table:
    run_sql(
        database,
        "CREATE TABLE orders (id int PRIMARY KEY, note text, moved timestamptz DEFAULT now())",
        "CREATE INDEX ON orders (moved)",
        "INSERT INTO orders SELECT i, 'old', '2024-11-01Z'::timestamptz - make_interval(mins => i) "
        "FROM generate_series(1, 200) i",
    )
    return configure(database, "orders", key=("id",), mode="incremental", cursor="moved")


@WAYS
def test_rows_that_were_committed_late_are_within_the_cursor_lag(
    database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest
) -> None:
    ingest(database, bronze, orders, batch_id=batch_of_day(1))
    # Began before the last row that was read (2024-10-31 23:59) and committed after it.
    run_sql(
        database, "INSERT INTO orders VALUES (201, 'late', '2024-10-31 22:59Z'), (202, 'later', '2024-10-31 22:58Z')"
    )
    ingest(database, bronze, orders, batch_id=batch_of_day(2))
    mode, ids, _ = read(bronze, orders)
    assert (mode, 201 in ids, 202 in ids) == ("incremental", True, False)
    assert len(ids) == 62


@WAYS
@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
def test_a_cursor_in_the_future_delays_no_row_and_is_reported_every_time(
    database: Server, bronze: BronzeFolder, ingest: Ingest, kind: str
) -> None:
    run_sql(
        database,
        f"CREATE TABLE inc_future (id int PRIMARY KEY, v text, updated_at {kind})",
        "INSERT INTO inc_future VALUES (1, 'v1', '2024-11-01'), (2, 'v1', now() - interval '9 days'), "
        "(11, 'sentinel', '9999-12-31')",
    )
    table = configure(database, "inc_future", key=("id",), mode="incremental", cursor="updated_at")
    warnings: list[str] = []
    ingest(database, bronze, table, batch_id=batch_of_day(1), warn=warnings.append)
    run_sql(
        database,
        "UPDATE inc_future SET v = 'changed', updated_at = now() WHERE id = 1",
        "INSERT INTO inc_future VALUES (12, 'new', now())",
    )
    for number in (2, 3):
        ingest(database, bronze, table, batch_id=batch_of_day(number), warn=warnings.append)
        assert read(bronze, table)[:2] == ("incremental", [1, 11, 12])
    assert bronze.manifest(table).cursor.reached < "2999"
    run_sql(database, "UPDATE inc_future SET updated_at = now() WHERE id = 11")
    ingest(database, bronze, table, batch_id=batch_of_day(4), warn=warnings.append)
    assert (bronze.manifest(table).warnings, len(warnings)) == ((), 3)
    assert {text.partition(" in the future")[0] for text in warnings} == {
        "1 row of public.inc_future with 'updated_at'"
    }
    assert all("up to 9999-12-31" in text for text in warnings)


def test_a_run_that_waits_for_data_factory_does_not_warn_of_new_rows(database: Server, bronze: BronzeFolder) -> None:
    """Rows that were written while it waited are not ahead of any clock, and the next run reads them again."""
    run_sql(database, "CREATE TABLE t (id int PRIMARY KEY, at timestamptz)", "INSERT INTO t VALUES (1, now())")
    table = configure(database, "t", key=("id",), mode="incremental", cursor="at")
    requested_at = datetime.now(UTC) - timedelta(hours=2)
    start_copies(database, bronze, table, batch_id=batch_of_day(1))
    replace(adf_batch(bronze, table, pipeline_run="run", batch_id=batch_of_day(1)), started_at=requested_at).seal()
    manifest = bronze.manifest(table)
    assert (manifest.warnings, manifest.cursor.reached) == ((), requested_at.isoformat())


@WAYS
def test_a_retry_reads_the_same_range_and_a_sealed_batch_is_kept(
    database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest
) -> None:
    ingest(database, bronze, orders, batch_id=batch_of_day(1))
    run_sql(database, "UPDATE orders SET moved = '2024-11-02Z' WHERE id < 4")
    ingest(database, bronze, orders, batch_id=batch_of_day(2))
    sealed = bronze.manifest(orders)
    if ingest is by_operator:
        ingest(database, bronze, orders, batch_id=batch_of_day(2))
        assert bronze.manifest(orders) == sealed
    ingest(database, bronze, orders, batch_id=batch_of_day(3))
    assert bronze.manifest(orders).cursor.since == "2024-11-01T23:00:00+00:00"
    # The batch of the second day is damaged, and its run is cleared: only earlier batches count.
    assert read_history(bronze.store, orders, batch_of_day(2)).newest.batch_id == batch_of_day(1)
    shutil.rmtree(bronze.paths.batch("test", "public", "orders", batch_of_day(2)))
    ingest(database, bronze, orders, batch_id=batch_of_day(2))
    again = manifests(bronze, orders)[1]
    assert (again.cursor, again.rows) == (sealed.cursor, sealed.rows)


@WAYS
def test_when_a_full_snapshot_is_read(database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest) -> None:
    everything = 200

    def ingest_day(number: int, table: Table = orders, **options: bool) -> tuple[str, int]:
        ingest(database, bronze, table, batch_id=batch_of_day(number), **options)
        return bronze.manifest(table).mode, bronze.manifest(table).rows

    assert ingest_day(1) == ("snapshot", everything)
    assert ingest_day(2)[0] == "incremental"
    assert ingest_day(3, full_reload=True) == ("snapshot", everything)
    assert ingest_day(9)[0] == "incremental"
    assert ingest_day(10) == ("snapshot", everything)  # seven days after the third
    assert ingest_day(11)[0] == "incremental"
    shutil.rmtree(bronze.paths.batch("test", "public", "orders", batch_of_day(10)))
    assert ingest_day(12) == ("snapshot", everything)
    run_sql(database, "ALTER TABLE orders ADD priority int DEFAULT 1")
    if ingest is by_operator:  # includes new columns by itself
        assert ingest_day(13) == ("snapshot", everything)
        assert bronze.manifest(orders).columns[-1].name == "priority"
    else:
        assert ingest_day(13)[0] == "incremental"
    wider = configure(database, "orders", key=("id",), mode="incremental", cursor="moved")
    assert ingest_day(14, wider)[0] == ("incremental" if ingest is by_operator else "snapshot")
    assert ingest_day(15, wider)[0] == "incremental"
    other_cursor = wider.model_copy(update={"cursor": "id"})
    assert ingest_day(16, other_cursor) == ("snapshot", everything)
    assert ingest_day(17, other_cursor.model_copy(update={"key": ("id", "note")})) == ("snapshot", everything)


@WAYS
def test_full_snapshots_are_read_until_a_row_has_a_cursor_value(
    database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest
) -> None:
    run_sql(database, "UPDATE orders SET moved = NULL")
    for number in (1, 2):
        ingest(database, bronze, orders, batch_id=batch_of_day(number))
        assert read(bronze, orders) == ("snapshot", list(range(1, 201)), None)
    run_sql(database, "DELETE FROM orders WHERE id > 2", "UPDATE orders SET moved = '2024-11-02Z' WHERE id = 1")
    for number, mode in ((3, "snapshot"), (4, "incremental")):
        ingest(database, bronze, orders, batch_id=batch_of_day(number))
        assert read(bronze, orders) == (mode, [1, 2], "2024-11-02T00:00:00+00:00")


def test_ranges_of_pages_and_the_cursor_together(
    database: Server, bronze: BronzeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", 10)
    run_sql(
        database,
        "CREATE TABLE big (id int PRIMARY KEY, filler text, version bigint)",
        "INSERT INTO big SELECT i, repeat('x', 400), i FROM generate_series(1, 2000) i",
        "UPDATE big SET version = version + 10000 WHERE id % 100 = 0",
    )
    table = configure(database, "big", key=("id",), mode="incremental", cursor="version", cursor_lag=0)
    lines: list[str] = []
    bronze.ingest(database, table, batch_id=batch_of_day(1), connections=3)
    assert (len(bronze.manifest(table).files) > 5, bronze.manifest(table).cursor.reached) == (True, "12000")
    run_sql(database, "UPDATE big SET version = version + 20000 WHERE id % 50 = 1")
    bronze.ingest(database, table, batch_id=batch_of_day(2), connections=3, log=lines.append)
    mode, ids, reached = read(bronze, table)
    assert (mode, reached) == ("incremental", "21951")
    assert ids == sorted([2000, *range(1, 2001, 50)])
    assert len(bronze.manifest(table).files) > 1
    assert "public.big: reading rows with version >= 12000" in lines


def test_operator_and_data_factory_in_turn(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    by_operator(database, bronze, orders, batch_id=batch_of_day(1))
    by_data_factory(database, bronze, orders, batch_id=batch_of_day(2))
    by_operator(database, bronze, orders, batch_id=batch_of_day(3))
    assert [(m.mode, m.written_by, m.rows) for m in manifests(bronze, orders)] == [
        ("snapshot", "operator", 200),
        ("incremental", "adf", 61),
        ("incremental", "operator", 61),
    ]


def test_a_copy_of_one_range_is_never_sealed_as_another(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    """The table's file may change while Data Factory copies. An increment taken for a snapshot would empty silver."""
    by_data_factory(database, bronze, orders, batch_id=batch_of_day(1))
    start_copies(database, bronze, orders, batch_id=batch_of_day(2))
    always_snapshot = orders.model_copy(update={"mode": "snapshot", "cursor": None})
    further_back = orders.model_copy(update={"cursor_lag": 7200})
    for changed, full_reload in ((always_snapshot, False), (further_back, False), (orders, True)):
        with pytest.raises(BronzeError, match=r"has copied run-00000-since-\w{8}\.parquet for another range of rows"):
            seal_copies(bronze, changed, batch_id=batch_of_day(2), full_reload=full_reload)
    shutil.rmtree(bronze.paths.batch("test", "public", "orders", batch_of_day(2)))
    start_copies(database, bronze, always_snapshot, batch_id=batch_of_day(2))
    with pytest.raises(
        BronzeError, match=r"copied run-00000\.parquet for another range of rows than mode 'incremental'"
    ):
        seal_copies(bronze, orders, batch_id=batch_of_day(2))
