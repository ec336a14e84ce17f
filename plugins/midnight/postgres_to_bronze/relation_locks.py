"""The locks that keep relations as they are while they are read, in the mode of a plain SELECT.

A snapshot alone is not enough: TRUNCATE and table rewrites are not bound by it (section 13.6 of the PostgreSQL manual,
"Caveats"): a later read finds no row, without an error. So relations are locked before the snapshot is
taken, as pg_dump does; a view with all that it reads. Readers and writers are not blocked by it.

LOCK TABLE does not take every relation: not a materialized view, and not a table of which the role may read some
columns only. Planning a query locks these as well, but takes the snapshot first. What happened to them in between is
found by their files, which the snapshot's catalogue and the present one name differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from midnight.errors import SourceError, first_line
from midnight.names import qualified_name
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.sql_text import quote_relation

if TYPE_CHECKING:
    import asyncpg

_TABLES = ("table", "partitioned table")

# pg_class is read as the snapshot shows it, pg_relation_filenode as it is now. Shared catalogues have no file node. A
# partition that is not locked has been detached.
_CHANGED = """
WITH locked AS (
    SELECT DISTINCT l.relation AS oid
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
    WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
)
SELECT EXISTS (
    SELECT FROM locked l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.oid
    WHERE c.oid IS NULL
       OR c.relkind IN ('r', 'm') AND c.relfilenode <> 0
          AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)
) OR EXISTS (
    SELECT FROM unnest($1::bigint[]) AS leaf (oid) WHERE leaf.oid NOT IN (SELECT l.oid::bigint FROM locked l)
)
"""


async def lock_tables(connection: asyncpg.Connection, relations: Iterable[CatalogueTable]) -> None:
    """Lock tables, and views with what they read; takes no snapshot.

    Args:
        connection: inside a transaction.
        relations: to be read.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    found = list(relations)
    tables = [_name(each) for each in found if _is_lockable_table(each)]
    if tables:
        await connection.execute(_lock(tables))
    views = [_name(each) for each in found if each.kind == "view"]
    if views and not await _try_to_lock(connection, views) and len(views) > 1:
        for view in views:
            await _try_to_lock(connection, [view])


async def lock_others(connection: asyncpg.Connection, relations: Iterable[CatalogueTable]) -> None:
    """Lock what LOCK TABLE may not have locked, by planning a query of it; takes the snapshot.

    Args:
        connection: inside a transaction.
        relations: to be read.

    Raises:
        SourceError: the owner of a view may not read what it reads.
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    import asyncpg

    others = _others(relations)
    if not others:
        return
    try:
        await connection.execute("; ".join(f"EXPLAIN SELECT 1 FROM {_name(each)}" for each in others))
    except asyncpg.InsufficientPrivilegeError as error:
        kinds = ", ".join(f"{each.kind} {qualified_name(each.schema_name, each.name)}" for each in others)
        raise SourceError(
            f"{first_line(error)}, which is needed to read one of {kinds}; hint: grant SELECT on it to the owner of "
            "the view"
        ) from error


async def changed_since_snapshot(connection: asyncpg.Connection, relations: Iterable[CatalogueTable]) -> bool:
    """Whether a relation was rewritten, truncated or taken apart between the snapshot and its lock.

    Args:
        connection: inside the transaction that holds the locks and the snapshot.
        relations: to be read.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    others = _others(relations)
    leaves = [leaf.oid for each in others for leaf in each.leaves]
    return bool(others and await connection.fetchval(_CHANGED, leaves))


def _others(relations: Iterable[CatalogueTable]) -> list[CatalogueTable]:
    """The rows of a foreign table are not part of a snapshot anyway."""
    return [each for each in relations if each.kind != "foreign table" and not _is_lockable_table(each)]


def _is_lockable_table(relation: CatalogueTable) -> bool:
    return relation.kind in _TABLES and all(column.readable for column in relation.columns)


def _name(relation: CatalogueTable) -> str:
    return quote_relation(relation.schema_name, relation.name)


def _lock(names: Sequence[str]) -> str:
    return f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE"


async def _try_to_lock(connection: asyncpg.Connection, views: Sequence[str]) -> bool:
    """False where the server or the rights of a view's owner do not allow it: PostgreSQL 10, or single columns."""
    import asyncpg

    await connection.execute("SAVEPOINT midnight_views")
    locked = True
    try:
        await connection.execute(_lock(views))
    except (asyncpg.InsufficientPrivilegeError, asyncpg.WrongObjectTypeError, asyncpg.FeatureNotSupportedError):
        await connection.execute("ROLLBACK TO SAVEPOINT midnight_views")
        locked = False
    await connection.execute("RELEASE SAVEPOINT midnight_views")
    return locked
