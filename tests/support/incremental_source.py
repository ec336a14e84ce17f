"""A source table that changes between runs, and the batches that an incremental ingestion seals.

``midnight.bronze.increments`` decides what is read; only the server's WHERE is simulated here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from midnight.bronze.increments import History, plan_read
from midnight.bronze.manifest import Manifest
from midnight.configuration.cursors import CursorExtremes
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copied_schema
from midnight.lake.paths import LakePaths
from tests.support.sealed_batches import batch_id, seal

Row = dict[str, Any]


@dataclass
class IncrementalSource:
    """A source table and its batches in bronze.

    Args:
        lake: where the batches are sealed.
        table: with an integer cursor and a key of one column.

    Attributes:
        rows: the current rows of the source, by key.
        seen: the rows as last read; deleted rows stay until a full snapshot is read.
        read_in: number of the batch in which each row was last read.
        batches: all sealed batches.
        list_of_keys: rows whose keys the next list has, if they are not those of ``rows``.
    """

    lake: LakePaths
    table: Table
    rows: dict[Any, Row] = field(default_factory=dict)
    seen: dict[Any, Row] = field(default_factory=dict)
    read_in: dict[Any, int] = field(default_factory=dict)
    batches: list[Manifest] = field(default_factory=list)
    list_of_keys: list[Row] | None = None

    def put(self, *rows: Row) -> None:
        """Insert or update."""
        self.rows |= {row[self.table.key[0]]: dict(row) for row in rows}

    def ingest(self, number: int, *, full_reload: bool = False, files: int = 1) -> Manifest:
        """Read the table and seal the batch."""
        history = History(self.batches[-1] if self.batches else None, full_snapshot_available=True)
        plan = plan_read(
            self.table,
            copied_schema(self.table),
            batch_id(number),
            history,
            full_reload=full_reload,
        )
        read, cursor_column = self.rows, self.table.cursor
        assert cursor_column is not None
        if plan.follows is None:
            self.seen, self.read_in = {}, {}
        else:
            values = {key: row[cursor_column] for key, row in self.rows.items()}
            read = {k: self.rows[k] for k, value in values.items() if value is None or value >= int(plan.since)}
        self.seen |= {key: dict(row) for key, row in read.items()}
        self.read_in |= dict.fromkeys(read, number)
        extremes = CursorExtremes(cursor_column)
        column = pa.array([row[cursor_column] for row in read.values()], pa.int32())
        extremes.add(pa.table({cursor_column: column}))
        cursor = plan.cursor_range(extremes)
        keys = (self.list_of_keys or list(self.rows.values())) if plan.reads_keys else None
        self.list_of_keys = None
        rows = list(read.values())
        self.batches.append(seal(self.lake, self.table, number, rows, cursor=cursor, files=files, keys=keys))
        return self.batches[-1]
