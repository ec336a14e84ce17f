"""Reads what makes the source keep its write-ahead log and dead rows: slots, prepared and open transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

# Every role sees slots and prepared transactions; the size of the log needs pg_monitor, as do other roles' sessions.
# A slot that is lost or has reserved nothing yet has no restart_lsn.
_SLOTS = """
SELECT slot_name, active,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn)::bigint AS retained
FROM pg_catalog.pg_replication_slots WHERE restart_lsn IS NOT NULL ORDER BY 3 DESC
"""
_PREPARED = """
SELECT gid AS name, extract(epoch FROM pg_catalog.now() - prepared)::float8 / 3600 AS hours
FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY 2 DESC
"""
_SESSIONS = """
SELECT 'process ' || pid || ' of role ' || usename AS name,
       extract(epoch FROM pg_catalog.now() - xact_start)::float8 / 3600 AS hours
FROM pg_catalog.pg_stat_activity
WHERE xact_start IS NOT NULL AND usename IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() ORDER BY 2 DESC
"""
_MAY_SEE_LOG = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE')"
_LOG_BYTES = "SELECT coalesce(pg_catalog.sum(size), 0)::bigint FROM pg_catalog.pg_ls_waldir()"


@dataclass(frozen=True)
class ReplicationSlot:
    """A slot, and the bytes of write-ahead log that the server keeps for it."""

    name: str
    active: bool
    retained_bytes: int


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that keeps dead rows: a prepared one, or that of a session."""

    name: str
    hours: float
    is_prepared: bool


@dataclass(frozen=True)
class SourceLog:
    """What the role can see.

    Args:
        log_bytes: size of the write-ahead log; None: the role may not see it.
        slots: most retained bytes first.
        transactions: of sessions that the role may see, and all prepared ones of the database.
    """

    log_bytes: int | None
    slots: tuple[ReplicationSlot, ...]
    transactions: tuple[OpenTransaction, ...]


async def read_source_log(connection: asyncpg.Connection) -> SourceLog:
    """Read it; no right is needed, and with less than ``pg_monitor`` less is seen.

    Args:
        connection: of the reading role, outside a transaction.
    """
    slots = [
        ReplicationSlot(row["slot_name"], row["active"], row["retained"]) for row in await connection.fetch(_SLOTS)
    ]
    transactions = [
        OpenTransaction(row["name"], row["hours"], prepared)
        for query, prepared in ((_PREPARED, True), (_SESSIONS, False))
        for row in await connection.fetch(query)
    ]
    visible = await connection.fetchval(_MAY_SEE_LOG)
    size = await connection.fetchval(_LOG_BYTES) if visible else None
    return SourceLog(size, tuple(slots), tuple(transactions))
