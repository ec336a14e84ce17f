"""Which files of a table are rewritten, and which of them together: a pure function of their numbers of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ROWS_PER_FILE = 250_000
# A file below half of that is small. So many may stay, since each costs a footer only; more are merged.
SMALL_FILES = 8


@dataclass(frozen=True)
class FileChange:
    """What happens to one file.

    Args:
        name: of the file.
        rows: that it has.
        removed: of them, rows that leave it.
        added: rows that replace them.
    """

    name: str
    rows: int
    removed: int = 0
    added: int = 0

    @property
    def is_affected(self) -> bool:
        return self.removed > 0 or self.added > 0

    @property
    def rows_after(self) -> int:
        return self.rows - self.removed + self.added


@dataclass(frozen=True)
class Group:
    """Files that are rewritten together, into as few files as their rows need.

    Args:
        files: names, in their order.
        rows: after the change.
        takes_new_rows: the rows with a new key are written behind them.
    """

    files: tuple[str, ...]
    rows: int
    takes_new_rows: bool = False

    @property
    def rows_per_file(self) -> int:
        """So many rows that all files of the group have about the same number; 0 for a group without rows."""
        return math.ceil(self.rows / math.ceil(self.rows / ROWS_PER_FILE)) if self.rows else 0


@dataclass(frozen=True)
class FilePlan:
    """The groups to rewrite; every other file stays. ``reason`` is for the log."""

    groups: tuple[Group, ...]
    reason: str


def plan_files(changes: Sequence[FileChange], new_rows: int) -> FilePlan:
    """Choose the files to rewrite: the affected ones, and small files while they are cheap to merge.

    Rows with a new key join the smallest file, so that runs which only add a few rows fill one file after another.
    Other small files are merged with their neighbours as soon as there are more than ``SMALL_FILES``. The number of
    files is thereby at most twice what the rows need, and eight.

    Args:
        changes: all files of the table, in the order of their keys.
        new_rows: rows that replace none.
    """
    small = [change for change in changes if change.rows_after < ROWS_PER_FILE // 2]
    merged = {change.name for change in small} if len(small) > SMALL_FILES else set()
    fits = [change for change in small if change.rows_after + new_rows <= ROWS_PER_FILE]
    # An affected file is written anyway.
    last = min(fits, key=lambda c: (not c.is_affected, c.rows_after), default=None) if new_rows else None
    chosen = [c for c in changes if c.is_affected or c.name in merged or c is last]
    groups: list[Group] = []
    for change in chosen:
        own = Group((change.name,), change.rows_after + (new_rows if change is last else 0), change is last)
        before = groups[-1] if groups else None
        if before and change in small and before.rows < ROWS_PER_FILE and before.rows + own.rows <= ROWS_PER_FILE:
            takes = before.takes_new_rows or own.takes_new_rows
            groups[-1] = Group((*before.files, *own.files), before.rows + own.rows, takes)
        else:
            groups.append(own)
    if new_rows and last is None:
        groups.append(Group((), new_rows, takes_new_rows=True))
    affected = sum(change.is_affected for change in changes)
    reason = f"{affected} of {len(changes)} files have changed rows"
    if len(chosen) > affected:
        reason += f", {len(chosen) - affected} small files are filled or merged"
    return FilePlan(tuple(groups), reason)
