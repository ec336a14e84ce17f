"""Reads the horizon of a snapshot; SELECT on the tables is enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from midnight.bronze.horizon import Horizon, Relation, oldest_start
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.server_facts import ServerFacts, read_timeline
from midnight.postgres_to_bronze.source_address import SourceAddress

if TYPE_CHECKING:
    import asyncpg

# Every transaction holds a lock on its virtual id while it is open, which every role sees; only roles with
# pg_read_all_stats see when those of other roles began. Processes of the server (autovacuum) have no user and write no
# rows. pg_prepared_xacts is read last: a transaction that is prepared in between is in one of the two lists.
_OPEN = """
SELECT l.virtualtransaction AS name, a.xact_start AS started
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
  AND a.datname = pg_catalog.current_database() AND a.usename IS NOT NULL
"""
_PREPARED = """
SELECT 'prepared/' || p.transaction::text AS name, NULL::timestamptz AS started
FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()
"""
_PLACE = """
SELECT d.oid::bigint AS database, {function}()::text AS snapshot
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
# Rights on single columns do not include the system columns.
_PARTS = """
WITH RECURSIVE tree AS (
    SELECT c.oid AS root, c.oid FROM pg_catalog.pg_class c WHERE c.oid::bigint = ANY ($1::bigint[])
  UNION
    SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
)
SELECT t.root::bigint AS root, c.oid::bigint AS oid,
       c.relkind IN ('r', 'm') AND coalesce(a.amname, 'heap') = 'heap'
           AND pg_catalog.has_table_privilege(t.root, 'SELECT') AS has_xmin
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind <> 'p'
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
ORDER BY 1, 2
"""

# What turns stored values into what is read: columns and their types, and of these, step by step down, labels of
# enums, attributes of composites, domains, output functions. A virtual generated column (18) is recomputed; the text
# of reg* types and of aclitem depends on other objects; that of extensions' types on their version.
_VALUES = """
WITH RECURSIVE attributes AS (
    SELECT a.attrelid AS root, a.attnum, a.attname, a.atttypid, a.atttypmod,
           coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') AS generated
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid::bigint = ANY ($1::bigint[]) AND a.attnum > 0 AND NOT a.attisdropped
), types AS (
    SELECT a.root, a.atttypid AS oid FROM attributes a
  UNION
    SELECT t.root, x.oid
    FROM types t
    JOIN pg_catalog.pg_type p ON p.oid = t.oid
    CROSS JOIN LATERAL (
        SELECT p.typbasetype AS oid
      UNION ALL SELECT p.typelem
      UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = p.typrelid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r
                WHERE r.rngtypid = p.oid OR pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = p.oid::text
    ) x
    WHERE x.oid <> 0
), facts AS (
    SELECT a.root, pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname, a.atttypid, a.atttypmod) AS fact,
           a.generated = 'v' AS changing
    FROM attributes a
  UNION ALL
    SELECT t.root, pg_catalog.concat_ws(' ', 'type', t.oid, p.typname, p.typoutput, p.typtypmod),
           p.typname ~ '^_?(reg[a-z]+|aclitem)$'
    FROM types t JOIN pg_catalog.pg_type p ON p.oid = t.oid
  UNION ALL
    SELECT t.root, pg_catalog.concat_ws(' ', 'label', e.enumtypid, e.oid, e.enumlabel), false
    FROM types t JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
  UNION ALL
    SELECT t.root, pg_catalog.concat_ws(' ', 'attribute', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod),
           false
    FROM types t
    JOIN pg_catalog.pg_type p ON p.oid = t.oid AND p.typrelid <> 0
    JOIN pg_catalog.pg_attribute a ON a.attrelid = p.typrelid AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT f.root::bigint AS root, pg_catalog.bool_or(f.changing) AS changing,
       pg_catalog.md5(pg_catalog.string_agg(f.fact, ' | ' ORDER BY f.fact) || pg_catalog.current_setting('lc_monetary')
           || coalesce((SELECT pg_catalog.string_agg(e.extname || ' ' || e.extversion, ',' ORDER BY e.extname)
                        FROM pg_catalog.pg_extension e), '')) AS digest
FROM facts f
GROUP BY f.root
"""


@dataclass(frozen=True)
class OpenTransactions:
    """The transactions that could write to the database, each with its start, None where the role may not see it.

    ``clock`` of the server is from before they were listed.
    """

    clock: datetime
    starts: Mapping[str, datetime | None]


@dataclass(frozen=True)
class SnapshotFacts:
    """What ``horizon_of`` makes the horizon of each table from; fields as in ``Horizon``."""

    open: OpenTransactions
    snapshot: str
    cluster: str
    timeline: int | None
    database: int
    in_recovery: bool
    relations: Mapping[int, Relation]

    def horizon_of(self, oid: int, batch_id: str, before: Horizon | None) -> Horizon:
        """The horizon of a table.

        Args:
            oid: of the table.
            batch_id: of the batch that is read.
            before: the horizon of the table's batch before it.
        """
        horizon = Horizon(
            batch_id=batch_id,
            snapshot=self.snapshot,
            clock=self.open.clock,
            oldest_start=None,
            cluster=self.cluster,
            timeline=self.timeline,
            database=self.database,
            in_recovery=self.in_recovery,
            relation=self.relations.get(oid),
        )
        if self.in_recovery:  # the transactions are on the primary
            return horizon
        same = before if before is not None and before.cluster == self.cluster else None
        oldest, starts = oldest_start(self.open.clock, self.open.starts, same)
        return horizon.model_copy(update={"oldest_start": oldest, "open_transactions": starts})


async def read_open_transactions(connection: asyncpg.Connection) -> OpenTransactions:
    """List the open transactions, before the snapshot is taken: one that ends in between is visible in it.

    Args:
        connection: outside a transaction.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    clock = await connection.fetchval("SELECT pg_catalog.clock_timestamp()")
    rows = [*await connection.fetch(_OPEN), *await connection.fetch(_PREPARED)]
    return OpenTransactions(clock, {row["name"]: row["started"] for row in rows})


async def read_snapshot_facts(
    connection: asyncpg.Connection,
    server: ServerFacts,
    address: SourceAddress,
    transactions: OpenTransactions,
    tables: Iterable[CatalogueTable],
) -> SnapshotFacts:
    """Read the horizon of the transaction's snapshot.

    Args:
        connection: inside the transaction that holds the snapshot.
        server: facts about it.
        address: names the server where the role may not read its identity.
        transactions: from ``read_open_transactions``.
        tables: of the catalogue.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    function = "pg_current_snapshot" if server.version_number >= 130_000 else "txid_current_snapshot"
    row = await connection.fetchrow(_PLACE.format(function=f"pg_catalog.{function}"))
    wanted = [table.oid for table in tables]
    values = {r["root"]: "" if r["changing"] else r["digest"] for r in await connection.fetch(_VALUES, wanted)}
    parts: dict[int, dict[int, bool]] = {}
    for part in await connection.fetch(_PARTS, wanted):
        parts.setdefault(part["root"], {})[part["oid"]] = part["has_xmin"]
    return SnapshotFacts(
        open=transactions,
        snapshot=row["snapshot"],
        cluster=server.identity or f"{address.host}:{address.port}",
        timeline=await read_timeline(connection, server),
        database=row["database"],
        in_recovery=server.in_recovery,
        relations={
            oid: Relation(oid=oid, parts=tuple(found), has_xmin=all(found.values()), values=values.get(oid, ""))
            for oid, found in parts.items()
        },
    )
