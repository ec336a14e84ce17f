"""Which rows of a table a run reads, and which batches together hold a table; the same for both ways of ingest.

The read plan depends only on the table's configuration, the id of the batch, the sealed batches before it and, where
there is one, the snapshot that is read. Sealing therefore knows which rows Data Factory, which has none, has copied.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from midnight.bronze.batch_id import batch_time
from midnight.bronze.batches import BronzeStore
from midnight.bronze.horizon import Horizon
from midnight.bronze.late_commits import CURSOR_ALONE, LateCommits, plan_late_commits
from midnight.bronze.manifest import CursorRange, Manifest
from midnight.bronze.schema_changes import SourceTableSchema, full_read_reason
from midnight.configuration.cursors import CursorExtremes, cursor_literal, cursor_value, step_back
from midnight.configuration.tables import Table
from midnight.sql_text import quote_identifier

# Runs are not exactly a day apart: daylight saving time moves them by an hour, manual runs by more.
_INTERVAL_TOLERANCE = timedelta(hours=12)


@dataclass(frozen=True)
class History:
    """The batches of a table before the one that is being read.

    Args:
        newest: the newest sealed batch; None if there is none.
        full_snapshot_available: the full snapshot that it is based on is sealed as well.
    """

    newest: Manifest | None = None
    full_snapshot_available: bool = False

    def oid(self, place: tuple[str, str]) -> int:
        """The table's oid in its last batch, if that is from this server and database; 0 if unknown."""
        last = self.newest
        if last is None or last.relation is None or place != (last.read_from.server, last.read_from.database):
            return 0
        return last.relation.oid


@dataclass(frozen=True)
class ReadPlan:
    """How a table is read into a batch.

    Args:
        table: the configuration.
        batch_id: of the batch.
        full_read_reason: why a full snapshot of an incremental table is read, for the log.
        follows: the batch that an increment continues; None for a full snapshot.
        since: of an increment the smallest cursor value that is read, as text.
        late: of an increment the rows that it reads whatever their cursor is.
        horizon: of the snapshot that is read, or of the batch before; None if there is none.
        newest: the batch before; None if there is none.
    """

    table: Table
    batch_id: str
    full_read_reason: str = ""
    follows: Manifest | None = None
    since: str = ""
    late: LateCommits = CURSOR_ALONE
    horizon: Horizon | None = None
    newest: Manifest | None = None

    @property
    def mode(self) -> Literal["snapshot", "incremental"]:
        """The mode of the batch, for the manifest."""
        return "snapshot" if self.follows is None else "incremental"

    @property
    def reads_keys(self) -> bool:
        """Whether the key of every row is read as well, since the rows do not show which others were deleted."""
        return self.follows is not None and self.table.deletes != "snapshot"

    def condition(self, relation: str = "") -> str:
        """The SQL condition that selects the rows; empty for a full snapshot.

        Args:
            relation: alias of the table in the query; empty if it has none.
        """
        if self.follows is None:
            return ""
        prefix = f"{relation}." if relation else ""
        newer = self.late.condition(prefix)
        column, kind = self.table.cursor_column, self.table.cursor_kind
        if not self.since or column is None or kind is None:
            return newer
        name = f"{prefix}{quote_identifier(column.source_name)}"
        # Visibility finds rows without a value when they change; the cursor alone reads them each time.
        return f"({name} >= {cursor_literal(self.since, kind)} OR {newer or f'{name} IS NULL'})"

    @property
    def range_id(self) -> str:
        """Identifies the range in file names, since one task writes the files and another seals them; empty for a full
        snapshot."""
        condition = self.condition()
        return hashlib.sha256(condition.encode()).hexdigest()[:8] if condition else ""

    def cursor_range(self, extremes: CursorExtremes) -> CursorRange | None:
        """The cursor range for the manifest; None for a table in mode snapshot.

        A value in the future does not move the starting point of the next run, which would miss the rows that are
        written until then. Rows with such values are read again by every run.
        """
        kind = self.table.cursor_kind
        if self.table.cursor is None:
            return None
        before = self.follows.cursor if self.follows else None
        same = before is not None and before.column == self.table.cursor
        found = [t for t in (extremes.highest, before.reached if before and same else None) if t is not None]
        reached = None if kind is None else max(found, key=lambda text: cursor_value(text, kind), default=None)
        if kind is not None and reached is not None and extremes.clock is not None:
            reached = min(reached, extremes.clock, key=lambda text: cursor_value(text, kind))
        return CursorRange(
            column=self.table.cursor,
            key=self.table.key,
            since=self.since or None,
            since_transaction=self.late.since_transaction,
            lowest=extremes.lowest,
            highest=extremes.highest,
            reached=reached,
            follows=self.follows.batch_id if self.follows else "",
            full_snapshot=self.follows.full_snapshot if self.follows else self.batch_id,
        )

    def cursor_warning(self, extremes: CursorExtremes) -> str:
        """Which cursor values must be corrected in the source; empty if none."""
        if not extremes.ahead:
            return ""
        return (
            f"{extremes.ahead:,} row{'s' if extremes.ahead > 1 else ''} of {self.table.qualified_name} with "
            f"{self.table.cursor!r} in the future (after {extremes.latest} UTC), up to {extremes.highest}: read again "
            "by each run; hint: correct these values in the source"
        )

    def __str__(self) -> str:
        if self.follows is None:
            reason = f" ({self.full_read_reason})" if self.full_read_reason else ""
            return f"{self.table.qualified_name}: reading a full snapshot{reason}"
        rows = [f"rows with {self.table.cursor} >= {self.since}"] if self.since else []
        keys = ["the keys of all rows"] if self.reads_keys else []
        return f"{self.table.qualified_name}: reading {', and '.join([*rows, *self.late.rows, *keys])}"


