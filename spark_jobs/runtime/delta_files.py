"""Changes rows of a Delta table in a folder by rewriting only the files that hold them.

For Sail, whose MERGE rewrites all of a table. A rewritten file has the columns and types of the old one; delta-rs
commits all new and removed files in one transaction, so that a reader sees the table before or after the change.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.errors import LakeError
from spark_jobs.runtime.delta_tables import load_table, overwrite_table, table_properties
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.parquet_files import DataFile, Found
from spark_jobs.runtime.row_change import RowChange, find_in_files, in_parallel
from spark_jobs.runtime.table_files import TableFiles
from spark_jobs.transforms.keys import with_keys

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# Changed rows are held in memory: so many take about 500 MB in a table of ten columns.
MAX_CHANGED_ROWS = 2_000_000
# Files that are read to compare some of their rows, and then rewritten, are only read once if they are not larger.
MOST_BYTES_KEPT = 192 * 1024 * 1024


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


def files_with_keys(path: str, keys: DataFrame | pa.Table) -> list[str] | None:
    """The paths of the files of a table that have at least one of some keys.

    Args:
        path: of a Delta table in a folder.
        keys: the key columns, of the engine or in memory.

    Returns:
        None if only all files are certain to have all rows with these keys: of a floating-point key, or of more than
        ``MAX_CHANGED_ROWS`` keys.

    Raises:
        LakeError: the table does not exist.
    """
    found = find_rows(path, keys)
    return None if found is None else [file.path for file in found.files]


@dataclass(frozen=True)
class FoundRows:
    """The rows of a table that have one of some keys, before they are read.

    Args:
        table: in a folder.
        schema: of its files.
        found: name of a file -> the keys in it.
    """

    table: TableFiles
    schema: pa.Schema
    found: Mapping[str, Found]

    @property
    def rows(self) -> int:
        """Number of rows that have one."""
        return sum(found.rows for found in self.found.values())

    @property
    def rows_of_files(self) -> int:
        """Number of all rows in the files that have such a row."""
        return sum(file.rows for file in self.files)

    def read(self) -> pa.Table:
        """The rows, in memory. Where they are few in large files this takes less of it than the engine does.

        Files that are not too large stay in memory to be rewritten (``rewrite_rows``).
        """
        import pyarrow as pa

        keep = sum(file.bytes_in_memory for file in self.files) <= MOST_BYTES_KEPT
        rows = in_parallel(lambda file: file.read_with(self.found[file.name], keep=keep), self.files)
        return pa.concat_tables([self.schema.empty_table(), *rows])

    @property
    def files(self) -> list[DataFile]:
        """The files that have such a row."""
        return [file for file in self.table.files if file.name in self.found]


def find_rows(path: str, keys: DataFrame | pa.Table) -> FoundRows | None:
    """Find the rows of a table that have one of some keys.

    Args:
        path: of a Delta table in a folder.
        keys: the key columns, of the engine or in memory.

    Returns:
        None where ``files_with_keys`` returns None.

    Raises:
        LakeError: the table does not exist.
    """
    table = TableFiles(path)
    if table.schema is None or table.key_problem(_names(keys)):
        return None
    wanted = _collect(keys, table.schema)
    if wanted.num_rows > MAX_CHANGED_ROWS:
        return None
    return FoundRows(table, table.schema, find_in_files(table.files, KeySet(wanted)))


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
    table: TableFiles | None = None,
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
        table: the files of ``source``, if they were opened already.

    Raises:
        LakeError: the table does not exist, or it would not have the expected number of rows; nothing was committed.
    """
    import pyarrow as pa

    table = table or TableFiles(source)
    change = _row_change(table, key, *((removed, added) if in_memory is None else in_memory))
    if isinstance(change, str):
        return _rewrite_all(table, target, _changed_rows(session, source, key, removed, added), change)
    if target != source:  # left by an attempt that was interrupted
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
    if target == source:
        table.commit(new, [file for file in table.files if file.name in replaced])
    else:
        table.create(target, kept, new, table_properties(session))
    return Rewrite(len(kept), len(replaced), len(new), rows_now, change.plan.reason)


def _row_change(
    table: TableFiles, key: Sequence[str], removed: DataFrame | pa.Table | None, added: DataFrame | pa.Table | None
) -> RowChange | str:
    """The change with its rows in memory, or why all rows have to be rewritten by the engine."""
    reason = table.key_problem(key) if removed is not None else "" if table.files else "the table is empty"
    if reason or table.schema is None:
        return reason
    gone = None if removed is None else _collect(removed, table.schema)
    more = table.schema.empty_table() if added is None else _collect(added, table.schema)
    if max(more.num_rows, 0 if gone is None else gone.num_rows) > MAX_CHANGED_ROWS:
        return f"more than {MAX_CHANGED_ROWS:,} rows change"
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


def _collect(rows: DataFrame | pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows of a frame, with the types that the table's files have; at most one more than may be held in memory."""
    import pyarrow as pa

    found = rows if isinstance(rows, pa.Table) else rows.limit(MAX_CHANGED_ROWS + 1).toArrow()
    wanted = pa.schema([pa.field(name, schema.field(name).type) for name in found.column_names])
    return found.cast(wanted)


def _names(rows: DataFrame | pa.Table) -> list[str]:
    import pyarrow as pa

    return rows.column_names if isinstance(rows, pa.Table) else rows.columns
