"""Facts about the server that is read: version, identity, role, clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from midnight.postgres_to_bronze import catalogue_queries as queries

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True)
class ServerFacts:
    """The server that is read, and the role.

    Args:
        identity: system identifier of the cluster, the same on its standbys; empty when the role may not read it.
        version: for example ``18.6``; ``version_number`` 180006.
        in_recovery: a hot standby.
        lsn: current write-ahead log position; empty when the role may not read it.
        clock: of the server, when the transaction began.
    """

    identity: str
    version: str
    version_number: int
    in_recovery: bool
    database: str
    user: str
    lsn: str
    clock: datetime


async def read_server(connection: asyncpg.Connection) -> ServerFacts:
    """Facts about the server; a role without special rights is enough.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    row = await connection.fetchrow(queries.SERVER)
    # Some managed services do not grant these functions; a savepoint keeps an outer transaction alive.
    identity = await fetch_if_allowed(connection, queries.IDENTITY)
    lsn = await fetch_if_allowed(connection, queries.STANDBY_LSN if row["in_recovery"] else queries.PRIMARY_LSN)
    return ServerFacts(identity=identity, lsn=lsn, **dict(row))


async def fetch_if_allowed(connection: asyncpg.Connection, query: str) -> str:
    """One value as text; empty when the role may not read it, or the service does not offer it."""
    import asyncpg

    inside = connection.is_in_transaction()
    if inside:
        await connection.execute("SAVEPOINT midnight_fact")
    try:
        return str(await connection.fetchval(query) or "")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError, asyncpg.FeatureNotSupportedError):
        if inside:
            await connection.execute("ROLLBACK TO SAVEPOINT midnight_fact")
        return ""


async def read_timeline(connection: asyncpg.Connection, server: ServerFacts) -> int | None:
    """The timeline of the server, another one after each failover and recovery to a point in time; None if unknown.

    Args:
        connection: to the server, inside a transaction or not.
        server: facts about it.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    # pg_control_checkpoint() shows the timeline before a promotion until its first checkpoint has ended.
    timeline = "" if server.in_recovery else await fetch_if_allowed(connection, queries.PRIMARY_TIMELINE)
    timeline = timeline or await fetch_if_allowed(connection, queries.STANDBY_TIMELINE)
    return int(timeline) if timeline else None
