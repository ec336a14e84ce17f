"""Incremental tables read from a real server, by our operator and by Data Factory: increment or full snapshot."""

from __future__ import annotations

import shutil

import pytest

from cli.postgres.embedded import Server
from midnight.bronze.increments import read_history
from midnight.configuration.tables import Table
from midnight.errors import BronzeError
from tests.support.incremental_ingest import (
    WAYS,
    Ingest,
    batch_of_day,
    by_data_factory,
    by_operator,
    manifests,
    read,
    seal_copies,
    start_copies,
)
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.other_postgres import version_of_postgres


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
    if ingest is by_operator and version_of_postgres() < 11:  # the default rewrites the table
        assert ingest_day(13)[0] == "snapshot"
    elif ingest is by_operator:  # includes new columns by itself
        assert ingest_day(13)[0] == "incremental"
        assert (bronze.manifest(orders).columns[-1].name, bronze.manifest(orders).columns[-1].missing) == (
            "priority",
            "1",
        )
    else:
        assert ingest_day(13)[0] == "incremental"
    wider = configure(database, "orders", key=("id",), mode="incremental", cursor="moved")
    assert ingest_day(14, wider)[0] == ("incremental" if ingest is by_operator else "snapshot")
    assert ingest_day(15, wider)[0] == "incremental"
    other_cursor = wider.model_copy(update={"cursor": "id"})
    # The operator finds by visibility what changed; a copy has no snapshot.
    assert ingest_day(16, other_cursor)[0] == ("incremental" if ingest is by_operator else "snapshot")
    assert ingest_day(17, other_cursor)[0] == "incremental"
    longer_key = other_cursor.model_copy(update={"key": ("id", "note")})
    assert ingest_day(18, longer_key) == ("snapshot", everything)
    assert ingest_day(19, longer_key)[0] == "incremental"
    assert ingest_day(20, other_cursor)[0] == "incremental"  # by a part of the key that the increment was read for


def test_data_factory_reads_full_snapshots_until_a_row_has_a_cursor_value(
    database: Server, bronze: BronzeFolder, orders: Table
) -> None:
    run_sql(database, "UPDATE orders SET moved = NULL")
    for number in (1, 2):
        by_data_factory(database, bronze, orders, batch_id=batch_of_day(number))
        assert read(bronze, orders) == ("snapshot", list(range(1, 201)), None)
    run_sql(database, "DELETE FROM orders WHERE id > 2", "UPDATE orders SET moved = '2024-11-02Z' WHERE id = 1")
    for number, mode in ((3, "snapshot"), (4, "incremental")):
        by_data_factory(database, bronze, orders, batch_id=batch_of_day(number))
        assert read(bronze, orders) == (mode, [1, 2], "2024-11-02T00:00:00+00:00")


def test_the_operator_needs_no_cursor_value(database: Server, bronze: BronzeFolder, orders: Table) -> None:
    run_sql(database, "UPDATE orders SET moved = NULL")
    by_operator(database, bronze, orders, batch_id=batch_of_day(1))
    run_sql(database, "UPDATE orders SET note = 'new' WHERE id = 1")
    by_operator(database, bronze, orders, batch_id=batch_of_day(2))
    assert read(bronze, orders) == ("incremental", [1], None)
    run_sql(database, "UPDATE orders SET moved = '2024-11-02Z' WHERE id = 2")
    by_operator(database, bronze, orders, batch_id=batch_of_day(3))
    assert read(bronze, orders) == ("incremental", [2], "2024-11-02T00:00:00+00:00")
    by_operator(database, bronze, orders, batch_id=batch_of_day(4))
    assert read(bronze, orders)[1] == [2], "rows without a value are not read again"


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