def read_history(bronze: BronzeStore, table: Table, batch_id: str) -> History:
    """The history that ``plan_read`` and the comparison of the table's schema need.

    Raises:
        BronzeError: a manifest cannot be read.
    """
    newest = bronze.newest_sealed_batch(table, before=batch_id)
    if newest is None or table.mode == "snapshot":
        return History(newest)
    return History(newest, newest.mode == "snapshot" or bronze.is_sealed(table, newest.full_snapshot))


def plan_read(
    table: Table,
    schema: SourceTableSchema,
    batch_id: str,
    history: History,
    *,
    full_reload: bool = False,
    now: Horizon | None = None,
) -> ReadPlan:
    """Plan to read a full snapshot, or the rows whose cursor value has increased.

    Args:
        table: the configuration.
        schema: the columns of the new batch, and the identity of the table.
        batch_id: of the batch.
        history: from ``read_history``.
        full_reload: the run's parameter.
        now: the horizon of the snapshot that is read; None without a snapshot (Data Factory).
    """
    kind, newest = table.cursor_kind, history.newest
    before = newest.horizon if newest is not None else None
    plan = ReadPlan(table, batch_id, horizon=now or before, newest=newest)
    if table.mode == "snapshot":
        return plan
    if newest is None:
        return replace(plan, full_read_reason="there is no earlier batch")
    reason = _full_read_reason(table, schema, batch_id, newest)
    if full_reload:
        reason = "full_reload"
    elif not history.full_snapshot_available:
        reason = f"batch {newest.full_snapshot}, the last full snapshot, was deleted"
    cursor = newest.cursor if newest.cursor is not None and newest.cursor.column == table.cursor else None
    reached = cursor.reached if cursor is not None else None
    late = plan_late_commits(table, newest, now, by_cursor=reached is not None)
    if late.full_read_reason and reached is None and not table.reads_by_transaction:
        no_value = f"batch {newest.batch_id} has no value of cursor {table.cursor!r}"
        late = replace(late, full_read_reason=f"{no_value}, and {late.full_read_reason}")
    reason = reason or late.full_read_reason
    if reason:
        return replace(plan, full_read_reason=reason)
    since = ""
    if reached is not None and kind is not None:
        since = step_back(reached, kind, table.effective_cursor_lag + late.further_back)
    return replace(plan, follows=newest, since=since, late=late)


def _full_read_reason(table: Table, schema: SourceTableSchema, batch_id: str, newest: Manifest) -> str:
    """Changed rules of silver need no full read: bronze has all rows since the last full snapshot."""
    if not newest.holds_key(table.key):
        key = list(newest.cursor.key) if newest.cursor else []
        return f"increments were read with key {key!r}, and a row may have changed its {list(table.key)!r} since"
    if changed := full_read_reason(newest, schema):
        return f"since batch {newest.batch_id}: {changed}"
    if table.full_snapshot_interval_days:
        age = batch_time(batch_id) - batch_time(newest.full_snapshot)
        if age + _INTERVAL_TOLERANCE >= timedelta(days=table.full_snapshot_interval_days):
            return f"full_snapshot_interval_days: {table.full_snapshot_interval_days}"
    return ""
