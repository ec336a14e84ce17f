"""A change of a source table, and the table that every case starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["increment", "full read", "stopped"]

# {t} is the table. Rows 1 and 2 are older than the increment of the second run, row 3 is read again by it.
SETUP = (
    "CREATE TYPE {t}_state AS ENUM ('new', 'done')",
    "CREATE DOMAIN {t}_size AS varchar(10) CHECK (VALUE <> '')",
    "CREATE TABLE {t} (id int PRIMARY KEY, note text, code varchar(10), amount numeric(10,2), pieces int NOT NULL, "
    "state {t}_state, size {t}_size, moved timestamptz)",
    "INSERT INTO {t} SELECT i, 'n' || i, 'c' || i, i + 0.5, i, 'new', 's' || i, "
    "CASE WHEN i < 3 THEN '2023-06-01Z' ELSE '2024-01-01Z' END::timestamptz FROM generate_series(1, 3) i",
)
# A new row after the change, which must be possible in every case.
NEW_ROW = "INSERT INTO {t} (id, pieces, moved) VALUES (4, 1, '2024-01-02Z')"


@dataclass(frozen=True)
class Case:
    """A change between two runs.

    Args:
        name: of the case, and of its table.
        change: for people.
        sql: what changes the source.
        incremental: what ``mode: incremental`` does; ``mode: snapshot`` is stopped in the same cases, else it loads.
        result: what silver has then, or why the table is stopped, for people.
        says: part of what the run says: of the message of a stopped table, else of the changes in the ledger.
        freeze: ``stopped``, unless nothing that is read has changed.
        before: further SQL before the first run.
        rules: fields of the table's file.
        new_row: SQL of the row that is written after the change; empty for none.
    """

    name: str
    change: str
    sql: tuple[str, ...]
    incremental: Outcome
    result: str
    says: str = ""
    freeze: Literal["stopped", "loaded"] = "stopped"
    before: tuple[str, ...] = ()
    rules: tuple[tuple[str, object], ...] = ()
    new_row: str = NEW_ROW
