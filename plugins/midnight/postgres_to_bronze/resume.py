"""Continues a read that an earlier try of the run has begun: which of its ranges are provably unchanged.

The snapshot of the earlier try is gone, and all tables of a batch must show one snapshot. A range of an earlier file is
used when it holds exactly the rows that the new snapshot shows in it. That is proved as follows, for a table that still
has the same file nodes (so that no row was moved), on a server whose transaction ids mean the same:

* Every row that the new snapshot shows there was written by a transaction that had ended before the earlier snapshot
  was taken: its ``xmin`` is below the snapshot's. So the earlier snapshot showed it as well: the row can have been
  deleted since, but not before.
* There are as many of them as the file has rows. So none was deleted.

A version of a row never changes in place: an update writes another one. Counting needs no transfer, no values and
no TOAST.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from midnight.bronze.batches import checksum
from midnight.bronze.horizon import MOST_TRANSACTIONS, snapshot_bounds, written_since
from midnight.bronze.manifest import BronzeFile
from midnight.bronze.unfinished import FinishedRange, ReadPlace, UnfinishedRead, UnfinishedReads
from midnight.errors import LakeError
from midnight.postgres_to_bronze.read_place import SnapshotPlace, read_snapshot_place
from midnight.postgres_to_bronze.server_facts import ServerFacts
from midnight.postgres_to_bronze.source_settings import SCAN_TIMEOUT_SECONDS
from midnight.postgres_to_bronze.table_plan import TablePlan

if TYPE_CHECKING:
    import asyncpg


class TableResume:
    """What is known about a table from earlier tries, and the record of what this one reads.

    Args:
        unfinished: the records of the load group.
        plan: how the table is read.
        record: of this try, with what is left from earlier ones.
        place: of this try's snapshot.

    Attributes:
        unchanged: number of ranges of earlier tries that are used.
        since: when the oldest of them was read.
    """

    def __init__(
        self, unfinished: UnfinishedReads, plan: TablePlan, record: UnfinishedRead, place: SnapshotPlace
    ) -> None:
        self._unfinished, self._plan, self._record, self._place = unfinished, plan, record, place
        self._earlier = {each.number: each for each in record.finished}
        self._pending: list[FinishedRange] = []
        self._lock = asyncio.Lock()
        self._found = len(record.finished)
        self.unchanged = 0
        self.since: datetime | None = None

    async def unchanged_file(self, connection: asyncpg.Connection, number: int, condition: str) -> BronzeFile | None:
        """The file of a range that an earlier try has read, if it still holds what this snapshot shows.

        Args:
            connection: inside this try's snapshot.
            number: of the range.
            condition: of the range.

        Raises:
            asyncpg.PostgresError, OSError: from the server.
        """
        earlier = self._earlier.pop(number, None)
        if earlier is None:
            return None
        if await asyncio.to_thread(self._is_intact, earlier.file):
            query = _proof(self._plan, condition, snapshot_bounds(earlier.snapshot)[0])
            row = await connection.fetchrow(query, timeout=SCAN_TIMEOUT_SECONDS)
            if row["newer"] == 0 and row["rows"] == earlier.file.rows:
                self.unchanged += 1
                self.since = min(filter(None, [self.since, earlier.read_at]))
                await self._replace(earlier.model_copy(update={"snapshot": self._place.snapshot}))
                return earlier.file
        await asyncio.to_thread(self._delete, earlier.file)
        return None

    async def add(self, number: int, file: BronzeFile) -> None:
        """Record a range that was read, for the next try.

        Args:
            number: of the range.
            file: complete and on disk.

        Raises:
            LakeError: the record cannot be written.
        """
        now = datetime.now(UTC)
        self._pending.append(FinishedRange(number=number, file=file, snapshot=self._place.snapshot, read_at=now))
        if self._place.is_safe:
            finished, self._pending = self._pending, []
            await self._replace(*finished)

    def summary(self) -> str:
        """One line about what was used; empty if there was nothing to use."""
        total = len(self._plan.ranges)
        if not self._found or self.since is None:
            return f"starts again: none of its {self._found} ranges is unchanged" if self._found else ""
        return (
            f"resumed: {self.unchanged} of {total} ranges unchanged since {self.since:%Y-%m-%d %H:%M:%S} UTC, "
            f"{total - self.unchanged} read"
        )

    async def _replace(self, *finished: FinishedRange) -> None:
        numbers = {each.number for each in finished}
        async with self._lock:
            others = [each for each in self._record.finished if each.number not in numbers]
            update = {"finished": (*others, *finished), "updated_at": datetime.now(UTC)}
            self._record = self._record.model_copy(update=update)
            await asyncio.to_thread(self._unfinished.write, self._record)

    def _path(self, file: BronzeFile) -> str:
        return f"{self._unfinished.bronze.batch_folder(self._plan.table, self._unfinished.batch_id)}/{file.name}"

    def _is_intact(self, file: BronzeFile) -> bool:
        lake, path = self._unfinished.bronze.lake, self._path(file)
        try:
            return lake.size(path) == file.bytes and checksum(lake, path) == file.sha256
        except LakeError:
            return False

    def _delete(self, file: BronzeFile) -> None:
        self._unfinished.bronze.lake.delete_file(self._path(file))


async def plan_resume(
    connection: asyncpg.Connection,
    unfinished: UnfinishedReads,
    server: ServerFacts,
    plans: Sequence[TablePlan],
    log: Callable[[str], None],
) -> tuple[list[TablePlan], dict[str, TableResume]]:
    """Find out which tables an earlier try has read in part, and prepare the records of this one.

    Args:
        connection: inside this try's snapshot.
        unfinished: the records of the load group.
        server: facts about it.
        plans: of all tables.
        log: takes a line per table whose earlier ranges cannot be used.

    Returns:
        The plans, those of resumed tables with the ranges of the earlier try; and by qualified name what is known.

    Raises:
        asyncpg.PostgresError: see ``source_errors.source_error``.
    """
    records = unfinished.read_all([plan.table for plan in plans])
    chosen = [
        plan
        for plan in plans
        if (len(plan.ranges) > 1 or plan.table.qualified_name in records)
        # The values that became null are counted while they are read, and an earlier try's count is gone.
        and not any(column.replace_by_null for column in plan.columns)
    ]
    place = await read_snapshot_place(connection, server, chosen) if chosen else None
    resumes: dict[str, TableResume] = {}
    planned = {}
    for plan in chosen:
        name, record = plan.table.qualified_name, records.get(plan.table.qualified_name)
        here = None if place is None else place.of_table(plan)
        reason = "" if record is None else _start_again_reason(record, here, place)
        if record is not None and reason:
            log(f"{name}: starts again: {reason}")
            unfinished.delete_files(plan.table)
            record = None
        if here is None or place is None or (record is None and len(plan.ranges) == 1):
            continue
        if record is None:
            record = unfinished.new_record(plan.table, here, plan.ranges, datetime.now(UTC))
        planned[name] = replace(plan, ranges=record.ranges)
        resumes[name] = TableResume(unfinished, planned[name], record, place)
    return [planned.get(plan.table.qualified_name, plan) for plan in plans], resumes


def _start_again_reason(record: UnfinishedRead, here: ReadPlace | None, place: SnapshotPlace | None) -> str:
    """Why nothing of an earlier try can be used; empty if something can."""
    if here is None or place is None:
        return "the server does not show what would prove that its ranges are unchanged"
    difference = record.place.difference(here)
    if difference:
        return difference
    bounds = [snapshot_bounds(each.snapshot) for each in record.finished]
    oldest, newest = min(xmin for xmin, _ in bounds), max(xmax for _, xmax in bounds)
    if place.xmax - oldest >= MOST_TRANSACTIONS:
        return f"more than {MOST_TRANSACTIONS:,} transactions began since"
    # A later snapshot of the same primary shows whatever an earlier one has shown; that of a standby may lag behind.
    if place.xmax < newest or ((place.in_recovery or record.place.in_recovery) and place.xmin < newest):
        return "this server does not show yet what was read then"
    return ""


def _proof(plan: TablePlan, condition: str, xmin: int) -> str:
    """Rows of a range, and how many of them the earlier snapshot may not have shown; one too many is safe."""
    conditions = " AND ".join(part for part in (condition, plan.reading.condition()) if part)
    return (
        "SELECT pg_catalog.count(*) AS rows, "
        f"pg_catalog.count(*) FILTER (WHERE {written_since(xmin)}) AS newer "
        f"FROM {plan.relation}{f' WHERE {conditions}' if conditions else ''}"
    )
