"""Writes changed rows to silver: MERGE, or on Sail, whose MERGE rewrites all of a table, file by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.delta_files import MAX_CHANGED_ROWS, files_with_keys, rewrite_rows
from spark_jobs.runtime.merge import merge_rows, within
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.staged_rows import StagedFolder
from spark_jobs.silver.key_bounds import KeyBounds
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, MARK, REPLACED, UPDATE, WRITTEN

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


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

    Returns:
        How, for the log.
    """
    rows = staged.rows
    action = rows[ACTION]
    if not is_sail(session):
        found = [name for name in (INSERT, UPDATE, MARK, DELETE) if actions[name]]
        changes = rows.filter(action.isin(found)).select(*columns, ACTION)
        options: dict[str, Any] = {"action": ACTION, "actions": found, "bounds": bounds}
        merge_rows(session, path, changes, identity=identity, columns=columns, **options)
        return "appended" if found == [INSERT] else "merged"
    removed = rows.filter(action.isin(*REPLACED)).select(*identity)
    added = rows.filter(action.isin(*WRITTEN)).select(*columns)
    fits = sum(actions[name] for name in (INSERT, UPDATE, MARK, DELETE)) <= MAX_CHANGED_ROWS
    done = rewrite_rows(
        session,
        path,
        path,
        key=identity,
        removed=removed,
        added=added,
        rows_after=rows_after,
        in_memory=_in_memory(staged, identity, columns) if fits else None,
    )
    return f"{done.reason}: {done.rewritten} files rewritten as {done.added}, {done.kept} kept"


def _in_memory(
    staged: StagedFolder, identity: Sequence[str], columns: Sequence[str]
) -> tuple[pa.Table, pa.Table] | None:
    """The keys to remove and the rows to add, read without the engine: it would take five times as long."""
    removed = staged.to_arrow(identity, (ACTION, REPLACED))
    added = staged.to_arrow(columns, (ACTION, WRITTEN))
    return None if removed is None or added is None else (removed, added)


def rows_with_keys(
    session: SparkSession, path: str, silver: DataFrame, keys: DataFrame, most_keys: int, *, bounds: KeyBounds
) -> DataFrame:
    """The rows of silver that have one of some keys; files that are known to have none of them are not read.

    Args:
        session: any engine.
        path: of the silver table.
        silver: its rows.
        keys: key columns; the same key may occur several times.
        most_keys: there are not more keys than that.
        bounds: of the keys, for Apache Spark; Sail's tables have no statistics, but their footers are searched.
    """
    from pyspark.sql import functions as F

    for condition in () if is_sail(session) else within(bounds):
        silver = silver.filter(F.expr(condition))
    if is_sail(session) and most_keys <= MAX_CHANGED_ROWS:
        files = files_with_keys(path, keys)
        if files is not None:
            silver = session.read.parquet(*files).select(*silver.columns) if files else silver.limit(0)
    return silver.join(keys, on=keys.columns, how="left_semi")
