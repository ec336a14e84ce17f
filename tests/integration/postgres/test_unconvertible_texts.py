"""A value that the server itself cannot convert stops its table, not the others of the load group."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.postgres_to_bronze import page_ranges
from tests.support.ingest_run import configure, run_sql
from tests.support.other_postgres import drop_database, version_of_postgres

FIRST, SECOND = "20260101T000000000Z-00000001", "20260102T000000000Z-00000002"
NOT_UTF8 = r"convert_from('\xff41'::bytea, 'SQL_ASCII')"


@pytest.fixture
def unchecked(postgres_server: Server) -> Iterator[Server]:
    """A database whose encoding does not check texts."""
    name = f"test_{secrets.token_hex(6)}"
    locale = "LOCALE 'C'" if version_of_postgres() >= 13 else "LC_COLLATE 'C' LC_CTYPE 'C'"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII {locale} TEMPLATE template0")
        yield dataclasses.replace(postgres_server, database=name)
        drop_database(connection, name)


def make_tables(server: Server) -> None:
    for name in ("a", "b", "c"):
        run_sql(
            server,
            f"CREATE TABLE {name} (id int PRIMARY KEY, note text, changed timestamptz NOT NULL DEFAULT now())",
            f"INSERT INTO {name} SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i",
        )


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize(
    "fields",
    [
        {"reconcile": "off"},
        {"reconcile": "digests"},
        {"mode": "incremental", "key": ["id"], "cursor": "changed", "deletes": "keys"},
    ],
    ids=str,
)
def test_a_text_that_is_not_utf_8_stops_only_its_table(unchecked, bronze, monkeypatch, connections, fields):
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", 10)
    make_tables(unchecked)
    tables = [configure(unchecked, name, **fields) for name in "abc"]
    bronze.ingest(unchecked, *tables, batch_id=FIRST, connections=connections)
    run_sql(unchecked, f"UPDATE b SET note = {NOT_UTF8}, changed = now() WHERE id = 2500")
    run_sql(unchecked, *(f"INSERT INTO {name} VALUES (6000, 'new')" for name in "abc"))
    bronze.ingest(unchecked, *tables, batch_id=SECOND, connections=connections, partial=True)
    (stopped,) = bronze.stopped(SECOND)
    assert stopped.silver == "b"
    assert "holds a text that PostgreSQL cannot convert to UTF-8" in stopped.message
    assert [bronze.store.is_sealed(table, SECOND) for table in tables] == [True, False, True]
    for table in tables[::2]:
        manifest = bronze.store.read_manifest(table, SECOND)
        assert manifest is not None
        bronze.store.verify_batch(manifest)
        assert 6000 in bronze.read(table)["id"].to_pylist()
    assert not list(bronze.store.lake.list_names(bronze.store.batch_folder(tables[1], SECOND)))


@pytest.mark.parametrize("connections", [1, 3])
def test_so_does_a_value_that_its_cast_refuses(database, bronze, connections):
    run_sql(database, *(f"CREATE TABLE {name} (id int PRIMARY KEY, v text)" for name in "ab"))
    run_sql(database, *(f"INSERT INTO {name} VALUES (1, '1'), (2, 'two')" for name in "ab"))
    tables = [configure(database, "a", bronze_type={"v": "integer"}), configure(database, "b")]
    bronze.ingest(database, *tables, batch_id=FIRST, connections=connections, partial=True)
    (stopped,) = bronze.stopped(FIRST)
    assert stopped.silver == "a"
    assert 'invalid input syntax for type integer: "two"' in stopped.message
    assert bronze.read(tables[1])["v"].to_pylist() == ["1", "two"]
