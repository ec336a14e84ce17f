"""A database with every difficult name, type and permission (tests/data/nasty_source.sql)."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.settings import REPOSITORY

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
            inside.execute(NASTY.read_text(encoding="utf-8"))
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(postgres_server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A database of its own: a copy of the nasty one for tests that also ask for ``reader``, else empty."""
    template = request.getfixturevalue("nasty_template") if "reader" in request.fixturenames else "template1"
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield dataclasses.replace(postgres_server, database=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def reader(database: Server) -> Iterator[Server]:
    """The login of a role that may only read the nasty database, with a password that needs every kind of quoting."""
    role, password = f"reader_{secrets.token_hex(4)}", "p@ss/w:rd #1%"
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        connection.execute(GRANTS.format(role=role))
        yield dataclasses.replace(database, user=role, password=password)
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
