"""Whose turn it is to be compared completely: one table of N in each run, and every table once in N runs.

Runs are counted, not days: with a weekly schedule and N = 7, the calendar would choose the same tables each time.

* The source is compared with the batch that a run reads, and a table does not have one in each run: its manifest counts
  the runs that have not compared it (``runs_skipped``).
* Silver and the views exist without a batch: they count the runs (``is_in_turn``).

Which table begins depends on its name, so that the tables take turns.
"""

from __future__ import annotations

import zlib


def runs_skipped(table: str, before: int | None, every: int) -> int:
    """How many runs in a row will not have compared a batch of a table, this one included; 0 if it is its turn.

    Args:
        table: qualified name.
        before: the same of its batch before; None without one.
        every: ``Pipeline.reconcile_every``.
    """
    so_far = _place(table, every) if before is None else before
    return so_far + 1 if so_far + 1 < every else 0


def is_in_turn(table: str, run_number: int, every: int) -> bool:
    """Whether a table of silver, or a view, is read completely although only some of its rows, or none, were written.

    Args:
        table: name.
        run_number: ``RunDocument.run_number``.
        every: ``Pipeline.reconcile_every``; 1: no table is read only because of its turn.
    """
    return every > 1 and _place(table, every) == run_number % every


def _place(table: str, every: int) -> int:
    return zlib.crc32(table.encode()) % every
