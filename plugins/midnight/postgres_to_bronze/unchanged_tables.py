"""Proves that a table has not changed since its last full snapshot, at the cost of looking at each row once.

No row was written by a transaction that the last snapshot did not show, so every current row was there then. There are
as many rows as then, so none was deleted. And nothing in the catalogue that the values depend on has changed. The
server's own counters do not prove it: a crash resets them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from midnight.bronze.batches import BronzeStore
from midnight.bronze.horizon import Horizon, newer_condition
from midnight.bronze.manifest import Manifest
from midnight.bronze.unchanged import UnchangedTable
from midnight.errors import BronzeError
from midnight.postgres_to_bronze.server_facts import ServerFacts
from midnight.postgres_to_bronze.source_settings import SCAN_TIMEOUT_SECONDS
from midnight.postgres_to_bronze.table_plan import TablePlan

if TYPE_CHECKING:
    import asyncpg


def may_be_unchanged(plan: TablePlan, newest: Manifest | None, server: ServerFacts) -> bool:
    """Whether a look at the rows can prove that a new full snapshot would have the rows of the newest batch.

    Args:
        plan: how the table would be read.
        newest: its newest batch.
        server: that would be read.
    """
    now = plan.reading.horizon
    if plan.table.mode != "snapshot" or newest is None or newest.mode != "snapshot" or now is None:
        return False
    before = newest.horizon
    if before is None or before.batch_id != newest.batch_id or before.relation is None:
        return False
    same = before.relation == now.relation and before.relation.has_xmin and bool(before.relation.values)
    same = same and newest.columns == tuple(column.bronze for column in plan.columns)
    same = same and newest.read_from.server_version == server.version and newest.written_by == "operator"
    return same and not before.other_place(now) and not before.too_far_back(now) and before.xmin <= now.xmax


async def unchanged_tables(
    connection: asyncpg.Connection,
    plans: Sequence[TablePlan],
    server: ServerFacts,
    bronze: BronzeStore,
    log: Callable[[str], None],
) -> dict[str, UnchangedTable]:
    """The tables, by qualified name, that need no new batch.

    Args:
        connection: inside the snapshot.
        plans: how the tables would be read.
        server: that is read.
        bronze: the source's batches.
        log: takes one line per such table.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    candidates = []
    for plan in plans:
        newest, now = plan.reading.newest, plan.reading.horizon
        if newest is not None and now is not None and may_be_unchanged(plan, newest, server):
            candidates.append((plan, newest, now))
    found = {}
    for number in await _with_the_same_rows(connection, candidates):
        plan, newest, now = candidates[number]
        if _has_files(bronze, newest):
            name, batch_id = plan.table.qualified_name, plan.reading.batch_id
            found[name] = UnchangedTable(batch_id=batch_id, holds=newest.batch_id, checked_at=now.clock)
            log(f"{name}: unchanged since batch {newest.batch_id}; no new batch")
    return found


async def _with_the_same_rows(
    connection: asyncpg.Connection, candidates: Sequence[tuple[TablePlan, Manifest, Horizon]]
) -> list[int]:
    """The numbers of the candidates that have the rows of their batch; one statement for all of them."""
    parts = [
        f"SELECT {number} AS number, count(*) AS rows, count(*) FILTER (WHERE {newer_condition(newest.horizon, now)}) "
        f"AS newer FROM {plan.relation}"
        for number, (plan, newest, now) in enumerate(candidates)
        if newest.horizon is not None
    ]
    query = " UNION ALL ".join(parts)
    rows = await connection.fetch(query, timeout=SCAN_TIMEOUT_SECONDS) if parts else []
    return [r["number"] for r in rows if (r["rows"], r["newer"]) == (candidates[r["number"]][1].rows, 0)]


def _has_files(bronze: BronzeStore, newest: Manifest) -> bool:
    try:
        bronze.verify_batch(newest, content=False)
    except BronzeError:
        return False
    return True
