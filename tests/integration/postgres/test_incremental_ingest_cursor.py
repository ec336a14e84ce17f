"""Incremental tables read from a real server, by our operator and by Data Factory: the range of the cursor."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze import page_ranges
from tests.support.adf_batches import adf_batch
from tests.support.hostile_settings import apply_hostile_settings
from tests.support.incremental_ingest import (
    WAYS,
    Ingest,
    batch_of_day,
    by_operator,
    read,
    start_copies,
)
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.other_postgres import needs_postgres

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


@WAYS
def test_every_type_of_cursor(database: Server, bronze: BronzeFolder, ingest: Ingest) -> None:
    apply_hostile_settings(database)
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
    # 4 has no value.
    ids = [1, 3, 5, 6] if ingest is by_operator else [1, 3, 4, 5]
    assert {kind: read(bronze, t)[:2] for kind, t in tables.items()} == dict.fromkeys(CURSORS, ("incremental", ids))
    for kind, table in tables.items():
        cursor = bronze.manifest(table).cursor
        assert (cursor.since, cursor.highest) == (found[kind][2], cursor.reached)
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


@WAYS
def test_rows_that_were_committed_late_are_found_by_the_operator_and_by_data_factory_within_the_cursor_lag(
    database: Server, bronze: BronzeFolder, orders: Table, ingest: Ingest
) -> None:
    ingest(database, bronze, orders, batch_id=batch_of_day(1))
    # Began before the last row that was read (2024-10-31 23:59) and committed after it.
    run_sql(
        database, "INSERT INTO orders VALUES (201, 'late', '2024-10-31 22:59Z'), (202, 'later', '2024-10-31 22:58Z')"
    )
    ingest(database, bronze, orders, batch_id=batch_of_day(2))
    mode, ids, _ = read(bronze, orders)
    assert (mode, 201 in ids, 202 in ids) == ("incremental", True, ingest is by_operator)
    assert len(ids) == (63 if ingest is by_operator else 62)


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


@needs_postgres(14, "a table that is read in ranges")
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
    assert any(line.startswith("public.big: reading rows with version >= 12000, and those that") for line in lines)
