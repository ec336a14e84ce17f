"""What is read of a table tonight, and which batches then belong together: one answer for both ways of ingest.

The answer depends on the table's configuration, the id of the batch and the sealed batches before it alone. So a retry
of a run reads the same range, and what Data Factory has copied can be named when it is sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from midnight.bronze.batches import BatchFolder, newest_sealed_batch
from midnight.bronze.manifest import BronzeColumn, CursorRange, Manifest
from midnight.configuration.cursors import CursorExtremes, cursor_literal, cursor_value, step_back
from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths, batch_time
from midnight.names import quote_identifier

# A midnight of local time comes up to an hour early or late; so does a night after one that was started by hand.
_EARLY = timedelta(hours=12)


@dataclass(frozen=True)
class History:
    """What bronze holds of a table before a batch.

    Args:
        newest: the newest sealed batch; None when there is none.
        full_snapshot_available: the whole table that it goes back to is sealed, too.
    """

    newest: Manifest | None = None
    full_snapshot_available: bool = False


@dataclass(frozen=True)
class ReadPlan:
    """How a table is read into a batch.

    Args:
        table: the configuration.
        batch_id: of the batch.
        full_read_reason: of an incremental table that is read whole, for the log.
        follows: the batch that an increment continues; None: the whole table is read.
        since: for an increment the smallest value that is read, as text.
    """

    table: Table
    batch_id: str
    full_read_reason: str = ""
    follows: Manifest | None = None
    since: str = ""

    @property
    def mode(self) -> Literal["snapshot", "incremental"]:
        """The manifest's."""
        return "snapshot" if self.follows is None else "incremental"

    def condition(self, relation: str = "") -> str:
        """What the rows must fulfil, in SQL; empty for the whole table.

        Args:
            relation: what the query calls the table, where it calls it anything.
        """
        column, kind = self.table.cursor_column, self.table.cursor_kind
        if self.follows is None or column is None or kind is None:
            return ""
        name = (
            f"{relation}.{quote_identifier(column.source_name)}" if relation else quote_identifier(column.source_name)
        )
        return f"({name} >= {cursor_literal(self.since, kind)} OR {name} IS NULL)"

    @property
    def mark(self) -> str:
        """Names the range, for files that are written by one task and sealed by another; empty for the whole table."""
        condition = self.condition()
        return hashlib.sha256(condition.encode()).hexdigest()[:8] if condition else ""

    def cursor_range(self, extremes: CursorExtremes) -> CursorRange | None:
        """For the manifest; None for a table that is always read whole.

        A value ahead of the clock does not move the point at which the next run begins: rows that are written until
        then would be behind it. Those ahead are read again by every run.
        """
        kind = self.table.cursor_kind
        if kind is None or self.table.cursor is None:
            return None
        before = self.follows.cursor if self.follows else None
        found = [t for t in (extremes.highest, before.reached if before else None) if t is not None]
        reached = max(found, key=lambda text: cursor_value(text, kind), default=None)
        if reached is not None and extremes.clock is not None:
            reached = min(reached, extremes.clock, key=lambda text: cursor_value(text, kind))
        return CursorRange(
            column=self.table.cursor,
            key=self.table.key,
            since=self.since or None,
            lowest=extremes.lowest,
            highest=extremes.highest,
            reached=reached,
            follows=self.follows.batch_id if self.follows else "",
            whole=before.whole if before else self.batch_id,
        )

    def cursor_warning(self, extremes: CursorExtremes) -> str:
        """What is to be corrected in the source's cursor; empty when nothing is."""
        if not extremes.ahead:
            return ""
        return (
            f"{extremes.ahead:,} row{'s' if extremes.ahead > 1 else ''} of {self.table.qualified_name} with "
            f"{self.table.cursor!r} ahead of the clock ({extremes.latest} UTC), up to {extremes.highest}: read again "
            "by each run; hint: correct these values in the source"
        )

    def __str__(self) -> str:
        if self.follows is None:
            reason = f" ({self.full_read_reason})" if self.full_read_reason else ""
            return f"{self.table.qualified_name}: the whole table is read{reason}"
        return f"{self.table.qualified_name}: rows with {self.table.cursor} from {self.since} on are read"


def read_history(lake: LakeFiles, paths: LakePaths, source: str, table: Table, batch_id: str) -> History:
    """What ``plan_reading`` needs to know; nothing is read for a table that is always read whole.

    Raises:
        BronzeError: a manifest cannot be read.
    """
    if table.mode == "snapshot":
        return History()
    place = (lake, paths, source, table.schema_name, table.table)
    newest = newest_sealed_batch(*place, before=batch_id)
    cursor = newest.cursor if newest is not None else None
    return History(newest, cursor is not None and BatchFolder(*place, cursor.whole).is_sealed())


def plan_reading(
    table: Table, columns: Sequence[BronzeColumn], batch_id: str, history: History, *, full_reload: bool = False
) -> ReadPlan:
    """The whole table, or the rows whose cursor has moved.

    Args:
        table: the configuration.
        columns: that the batch is going to have.
        batch_id: of the batch.
        history: from ``read_history``.
        full_reload: the run's parameter.
    """
    kind, newest = table.cursor_kind, history.newest
    if table.mode == "snapshot" or kind is None:
        return ReadPlan(table, batch_id)
    if newest is None or newest.cursor is None or newest.cursor.reached is None:
        return ReadPlan(table, batch_id, full_read_reason="no batch before tells how far its cursor has come")
    full_read_reason = _full_read_reason(table, columns, batch_id, newest, newest.cursor)
    if full_reload:
        full_read_reason = "full_reload"
    elif not history.full_snapshot_available:
        full_read_reason = f"batch {newest.cursor.whole}, the last with all rows, is gone"
    if full_read_reason:
        return ReadPlan(table, batch_id, full_read_reason=full_read_reason)
    return ReadPlan(table, batch_id, follows=newest, since=step_back(newest.cursor.reached, kind, table.overlap))


def _full_read_reason(
    table: Table, columns: Sequence[BronzeColumn], batch_id: str, newest: Manifest, cursor: CursorRange
) -> str:
    """Rules of silver are not asked: bronze has all rows from the last whole table on, so that silver follows them."""
    if (cursor.column, cursor.key) != (table.cursor, table.key):
        return f"batch {newest.batch_id} had cursor {cursor.column!r} and key {list(cursor.key)!r}"
    if [(c.name, c.source, c.stored_as) for c in columns] != newest.layout:
        return f"its columns are not those of batch {newest.batch_id}"
    if table.full_snapshot_interval_days:
        age = batch_time(batch_id) - batch_time(cursor.whole)
        if age + _EARLY >= timedelta(days=table.full_snapshot_interval_days):
            return f"every {table.full_snapshot_interval_days} days"
    return ""
