"""PostgreSQL to bronze against a real server: names, columns, views and permissions."""

from __future__ import annotations

import dataclasses

import asyncpg
import pytest

from midnight.errors import SourceError
from midnight.postgres_to_bronze import source_settings
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from tests.support.big_table import BIG, EVERY_ID
from tests.support.ingest_run import configure, run_sql
from tests.support.other_postgres import needs_postgres


def test_names_of_any_kind(database, bronze):
    run_sql(database, 'CREATE SCHEMA "Über schema"')
    run_sql(database, 'CREATE TABLE "Über schema"."select ""from""" ("user" int PRIMARY KEY, "a.b/c" text, "ä ö" int)')
    run_sql(database, 'INSERT INTO "Über schema"."select ""from""" VALUES (1, \'x\', 2)')
    table = configure(database, 'select "from"', schema="Über schema")
    bronze.ingest(database, table)
    assert bronze.read(table).column_names == ["user", "a_b_c", "ä_ö"]
    assert bronze.rows(table) == [(1, "x", 2)]
    assert all(name.isascii() for name in bronze.files())


@needs_postgres(12, "a generated column")
def test_generated_columns_and_new_columns(database, bronze):
    run_sql(
        database, "CREATE TABLE g (a int, twice int GENERATED ALWAYS AS (a * 2) STORED)", "INSERT INTO g VALUES (4)"
    )
    table = configure(database, "g")
    run_sql(database, "ALTER TABLE g ADD \"New one\" text DEFAULT 'n'", 'ALTER TABLE g ADD "New_one" int')
    bronze.ingest(database, table)
    assert bronze.read(table).column_names == ["a", "twice", "New_one", "New_one_2"]
    assert bronze.rows(table) == [(4, 8, "n", None)]
    ignoring = table.model_copy(update={"new_columns": "ignore"})
    bronze.ingest(database, ignoring, batch_id="b2")
    assert bronze.rows(ignoring) == [(4, 8)]
    with pytest.raises(SourceError, match=r"new columns \['New one', 'New_one'\] \(on_schema_change: freeze\)"):
        bronze.ingest(database, table.model_copy(update={"on_schema_change": "freeze"}), batch_id="b3")


def test_views_without_ranges_and_tables_with_permissions_on_some_columns(database, bronze):
    run_sql(
        database,
        "CREATE TABLE secretive (id int, salary int)",
        "INSERT INTO secretive VALUES (1, 1000)",
        "CREATE VIEW v AS SELECT id + 1 AS next FROM secretive",
        "CREATE ROLE some_columns LOGIN PASSWORD 'reader-password'",
        "GRANT SELECT (id) ON secretive TO some_columns",
        "GRANT SELECT ON v TO some_columns",
    )
    try:
        table, view = configure(database, "secretive"), configure(database, "v")
        only_id = table.model_copy(update={"columns": table.columns[:1], "new_columns": "ignore"})
        login = type(database)(database.host, database.port, "some_columns", "reader-password", database.database)
        bronze.ingest(login, only_id, view)
        assert (bronze.rows(only_id), bronze.rows(view)) == ([(1,)], [(2,)])
        with pytest.raises(SourceError, match=r"may not read column 'salary'.*GRANT SELECT"):
            bronze.ingest(login, table, batch_id="b2")
    finally:
        run_sql(database, "DROP OWNED BY some_columns", "DROP ROLE some_columns")


@pytest.fixture
def talking_view(database):
    """A view of 50 rows whose function sends the client a message for each."""
    run_sql(
        database,
        "CREATE FUNCTION told(n int) RETURNS int LANGUAGE plpgsql "
        "AS $$ BEGIN RAISE WARNING 'row %', n; RETURN n; END $$",
        "CREATE VIEW talking AS SELECT told(n) AS n FROM generate_series(1, 50) n",
    )
    return configure(database, "talking")


def test_a_view_whose_function_sends_messages_loses_no_row(database, bronze, talking_view):
    bronze.ingest(database, talking_view)
    assert sorted(bronze.rows(talking_view)) == [(n,) for n in range(1, 51)]


def test_rows_that_the_server_has_sent_and_that_did_not_arrive_stop_the_run(
    database, bronze, talking_view, monkeypatch
):
    # With these messages asyncpg loses rows in the middle of a COPY.
    monkeypatch.setitem(source_settings.SESSION_SETTINGS, "client_min_messages", "warning")
    with pytest.raises(SourceError, match=r"talking: the server has sent 50 rows, and \d+ have arrived; nothing"):
        bronze.ingest(database, talking_view)
    assert bronze.manifest(talking_view) is None


def test_a_large_table_with_permissions_on_some_columns_is_read_as_one_range(database, bronze, many_ranges):
    """Rights on some columns do not include ctid, by which ranges are chosen."""
    run_sql(
        database,
        *BIG,
        "CREATE ROLE columns_only LOGIN PASSWORD 'columns_only'",
        "GRANT SELECT (id) ON big TO columns_only",
    )
    try:
        table = configure(database, "big", new_columns="ignore")
        table = table.model_copy(update={"columns": table.columns[:1]})
        login = dataclasses.replace(database, user="columns_only", password="columns_only")
        assert bronze.ingest(login, table)[0].rows == len(EVERY_ID)
    finally:
        run_sql(database, "DROP OWNED BY columns_only", "DROP ROLE columns_only")


def test_a_further_table_needs_one_copy_and_one_comparison(database, bronze, monkeypatch):
    statements: list[str] = []

    async def logged(address: SourceAddress) -> asyncpg.Connection:
        connection = await connect(address)
        connection.add_query_logger(lambda record: statements.append(record.query))
        return connection

    monkeypatch.setattr("midnight.postgres_to_bronze.load_group.connect", logged)
    run_sql(database, *(f"CREATE TABLE t{number} AS SELECT {number} AS id" for number in range(20)))
    tables = [configure(database, f"t{number}") for number in range(20)]
    bronze.ingest(database, *tables[:2])
    statements.clear()
    bronze.ingest(database, *tables[:4], batch_id="b2")  # two of them have not changed
    few = len(statements)
    statements.clear()
    assert sum(result.rows for result in bronze.ingest(database, *tables, batch_id="b3")) == 20
    assert len(statements) == few + 14  # one more of each table: its comparison with the source
