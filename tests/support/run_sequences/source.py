"""The source of a sequence: tables whose rows change at random between runs, and the batches that a run seals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa

from midnight.bronze.increments import History, plan_read
from midnight.bronze.manifest import Manifest
from midnight.column_types import stored_type, to_arrow
from midnight.configuration.cursors import CursorExtremes, cursor_value
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copied_schema
from midnight.lake.paths import LakePaths
from tests.support.run_sequences.synthetic_tables import Row, SourceTable
from tests.support.sealed_batches import batch_id, seal

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
# How far a write may be late and still be read by the next run: `cursor_lag` of the incremental tables.
LAG = 50


def cursor_at(table: SourceTable, number: int) -> Any:
    """The cursor's value of a write: whole numbers, or seconds since EPOCH."""
    return number if table.cursor != "updated_at" else EPOCH + timedelta(seconds=number)


@dataclass
class ChangingTable:
    """A table of the source.

    Args:
        source: its file and its random rows.
        rows: by key; by a running number in a table without a key, or with several rows for one.
        batches: all sealed batches.
        clock: of the last write.
        flaws_unread: whether flaws were written or corrected since the last batch.
    """

    source: SourceTable
    rows: dict[Any, Row] = field(default_factory=dict)
    batches: list[Manifest] = field(default_factory=list)
    clock: int = 0
    flaws_unread: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(self.source.configuration["key"])

    def put(self, rng: Random, row: Row) -> None:
        """Insert or replace a row, mostly with the current time as its cursor; sometimes an older one, or none."""
        self.clock += 1
        late = rng.choice([0, 0, 0, 0, 0, LAG // 2, 3 * LAG])
        if self.source.cursor:
            row[self.source.cursor] = cursor_at(self.source, self.clock - late) if rng.random() < 0.97 else None
        if any(column["name"] == "flaw" for column in self.source.configuration["columns"]):
            row.setdefault("flaw", 0)
        is_unique = self.key and self.source.configuration.get("key_is_unique", True)
        identity = tuple(row[name] for name in self.key) if is_unique else self.clock
        self.rows[identity] = row

    def insert(self, rng: Random) -> None:
        self.put(rng, self.source.new_row(rng))

    def change(self, rng: Random) -> None:
        """One random change."""
        if not self.rows:
            self.insert(rng)
            return
        identity = rng.choice(list(self.rows))
        row = dict(self.rows[identity])
        what = rng.choice(["insert", "insert", "update", "update", "update", "delete", "move", "touch", "silent"])
        if what == "insert":
            self.insert(rng)
        elif what == "delete":
            del self.rows[identity]
        elif what == "touch":
            self.put(rng, row)
        elif what == "move":  # the same values under another key
            del self.rows[identity]
            self.put(rng, row | {name: value for name, value in self.source.new_row(rng).items() if name in self.key})
        else:
            others = [name for name in self.source.new_row(rng) if name not in self.key]
            changed = rng.sample(others, min(len(others), rng.randint(1, 3)))
            new = self.source.new_row(rng)
            row |= {name: new[name] for name in changed}
            if what == "silent":  # the cursor stays: only a full snapshot sees it
                self.rows[identity] = row
            else:
                self.put(rng, row)

    def set_flaws(self, rng: Random, value: int) -> None:
        """Write rows whose flaw differs again, with a new cursor value; of a value above 0 at most one."""
        differ = [identity for identity, row in self.rows.items() if row.get("flaw", value) != value]
        self.flaws_unread = True
        for identity in differ[: 1 if value else None]:
            self.clock += 1
            self.rows[identity] = self.rows[identity] | {"flaw": value}
            if self.source.cursor:
                self.rows[identity][self.source.cursor] = cursor_at(self.source, self.clock)

    def seal_batch(self, paths: LakePaths, table: Table, number: int, rng: Random, *, full_reload: bool) -> None:
        """Read the table as the ingestion does, and seal the batch."""
        history = History(self.batches[-1] if self.batches else None, full_snapshot_available=True)
        plan = plan_read(table, copied_schema(table), batch_id(number), history, full_reload=full_reload)
        rows, cursor, kind = list(self.rows.values()), table.cursor, table.cursor_kind
        if plan.follows is not None and cursor is not None and kind is not None:
            since = cursor_value(plan.since, kind)
            rows = [row for row in rows if row[cursor] is None or row[cursor] >= since]
        found = None
        if table.cursor_column is not None and cursor is not None:
            extremes = CursorExtremes(cursor)
            arrow = to_arrow(stored_type(table.cursor_column.type, None))
            extremes.add(pa.table({cursor: pa.array([row[cursor] for row in rows], arrow)}))
            found = plan.cursor_range(extremes)
        rng.shuffle(rows)
        keys = list(self.rows.values()) if plan.reads_keys else None
        files = rng.choice([1, 1, 2])
        self.flaws_unread = False
        self.batches.append(seal(paths, table, number, rows, cursor=found, files=files, keys=keys))
