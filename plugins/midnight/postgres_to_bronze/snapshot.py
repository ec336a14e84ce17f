"""One exported snapshot for a load group, and the locks that keep the tables as they are until it is read.

A snapshot alone is not enough: TRUNCATE and table rewrites (VACUUM FULL, ALTER TABLE) are not bound by it (section
13.6 of the PostgreSQL manual, "Caveats"). So the tables are locked, in the mode of a plain SELECT, before the snapshot
is taken, as pg_dump does. Readers and writers are not blocked by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.server_facts import ServerFacts, read_server
from midnight.sql_text import postgres_literal, quote_relation

if TYPE_CHECKING:
    import asyncpg

# A session that waits for an exclusive lock blocks every later reader: a worker queued behind it would wait for a
# session that waits for the group itself. So a worker gives up soon, and the retry starts from the beginning.
WORKER_LOCK_TIMEOUT = "20s"
_LOCKABLE = ("table", "partitioned table")


@dataclass(frozen=True)
class ExportedSnapshot:
    """A snapshot that other connections can join while the transaction that exported it is open."""

    identifier: str
    server: ServerFacts


async def export_snapshot(connection: asyncpg.Connection, tables: Iterable[CatalogueTable]) -> ExportedSnapshot:
    """Lock the tables, then export the snapshot of this connection for others to join.

    The transaction stays open: the snapshot ends with it. Works on a hot standby.

    Args:
        connection: outside a transaction.
        tables: to be read.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await _lock(connection, tables)  # LOCK TABLE does not take the snapshot yet
    identifier = await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")
    return ExportedSnapshot(str(identifier), await read_server(connection))


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
    await _lock(connection, tables)


async def _lock(connection: asyncpg.Connection, tables: Iterable[CatalogueTable]) -> None:
    """LOCK TABLE needs SELECT on all columns; a table with rights on some columns only is locked when it is read."""
    names = [
        quote_relation(table.schema_name, table.name)
        for table in tables
        if table.kind in _LOCKABLE and all(column.readable for column in table.columns)
    ]
    if names:
        await connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE")
