"""Changes rows of a Delta table in a folder by rewriting only the files that hold them.

For Sail, whose MERGE rewrites all of a table. A rewritten file has the columns and types of the old one; delta-rs
commits all new and removed files in one transaction, so that a reader sees the table before or after the change.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.errors import LakeError
from spark_jobs.runtime.delta_tables import load_table, overwrite_table, table_properties
from spark_jobs.runtime.found_rows import MAX_CHANGED_ROWS, FoundRows, collect_rows
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.row_change import RowChange
from spark_jobs.runtime.table_files import TableFiles
from spark_jobs.transforms.keys import with_keys

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Rewrite:
    """Outcome of ``rewrite_rows``.

    Args:
        kept: files that stayed as they are.
        rewritten: files that were replaced.
        added: new files.
        rows: of the table afterwards.
        reason: why these files, for the log.
    """

    kept: int
    rewritten: int
    added: int
    rows: int
    reason: str


def rewrite_rows(
    session: SparkSession,
    source: str,
    target: str,
    *,
    key: Sequence[str],
    removed: DataFrame | None,
    added: DataFrame | None,
    rows_after: int | None = None,
    in_memory: tuple[pa.Table, pa.Table] | None = None,
    found: FoundRows | None = None,
) -> Rewrite:
    """Remove the rows with some keys, add others, and commit both at once.

    Args:
        session: of Sail.
        source: path of a Delta table in a folder. It stays as it is if ``target`` is another one.
        target: ``source``, or the folder of another table, which is replaced; files that stay the same are hard links.
        key: columns that identify a row; null equals null. May be empty if ``removed`` is None.
        removed: the keys whose rows are removed; those that the table does not have are ignored.
        added: rows with all columns of the table; they may have removed keys (an update) and other ones.
        rows_after: that the table must have afterwards, if that is known.
        in_memory: the rows of ``removed`` and ``added``, if they were read already.
        found: rows of ``source`` that were searched before, whose files are open; they may have other keys.

    Raises:
        LakeError: the table does not exist, or it would not have the expected number of rows; nothing was committed.
    """
    table = TableFiles(source) if found is None else found.table
    gone, more = (removed, added) if in_memory is None else in_memory
    change = _row_change(table, key, gone, more, found)
    if isinstance(change, str):
        return _rewrite_all(table, target, _changed_rows(session, source, key, removed, added), change)
    return _write(session, table, change, target, rows_after)


def replace_found(
    session: SparkSession, found: FoundRows, target: str, added: pa.Table, *, collect: bool
) -> tuple[Rewrite, pa.Table | None]:
    """Write a table without the rows that were found, and with others, to another folder.

    Args:
        session: of Sail.
        found: in a table that stays as it is.
        target: the folder of another table, which is replaced; files that stay the same are hard links.
        added: the new rows, with all columns of the table.
        collect: return the rows that were found, so that each file is read only once.

    Returns:
        The outcome, and these rows.

    Raises:
        LakeError: the table would not have the expected number of rows; nothing was committed.
    """
    import pyarrow as pa

    change = RowChange(found.table.files, found.schema, found.keys, collect_rows(added, found.schema), found.found)
    change.removed = [found.schema.empty_table()] if collect else None
    done = _write(session, found.table, change, target, None)
    return done, None if change.removed is None else pa.concat_tables(change.removed)


def _write(session: SparkSession, table: TableFiles, change: RowChange, target: str, rows_after: int | None) -> Rewrite:
    """
    Raises:
        LakeError: the table would not have the expected number of rows; nothing was committed.
    """
    import pyarrow as pa

    if target != table.path:  # left by an attempt that was interrupted
        shutil.rmtree(target, ignore_errors=True)
    Path(target).mkdir(parents=True, exist_ok=True)
    new = change.write(target)
    pa.default_memory_pool().release_unused()  # for the engine, which has its own
    replaced = {name for group in change.plan.groups for name in group.files}
    kept = [file for file in table.files if file.name not in replaced]
    rows_now = sum(file.rows for file in [*kept, *new])
    expected = change.rows_after if rows_after is None else rows_after
    if not rows_now == change.rows_after == expected:
        raise LakeError(
            f"Delta table {target!r} would have {rows_now} rows, expected {expected}; nothing was committed; hint: run "
            "the midnight_rebuild DAG; if that does not help, this is a defect of Midnight, please report it"
        )
    if target == table.path:
        table.commit(new, [file for file in table.files if file.name in replaced])
    else:
        table.create(target, kept, new, table_properties(session))
    return Rewrite(len(kept), len(replaced), len(new), rows_now, change.plan.reason)


def _row_change(
    table: TableFiles,
    key: Sequence[str],
    removed: DataFrame | pa.Table | None,
    added: DataFrame | pa.Table | None,
    found: FoundRows | None,
) -> RowChange | str:
    """The change with its rows in memory, or why all rows have to be rewritten by the engine."""
    reason = table.key_problem(key) if removed is not None else "" if table.files else "the table is empty"
    if reason or table.schema is None:
        return reason
    gone = None if removed is None else collect_rows(removed, table.schema)
    more = table.schema.empty_table() if added is None else collect_rows(added, table.schema)
    if max(more.num_rows, 0 if gone is None else gone.num_rows) > MAX_CHANGED_ROWS:
        return f"more than {MAX_CHANGED_ROWS:,} rows change"
    known = None if found is None or gone is None else found.among(gone)
    if found is not None and known is not None:
        return RowChange(table.files, table.schema, found.keys, more, known)
    return RowChange(table.files, table.schema, None if gone is None else KeySet(gone), more)


def _rewrite_all(table: TableFiles, target: str, rows: DataFrame, reason: str) -> Rewrite:
    overwrite_table(rows, target)
    after = TableFiles(target)
    return Rewrite(0, len(table.files), len(after.files), after.rows, f"all rows: {reason}")


def _changed_rows(
    session: SparkSession, path: str, key: Sequence[str], removed: DataFrame | None, added: DataFrame | None
) -> DataFrame:
    """All rows of the table after the change, computed by the engine."""
    rows = load_table(session, path)
    if rows is None:
        raise LakeError(f"{path} was deleted while the job was running; hint: check whether another run is active")
    if removed is not None:
        rows = with_keys(rows, removed, key, how="left_anti")
    return rows if added is None else rows.unionAll(added.select(*rows.columns))
