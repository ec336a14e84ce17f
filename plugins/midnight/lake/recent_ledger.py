"""The entries of the ledger that a run needs: few of each table, whatever the age of the ledger.

A year of 1,000 tables is 365,000 entries. As objects they take 10 s and 2 GB; as columns they are read in a second.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from midnight.lake.ledger import UNTOUCHED, LedgerEntry, latest_entries, read_ledger_rows, to_entries

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Of each table: the history that gold can follow. A build that is further behind builds its models whole.
KEPT_CHANGES = 32


def read_recent_entries(path: str) -> list[LedgerEntry]:
    """The ``needed_rows`` of a ledger in a folder (``LakePaths.ledger``).

    Raises:
        LakeError: the ledger exists but cannot be read.
    """
    rows = read_ledger_rows(path)
    return [] if rows is None else to_entries(needed_rows(rows))


def entries_of_run(rows: pa.Table | None, run_id: str) -> tuple[list[LedgerEntry], dict[str, LedgerEntry]]:
    """The last finished entry of each table in a run; and by table, its last applied one before the run began.

    For a run without an entry, that is the last applied one of each table.

    Args:
        rows: of the ledger (``read_ledger_rows``); None if nothing was ever applied.
        run_id: of the DAG run.
    """
    import pyarrow.compute as pc

    if rows is None:
        return [], {}
    is_own = pc.equal(rows["run_id"], run_id)
    own = latest_entries(to_entries(rows.filter(is_own)), run_id)
    is_earlier = pc.equal(rows["status"], "applied")
    if own:
        is_earlier = pc.and_(is_earlier, pc.less(rows["attempt_at"], min(entry.attempt_at for entry in own)))
    earlier = rows.filter(pc.and_(pc.invert(is_own), is_earlier))
    newest = earlier.group_by("table").aggregate([("attempt_at", "max")])
    newest = newest.rename_columns({"attempt_at_max": "attempt_at"})
    last = earlier.join(newest, ["table", "attempt_at"], join_type="left semi")
    return own, {entry.table: entry for entry in latest_entries(to_entries(last))}


def needed_rows(rows: pa.Table) -> pa.Table:
    """The rows of the ledger from which the state of each table follows, and its recent history.

    Of each table: every entry since the last ``applied`` one, that included (an interrupted attempt may have masked
    with another key); the last ``KEPT_CHANGES`` that may have changed it, a killed attempt with its successor (by which
    it is known to be one); and the last one with the newest batch.

    Args:
        rows: of the ledger, in any order; ``attempt_at`` as a timestamp or a number.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not rows.num_rows:
        return rows
    all_rows = rows
    tables = np.asarray(rows["table"].combine_chunks().dictionary_encode().indices)
    times = np.asarray(rows["attempt_at"].cast(pa.int64()))
    order = np.lexsort((_is(rows, "status", "applied", "failed", *UNTOUCHED), times, tables))
    rows, tables = rows.select(["status", "changed", "batch_id"]).take(pa.array(order)), tables[order]
    batches = np.asarray(pc.rank(rows["batch_id"], tiebreaker="dense")).astype(np.int64)
    applied, started = _is(rows, "status", "applied"), _is(rows, "status", "started")
    attempted = ~_is(rows, "status", *UNTOUCHED)
    ended = np.zeros(len(order), dtype=bool)
    same = (batches[:-1] == batches[1:]) & (tables[:-1] == tables[1:])
    ended[:-1] = started[:-1] & same & _is(rows, "status", "applied", "failed")[1:]
    changes = attempted & ~ended & ~(applied & _is(rows, "changed", "nothing"))
    kept = np.zeros(len(order), dtype=bool)
    bounds = [0, *(np.flatnonzero(np.diff(tables)) + 1).tolist(), len(order)]
    for start, end in itertools.pairwise(bounds):
        last_applied = np.flatnonzero(applied[start:end])[-1:]
        kept[start + int(last_applied.sum()) : end] = True  # all if none was applied
        found = start + np.flatnonzero(changes[start:end])[-KEPT_CHANGES:]
        kept[found] = True
        kept[np.minimum(found[started[found]] + 1, end - 1)] = True
        # The last of equals: a started entry without the one that ended it would look killed.
        newest = np.where(attempted[start:end], batches[start:end], -1)[::-1]
        kept[end - 1 - int(np.argmax(newest))] = True
    return all_rows.take(pa.array(order[kept]))


def _is(rows: pa.Table, column: str, *values: str) -> np.ndarray:
    """For each row whether a column has one of some values."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(pc.is_in(rows[column], value_set=pa.array(values)))
