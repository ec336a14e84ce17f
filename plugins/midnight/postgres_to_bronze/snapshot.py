"""One exported snapshot for a load group, whose relations are locked (``relation_locks``) until it is read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.errors import SourceError
from midnight.postgres_to_bronze import catalogue_queries as queries
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.relation_locks import changed_since_snapshot, lock_others, lock_tables
from midnight.postgres_to_bronze.server_facts import ServerFacts, fetch_if_allowed, read_server
from midnight.sql_text import postgres_literal

if TYPE_CHECKING:
    import asyncpg

# A session that waits for an exclusive lock blocks every later reader: a worker queued behind it would wait for a
# session that waits for the group itself. So a worker gives up soon, and the retry starts from the beginning.
WORKER_LOCK_TIMEOUT = "20s"


class ChangedMeanwhileError(SourceError):
    """A relation was changed between the snapshot and its lock: the snapshot does not show its rows."""


@dataclass(frozen=True)
class ExportedSnapshot:
    """A snapshot that other connections can join while the transaction that exported it is open.

    Args:
        identifier: of the snapshot.
        server: facts about it.
        log_end: of the server when it was taken; empty on a standby, or where the role may not read it.
        durable_at: monotonic clock from which on a crash of the server loses nothing that it shows.
    """

    identifier: str
    server: ServerFacts
    log_end: str = ""
    durable_at: float = 0.0


async def export_snapshot(connection: asyncpg.Connection, tables: Iterable[CatalogueTable]) -> ExportedSnapshot:
    """Lock the tables, then export the snapshot of this connection for others to join.

    The transaction stays open: the snapshot ends with it. Works on a hot standby.

    Args:
        connection: outside a transaction.
        tables: to be read.

    Raises:
        ChangedMeanwhileError: take another snapshot.
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    relations = list(tables)
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await lock_tables(connection, relations)
    identifier = await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")
    await lock_others(connection, relations)
    if await changed_since_snapshot(connection, relations):
        raise ChangedMeanwhileError("a relation was changed between the snapshot and its lock")
    server = await read_server(connection)
    found = "" if server.in_recovery else await fetch_if_allowed(connection, queries.LOG_END)
    end, _, seconds = found.partition(" ")
    return ExportedSnapshot(str(identifier), server, end, time.monotonic() + float(seconds or 0))


async def join_snapshot(
    connection: asyncpg.Connection, snapshot: ExportedSnapshot, tables: Iterable[CatalogueTable]
) -> None:
    """Make a connection see exactly what the exporting one sees.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.execute(f"SET TRANSACTION SNAPSHOT {postgres_literal(snapshot.identifier)}")
    await connection.execute(f"SET LOCAL lock_timeout = {postgres_literal(WORKER_LOCK_TIMEOUT)}")
    relations = list(tables)
    await lock_tables(connection, relations)
    await lock_others(connection, relations)
