"""Which files of a table are rewritten, and which of them together: a pure function of their numbers of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Half a second to rewrite. A file below half of that is small; so many may stay, since each costs a footer only.
FILE_BYTES = 16 * 1024 * 1024
SMALL_FILES = 8
_FEWEST_ROWS, _MOST_ROWS = 1_000, 1_000_000


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
        rows_per_file: of each new file, about the same number for all of the group; 0 for a group without rows.
        takes_new_rows: the rows with a new key are written behind them.
    """

    files: tuple[str, ...]
    rows: int
    rows_per_file: int
    takes_new_rows: bool


@dataclass(frozen=True)
class FilePlan:
    """The groups to rewrite; every other file stays. ``reason`` is for the log."""

    groups: tuple[Group, ...]
    reason: str


def rows_in_file(rows: int, size: int) -> int:
    """How many rows a file has at most, for files of about ``FILE_BYTES``.

    Args:
        rows: of all files of the table.
        size: of all files, in bytes.
    """
    fitting = FILE_BYTES * rows // size if size else _MOST_ROWS
    return min(max(fitting, _FEWEST_ROWS), _MOST_ROWS)


def plan_files(changes: Sequence[FileChange], new_rows: int, most_rows: int) -> FilePlan:
    """Choose the files to rewrite: the affected ones, and small files while they are cheap to merge.

    Rows with a new key join the smallest file, so that runs which only add a few rows fill one file after another.
    Other small files are merged with their neighbours as soon as there are more than ``SMALL_FILES``. So there are
    at most ``SMALL_FILES`` more files than twice what the rows need.

    Args:
        changes: all files of the table, in the order of their keys.
        new_rows: rows that replace none.
        most_rows: of a file (``rows_in_file``).
    """
    small = [change for change in changes if change.rows_after < most_rows // 2]
    merged = {change.name for change in small} if len(small) > SMALL_FILES else set()
    fits = [change for change in small if change.rows_after + new_rows <= most_rows]
    # An affected file is written anyway.
    last = min(fits, key=lambda c: (not c.is_affected, c.rows_after), default=None) if new_rows else None
    chosen = [change for change in changes if change.is_affected or change.name in merged or change is last]
    groups: list[list[FileChange]] = []
    room = 0
    for change in chosen:
        rows = change.rows_after + (new_rows if change is last else 0)
        if change in small and rows <= room:
            groups[-1].append(change)
        else:
            groups.append([change])
            room = most_rows
        room -= rows
    plans = [_group(group, new_rows if last in group else 0, most_rows) for group in groups]
    if new_rows and last is None:
        plans.append(_group([], new_rows, most_rows))
    affected = sum(change.is_affected for change in changes)
    reason = f"{affected} of {len(changes)} files have changed rows"
    if len(chosen) > affected:
        reason += f", {len(chosen) - affected} small ones are filled or merged"
    return FilePlan(tuple(plans), reason)


def _group(files: Sequence[FileChange], new_rows: int, most_rows: int) -> Group:
    rows = sum(change.rows_after for change in files) + new_rows
    number = math.ceil(rows / most_rows)
    return Group(
        files=tuple(change.name for change in files),
        rows=rows,
        rows_per_file=math.ceil(rows / number) if number else 0,
        takes_new_rows=new_rows > 0,
    )
