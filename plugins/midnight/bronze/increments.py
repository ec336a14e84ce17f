"""Which rows of a table a run reads, and which batches together hold a table; the same for both ways of ingest.

The read plan depends only on the table's configuration, the id of the batch and the sealed batches before it. A retry
of a run therefore reads the same range, and sealing knows which rows Data Factory has copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from midnight.bronze.batch_id import batch_time
from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import BronzeColumn, CursorRange, Manifest
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


@dataclass(frozen=True)
class ReadPlan:
    """How a table is read into a batch.

    Args:
        table: the configuration.
        batch_id: of the batch.
        full_read_reason: why a full snapshot of an incremental table is read, for the log.
        follows: the batch that an increment continues; None for a full snapshot.
        since: of an increment the smallest cursor value that is read, as text.
    """

    table: Table
    batch_id: str
    full_read_reason: str = ""
    follows: Manifest | None = None
    since: str = ""

    @property
    def mode(self) -> Literal["snapshot", "incremental"]:
        """The mode of the batch, for the manifest."""
        return "snapshot" if self.follows is None else "incremental"

    def condition(self, relation: str = "") -> str:
        """The SQL condition that selects the rows; empty for a full snapshot.

        Args:
            relation: alias of the table in the query; empty if it has none.
        """
        column, kind = self.table.cursor_column, self.table.cursor_kind
        if self.follows is None or column is None or kind is None:
            return ""
        name = (
            f"{relation}.{quote_identifier(column.source_name)}" if relation else quote_identifier(column.source_name)
        )
        return f"({name} >= {cursor_literal(self.since, kind)} OR {name} IS NULL)"

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
            full_snapshot=before.full_snapshot if before else self.batch_id,
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
        return f"{self.table.qualified_name}: reading rows with {self.table.cursor} >= {self.since}"


def read_history(bronze: BronzeStore, table: Table, batch_id: str) -> History:
    """The history that ``plan_read`` needs; a table in mode snapshot needs none.

    Raises:
        BronzeError: a manifest cannot be read.
    """
    if table.mode == "snapshot":
        return History()
    newest = bronze.newest_sealed_batch(table, before=batch_id)
    cursor = newest.cursor if newest is not None else None
    return History(newest, cursor is not None and bronze.is_sealed(table, cursor.full_snapshot))


def plan_read(
    table: Table, columns: Sequence[BronzeColumn], batch_id: str, history: History, *, full_reload: bool = False
) -> ReadPlan:
    """Plan to read a full snapshot, or the rows whose cursor value has increased.

    Args:
        table: the configuration.
        columns: of the new batch.
        batch_id: of the batch.
        history: from ``read_history``.
        full_reload: the run's parameter.
    """
    kind, newest = table.cursor_kind, history.newest
    if table.mode == "snapshot" or kind is None:
        return ReadPlan(table, batch_id)
    if newest is None or newest.cursor is None or newest.cursor.reached is None:
        return ReadPlan(table, batch_id, full_read_reason="no earlier batch has a cursor value")
    full_read_reason = _full_read_reason(table, columns, batch_id, newest, newest.cursor)
    if full_reload:
        full_read_reason = "full_reload"
    elif not history.full_snapshot_available:
        full_read_reason = f"batch {newest.cursor.full_snapshot}, the last full snapshot, was deleted"
    if full_read_reason:
        return ReadPlan(table, batch_id, full_read_reason=full_read_reason)
    return ReadPlan(
        table, batch_id, follows=newest, since=step_back(newest.cursor.reached, kind, table.effective_cursor_lag)
    )


def _full_read_reason(
    table: Table, columns: Sequence[BronzeColumn], batch_id: str, newest: Manifest, cursor: CursorRange
) -> str:
    """Changed rules of silver need no full read: bronze has all rows since the last full snapshot."""
    if (cursor.column, cursor.key) != (table.cursor, table.key):
        return f"batch {newest.batch_id} had cursor {cursor.column!r} and key {list(cursor.key)!r}"
    if [(c.name, c.source, c.stored_as) for c in columns] != newest.layout:
        return f"its columns differ from those of batch {newest.batch_id}"
    if table.full_snapshot_interval_days:
        age = batch_time(batch_id) - batch_time(cursor.full_snapshot)
        if age + _INTERVAL_TOLERANCE >= timedelta(days=table.full_snapshot_interval_days):
            return f"full_snapshot_interval_days: {table.full_snapshot_interval_days}"
    return ""
