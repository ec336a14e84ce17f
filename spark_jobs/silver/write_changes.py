"""Writes changed rows to silver: MERGE, or on Sail, whose MERGE rewrites all of a table, file by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.delta_files import rewrite_rows
from spark_jobs.runtime.found_rows import MAX_CHANGED_ROWS, FoundRows, find_rows
from spark_jobs.runtime.merge import merge_rows, within
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.staged_rows import StagedFolder, stage_table
from spark_jobs.silver.key_bounds import KeyBounds
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, MARK, REPLACED, UPDATE, WRITTEN

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# Rows of silver are compared in memory if there are not more of them: with ten columns 50 to 100 MB.
MOST_IN_MEMORY = 500_000


def write_changes(
    session: SparkSession,
    path: str,
    staged: StagedFolder,
    *,
    identity: Sequence[str],
    columns: Sequence[str],
    actions: Mapping[str, int],
    bounds: KeyBounds,
    rows_after: int,
    in_memory: ChangesInMemory | None = None,
    found: FoundRows | None = None,
) -> str:
    """Insert, update and delete rows in one commit.

    Args:
        session: any engine.
        path: of the silver table.
        staged: from ``outcome_rows``, with at least one change.
        identity: columns that identify a row; null equals null.
        columns: all columns of the table.
        actions: action -> number of rows.
        bounds: of the keys of rows that are updated, marked or deleted; Sail needs none.
        rows_after: that the table has afterwards.
        in_memory: the changes, if they were read already.
        found: what was searched in its files before.

    Returns:
        How, for the log.
    """
    rows = staged.rows
    action = rows[ACTION]
    if not is_sail(session):
        occurring = [name for name in (INSERT, UPDATE, MARK, DELETE) if actions[name]]
        changes = rows.filter(action.isin(occurring)).select(*columns, ACTION)
        options: dict[str, Any] = {"action": ACTION, "actions": occurring, "bounds": bounds}
        merge_rows(session, path, changes, identity=identity, columns=columns, **options)
        return "appended" if occurring == [INSERT] else "merged"
    removed = rows.filter(action.isin(*REPLACED)).select(*identity)
    added = rows.filter(action.isin(*WRITTEN)).select(*columns)
    done = rewrite_rows(
        session,
        path,
        path,
        key=identity,
        removed=removed,
        added=added,
        rows_after=rows_after,
        in_memory=None if in_memory is None else (in_memory.removed, in_memory.added),
        found=found,
    )
    return f"{done.reason}: {done.rewritten} files rewritten as {done.added}, {done.kept} kept"


@dataclass(frozen=True)
class ChangesInMemory:
    """What changes in silver.

    Args:
        removed: the keys of the rows that are updated, marked or deleted.
        added: the rows that are inserted, and those that are updated or marked as they are afterwards.
    """

    removed: pa.Table
    added: pa.Table


def read_changes(
    staged: StagedFolder, identity: Sequence[str], columns: Sequence[str], actions: Mapping[str, int]
) -> ChangesInMemory | None:
    """The staged changes, read without the engine, which would take five times as long; see ``write_changes``.

    Returns:
        None if only the engine can read them, or if they are too many for the memory.
    """
    if sum(actions[name] for name in (INSERT, UPDATE, MARK, DELETE)) > MAX_CHANGED_ROWS:
        return None
    removed = staged.to_arrow(identity, (ACTION, REPLACED))
    added = staged.to_arrow(columns, (ACTION, WRITTEN))
    return None if removed is None or added is None else ChangesInMemory(removed, added)


@dataclass(frozen=True)
class ExistingRows:
    """Rows of silver.

    Args:
        rows: reads them.
        found: where they are in the files of silver, if these were searched.
    """

    rows: DataFrame
    found: FoundRows | None = None


def rows_with_keys(
    session: SparkSession,
    path: str,
    silver: DataFrame,
    keys: DataFrame,
    most_keys: int,
    *,
    bounds: KeyBounds,
    folder: str,
) -> ExistingRows:
    """The rows of silver that have one of some keys; files that are known to have none of them are not read.

    Args:
        session: any engine.
        path: of the silver table.
        silver: its rows.
        keys: key columns; the same key may occur several times.
        most_keys: there are not more keys than that.
        bounds: of the keys, for Apache Spark; Sail's tables have no statistics, but their footers are searched.
        folder: for the rows, if they are few.
    """
    from pyspark.sql import functions as F

    for condition in () if is_sail(session) else within(bounds):
        silver = silver.filter(F.expr(condition))
    found = find_rows(path, keys) if is_sail(session) and most_keys <= MAX_CHANGED_ROWS else None
    if found is None:
        return ExistingRows(silver.join(keys, on=keys.columns, how="left_semi"))
    if found.rows <= MOST_IN_MEMORY:
        staged = stage_table(session, found.read(), folder, dict(silver.dtypes))
        return ExistingRows(staged.rows, found)
    files = session.read.parquet(*[file.path for file in found.files]).select(*silver.columns)
    return ExistingRows(files.join(keys, on=keys.columns, how="left_semi"), found)
