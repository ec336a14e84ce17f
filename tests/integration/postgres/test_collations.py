"""Texts under every kind of collation: each is read as it is, and none is merged with one that the source calls equal.

The embedded server has no ICU. Debian's PostgreSQL 15 has it, and so may the one of MIDNIGHT_TEST_POSTGRES.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from deltalake import DeltaTable

from cli.commands import init
from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.settings import load_settings
from tests.support.adf_batches import copy_with_data_factory
from tests.support.debian_postgres import BINARIES, debian_server
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql
from tests.support.local_run import run_silver
from tests.support.other_postgres import drop_database, needs_postgres

pytestmark = needs_postgres(12, "a collation that ignores case")
DAYS = [f"2026010{day}T000000000Z-00000001" for day in (1, 2)]
FOLDING = "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
# Every collation on each kind of column, in keys and inside types; with letters that only some of them tell apart.
PEOPLE = """
CREATE COLLATION by_number (provider = icu, locale = 'en-u-kn-true');
CREATE DOMAIN folded AS text COLLATE folding;
CREATE TYPE pair AS (a text COLLATE folding, b folded);
CREATE TABLE people (
    name text COLLATE folding PRIMARY KEY, tag folded, tags folded[], words text[] COLLATE folding, two pair,
    pairs pair[], note text COLLATE "und-x-icu", city varchar(20) COLLATE by_number UNIQUE,
    code char(5) COLLATE folding,
    plain text COLLATE "C", posix text COLLATE "POSIX", usual text, short name, moved timestamptz DEFAULT now()
);
INSERT INTO people
SELECT CASE i % 2 WHEN 0 THEN 'Renée ' ELSE 'RENEE ' END || i, 'Null', ARRAY['a', 'A', 'null']::folded[],
       ARRAY['é', 'E', NULL], ROW('a', 'null')::pair, ARRAY[ROW('null', NULL)::pair], 'Straße ' || i,
       'c' || i, 'Ab', 'p' || i, 'P' || i, 'ä' || i, 'N', '2024-01-01Z'::timestamptz + make_interval(secs => i)
FROM generate_series(1, 200) i;
INSERT INTO people (name, note, usual)
VALUES (U&'e\\0301', U&'e\\0301', U&'\\00e9'), ('ab  ', 'x', ''), ('Ohm', U&'\\2126', 'Ω')
"""


@pytest.fixture(scope="module")
def icu_server(postgres_server: Server) -> Iterator[Server]:
    if fetch(postgres_server, "SELECT FROM pg_collation WHERE collname = 'und-x-icu'"):
        yield postgres_server
    elif BINARIES.exists():
        with debian_server() as server:
            yield server
    else:
        pytest.skip("no server with ICU is installed")


@pytest.fixture(params=["libc", "icu"])
def database(icu_server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A database that itself sorts by bytes, or by the rules of a language."""
    name = f"collations_{secrets.token_hex(4)}"
    with psycopg.connect(icu_server.dsn, autocommit=True) as connection:
        if request.param == "icu" and connection.info.server_version < 150_000:
            pytest.skip("a database with ICU needs PostgreSQL 15")
        locale = "LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'" if request.param == "icu" else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {locale}")
        yield dataclasses.replace(icu_server, database=name)
        drop_database(connection, name)


def people(database: Server, **fields) -> Table:
    return configure(database, "people", key=["name"], **fields)


@pytest.mark.parametrize("reconcile", ["digests", "counts"])
def test_each_text_is_read_as_it_is_and_equals_the_source(
    database: Server, tmp_path: Path, bronze: BronzeFolder, reconcile: str
) -> None:
    run_sql(database, FOLDING, PEOPLE)
    table = people(database, reconcile=reconcile, mode="incremental", cursor="moved", deletes="keys")
    bronze.ingest(database, table, batch_id=DAYS[0])
    copied = copy_with_data_factory(database, BronzeFolder(tmp_path / "adf"), people(database, reconcile=reconcile))
    texts = ["name", "tag", "note", "city", "code", "plain", "posix", "usual", "short"]
    printed = ", ".join(f"CASE WHEN {name} IS NOT NULL THEN concat({name}) END" for name in texts)
    expected = sorted(fetch(database, f"SELECT {printed} FROM public.people"), key=str)
    assert len(expected) == 203
    for batch in (bronze.read(table), copied.read(table)):
        assert sorted((tuple(row.values()) for row in batch.select(texts).to_pylist()), key=str) == expected
    link = bronze.manifest(table).reconciliation
    assert (link.status, link.method) == ("equal", reconcile)
    run_sql(database, "UPDATE people SET name = lower(name), moved = '2025-01-01Z' WHERE name = 'RENÉE 7'")
    bronze.ingest(database, table, batch_id=DAYS[1])
    keys = bronze.manifest(table).keys
    assert (keys.rows, bronze.manifest(table).reconciliation.status) == (203, "equal")


