"""Fixtures that every test folder shares."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from local.embedded_postgres import Server, temporary_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL 18 for the whole session; tests use the fixture ``database`` to stay apart."""
    with temporary_server() as server:
        yield server


@pytest.fixture
def database(postgres_server: Server) -> Iterator[Server]:
    """A fresh, empty database of its own; the login is the superuser's."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield dataclasses.replace(postgres_server, database=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
