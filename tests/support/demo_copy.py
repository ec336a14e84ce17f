"""A copy of the demo source that a test may change."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator

import psycopg

from cli.postgres.embedded import Server


@contextlib.contextmanager
def copied_demo(demo_source: Server) -> Iterator[Server]:
    """A copy of the demo source that may be changed."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(dataclasses.replace(demo_source, database="postgres").dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {demo_source.database} STRATEGY file_copy")
        yield dataclasses.replace(demo_source, database=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
