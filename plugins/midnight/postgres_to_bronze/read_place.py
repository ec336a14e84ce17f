"""Where a snapshot was taken: facts by which a later try knows whether its transaction ids and files mean the same."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.bronze.horizon import snapshot_bounds
from midnight.bronze.unfinished import ReadPlace
from midnight.postgres_to_bronze.server_facts import ServerFacts, read_timeline
from midnight.postgres_to_bronze.table_plan import TablePlan

if TYPE_CHECKING:
    import asyncpg

# With synchronous_commit = off a crash may lose commits that the snapshot shows, and give their transaction ids to
# others: until the log is on disk, at the latest after three times the delay (manual, "Asynchronous Commit").
# Labels of enums, and names in composites, decide how unchanged rows are printed.
_SNAPSHOT = """
SELECT pg_catalog.pg_current_snapshot()::text AS snapshot, d.oid::bigint AS database,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN 0
            WHEN pg_catalog.pg_current_wal_flush_lsn() >= pg_catalog.pg_current_wal_insert_lsn() THEN 0
            ELSE extract(epoch FROM 4 * current_setting('wal_writer_delay')::interval) END::float AS unsafe_seconds,
       (SELECT pg_catalog.md5(coalesce(string_agg(enumtypid || ' ' || enumsortorder || ' ' || enumlabel, ','
                                                  ORDER BY enumtypid, enumsortorder), ''))
        FROM pg_catalog.pg_enum) AS labels,
       (SELECT pg_catalog.md5(coalesce(string_agg(a.attrelid || ' ' || a.attnum || ' ' || a.attname, ','
                                                  ORDER BY a.attrelid, a.attnum), ''))
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        WHERE c.relkind = 'c' AND NOT a.attisdropped) AS attributes
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
_STORAGE = """
SELECT leaf.oid, pg_catalog.pg_relation_filenode(leaf.oid::pg_catalog.oid)::bigint AS node
FROM unnest($1::bigint[]) AS leaf (oid)
"""
# The values of such a column are not in the row.
_VIRTUAL = """
SELECT DISTINCT a.attrelid::bigint AS oid FROM pg_catalog.pg_attribute a
WHERE a.attrelid::bigint = ANY ($1::bigint[]) AND a.attgenerated = 'v'
"""


@dataclass(frozen=True)
class SnapshotPlace:
    """Facts about the snapshot of this try.

    Args:
        snapshot: as ``pg_current_snapshot()`` prints it.
        in_recovery: of a standby.
        safe_at: monotonic clock from which on a crash of the server loses nothing that the snapshot shows.
        tables: qualified name -> where the table is read; one that is not in it cannot be resumed.
    """

    snapshot: str
    in_recovery: bool
    safe_at: float
    tables: Mapping[str, ReadPlace]

    @property
    def xmin(self) -> int:
        """See ``horizon.snapshot_bounds``; so ``xmax``."""
        return snapshot_bounds(self.snapshot)[0]

    @property
    def xmax(self) -> int:
        return snapshot_bounds(self.snapshot)[1]

    def of_table(self, plan: TablePlan) -> ReadPlace | None:
        return self.tables.get(plan.table.qualified_name)

    @property
    def is_safe(self) -> bool:
        return time.monotonic() >= self.safe_at


async def read_snapshot_place(
    connection: asyncpg.Connection, server: ServerFacts, plans: Sequence[TablePlan]
) -> SnapshotPlace | None:
    """Facts about the snapshot that a connection holds, and about some tables.

    Args:
        connection: inside the transaction.
        server: facts about it.
        plans: of the tables.

    Returns:
        None if the role may not read them, or the server has none that prove anything (before PostgreSQL 14).

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    if not server.identity or server.version_number < 140_000:
        return None
    timeline = await read_timeline(connection, server)
    if timeline is None:
        return None
    row = await connection.fetchrow(_SNAPSHOT)
    leaves = [leaf.oid for plan in plans for leaf in plan.catalogue.leaves]
    nodes = {each["oid"]: each["node"] for each in await connection.fetch(_STORAGE, leaves)}
    roots = [plan.catalogue.oid for plan in plans]
    virtual = {each["oid"] for each in await connection.fetch(_VIRTUAL, roots)}
    tables = {}
    for plan in plans:
        storage = {leaf.oid: nodes.get(leaf.oid) for leaf in plan.catalogue.leaves}
        found = {oid: node for oid, node in storage.items() if node}
        whole = plan.catalogue.leaves and len(found) == len(storage) and not plan.catalogue.has_heirs
        if whole and all(leaf.heap for leaf in plan.catalogue.leaves) and plan.catalogue.oid not in virtual:
            tables[plan.table.qualified_name] = ReadPlace(
                cluster=server.identity,
                timeline=timeline,
                database=row["database"],
                in_recovery=server.in_recovery,
                storage=found,
                query=_query_digest(plan, row["labels"], row["attributes"]),
            )
    return SnapshotPlace(row["snapshot"], server.in_recovery, time.monotonic() + row["unsafe_seconds"], tables)


def _query_digest(plan: TablePlan, *types: str) -> str:
    """SHA-256 of everything that decides which values a SELECT returns for unchanged rows, and how a file holds them.

    Args:
        plan: of the table.
        types: digests of what user-defined types are.
    """
    columns = [(c.name, c.position, c.type, c.declared_type, c.generated) for c in plan.catalogue.columns]
    parts = [plan.query(""), repr(columns), repr([column.bronze for column in plan.columns]), *types]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