def test_old_rows_of_a_new_column_that_were_spelled_otherwise_are_read(database: Server, bronze: BronzeFolder) -> None:
    run_sql(
        database,
        FOLDING,
        "CREATE TABLE t (id int PRIMARY KEY, moved timestamptz)",
        "INSERT INTO t SELECT i, '2024-01-01Z'::timestamptz + make_interval(days => i) FROM generate_series(1, 50) i",
    )
    bronze.ingest(database, configure(database, "t", key=["id"], mode="incremental", cursor="moved"), batch_id=DAYS[0])
    run_sql(
        database,
        "ALTER TABLE t ADD kind text COLLATE folding DEFAULT 'old'",
        "UPDATE t SET kind = 'OLD' WHERE id = 1",  # without its cursor
    )
    table = configure(database, "t", key=["id"], mode="incremental", cursor="moved")
    bronze.ingest(database, table, batch_id=DAYS[1])
    assert bronze.manifest(table).mode == "snapshot"
    assert sorted(bronze.read(table).column("kind").to_pylist()) == ["OLD", *["old"] * 49]


# By table: what its file says, and its names in silver after 'Anna' was spelled 'ANNA'.
SPELLED_AGAIN = {
    "whole": ("mode: snapshot", ["ANNA", "Bert", "Ö"]),
    "listed": ("mode: incremental\ncursor: moved\ndeletes: keys", ["ANNA", "Bert", "Ö"]),
    "marked": ("mode: incremental\ncursor: moved\ndeletes: soft", ["ANNA", "(Anna)", "Bert", "Ö"]),
    "unlisted": ("mode: incremental\ncursor: moved\ndeletes: snapshot", ["ANNA", "Anna", "Bert", "Ö"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("database", ["libc"], indirect=True)
def test_a_key_with_another_spelling_is_another_row_of_silver(
    database: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(database, FOLDING)
    for name in SPELLED_AGAIN:
        columns = "name text COLLATE folding PRIMARY KEY, moved timestamptz DEFAULT now()"
        run_sql(database, f"CREATE TABLE {name} ({columns}); INSERT INTO {name} VALUES ('Anna'), ('Bert'), ('Ö')")
    run_sql(database, "CREATE TABLE visit (id int PRIMARY KEY, who text COLLATE folding REFERENCES listed)")
    run_sql(database, "INSERT INTO visit VALUES (1, 'anna'), (2, 'BERT'), (3, 'o')")
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    assert init.main(source=database.dsn) == 0
    settings = load_settings()
    visit = (settings.config / "tables" / "public.visit.yml").read_text(encoding="utf-8")
    assert "the collation of who and name treats different texts" in visit.replace("\n# ", " ")
    assert "checks" not in yaml.safe_load(visit)
    for name, (mode, _) in SPELLED_AGAIN.items():
        file = settings.config / "tables" / f"public.{name}.yml"
        file.write_text(file.read_text(encoding="utf-8").replace("mode: snapshot", mode), encoding="utf-8")
    run_silver(settings, database, DAYS[0])
    for name in SPELLED_AGAIN:
        run_sql(database, f"UPDATE {name} SET name = 'ANNA', moved = clock_timestamp() WHERE name = 'anna'")
    entries = {entry.table: entry for entry in run_silver(settings, database, DAYS[1])[0]}
    for name, (_, expected) in SPELLED_AGAIN.items():
        rows = DeltaTable(settings.paths.silver_table(name)).to_pyarrow_table().to_pylist()
        marked = {row["name"] for row in rows if row.get("_midnight_deleted_batch_id")}
        assert sorted(f"({n})" if n in marked else n for n in (row["name"] for row in rows)) == sorted(expected), name
        warned = "PostgreSQL treats different texts of name" in entries[name].source_warnings
        assert warned == (name == "unlisted"), entries[name].source_warnings
