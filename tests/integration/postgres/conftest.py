"""Fixtures of the tests with a real server: sources with difficult content, and where they are read to."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze import page_ranges
from midnight.settings import REPOSITORY
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.init_command import run_init, url
from tests.support.other_postgres import as_known_by_server, copy_database, drop_database

# A database with every difficult name, type and permission.
NASTY = REPOSITORY / "tests/data" / "nasty_source.sql"
GRANTS = """
GRANT USAGE ON SCHEMA public, sales, "Weird Schema" TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA public, sales, "Weird Schema", secret TO {role};
REVOKE SELECT ON hidden, half_hidden FROM {role};
GRANT SELECT (id, shown) ON half_hidden TO {role};
"""


@pytest.fixture(scope="session")
def nasty_template(postgres_server: Server) -> Iterator[str]:
    """Name of the nasty database, to be copied."""
    name = f"nasty_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(dataclasses.replace(postgres_server, database=name).dsn, autocommit=True) as inside:
            inside.execute(as_known_by_server(NASTY.read_text(encoding="utf-8")))
        yield name
        drop_database(connection, name)


@pytest.fixture
def database(postgres_server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A database of its own: a copy of the nasty one for tests that also ask for ``reader``, else empty."""
    template = request.getfixturevalue("nasty_template") if "reader" in request.fixturenames else "template1"
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        copy_database(connection, name, template)
        yield dataclasses.replace(postgres_server, database=name)
        drop_database(connection, name)


@pytest.fixture
def reader(database: Server) -> Iterator[Server]:
    """The login of a role that may only read the nasty database, with a password that needs every kind of quoting."""
    role, password = f"reader_{secrets.token_hex(4)}", "p@ss/w:rd #1%"
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        connection.execute(GRANTS.format(role=role))
        yield dataclasses.replace(database, user=role, password=password)
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture
def bronze(tmp_path: Path) -> BronzeFolder:
    """An empty lake."""
    return BronzeFolder(tmp_path / "lake")


@pytest.fixture
def many_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large tables are read in ranges of 50 pages."""
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", 50)


@pytest.fixture
def orders(database: Server) -> Table:
    """An incremental table of 200 rows, one a minute."""
    run_sql(
        database,
        "CREATE TABLE orders (id int PRIMARY KEY, note text, moved timestamptz DEFAULT now())",
        "CREATE INDEX ON orders (moved)",
        "INSERT INTO orders SELECT i, 'old', '2024-11-01Z'::timestamptz - make_interval(mins => i) "
        "FROM generate_series(1, 200) i",
    )
    return configure(database, "orders", key=("id",), mode="incremental", cursor="moved")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of an instance of the test's own."""
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    return tmp_path


@pytest.fixture
def written(reader: Server, place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """The nasty database's configuration, and what was printed."""
    assert run_init(url(reader)) == 0
    return place, capsys.readouterr().out
