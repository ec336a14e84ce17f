"""A copy of the demo source that a test may change."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator

import psycopg

from cli.postgres.embedded import Server
from tests.support.other_postgres import copy_database, drop_database


@contextlib.contextmanager
def copied_demo(demo_source: Server) -> Iterator[Server]:
    """A copy of the demo source that may be changed."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(dataclasses.replace(demo_source, database="postgres").dsn, autocommit=True) as connection:
        copy_database(connection, name, demo_source.database)
        yield dataclasses.replace(demo_source, database=name)
        drop_database(connection, name)
