"""Writes changed rows to silver: MERGE, or on Sail, whose MERGE rewrites all of a table, file by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.delta_files import MAX_CHANGED_ROWS, files_with_keys, rewrite_rows
from spark_jobs.runtime.merge import merge_rows, within
from spark_jobs.runtime.session import is_sail
from spark_jobs.silver.key_bounds import KeyBounds
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, MARK, UPDATE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def write_changes(
    session: SparkSession,
    path: str,
    staged: DataFrame,
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
    action = staged[ACTION]
    if not is_sail(session):
        found = [name for name in (INSERT, UPDATE, MARK, DELETE) if actions[name]]
        changes = staged.filter(action.isin(found)).select(*columns, ACTION)
        options: dict[str, Any] = {"action": ACTION, "actions": found, "bounds": bounds}
        merge_rows(session, path, changes, identity=identity, columns=columns, **options)
        return "appended" if found == [INSERT] else "merged"
    removed = staged.filter(action.isin(UPDATE, MARK, DELETE)).select(*identity)
    added = staged.filter(action.isin(INSERT, UPDATE, MARK)).select(*columns)
    done = rewrite_rows(session, path, path, key=identity, removed=removed, added=added, rows_after=rows_after)
    return f"{done.reason}: {done.rewritten} files rewritten as {done.added}, {done.kept} kept"


def rows_with_keys(
    session: SparkSession, path: str, silver: DataFrame, keys: DataFrame, most_keys: int, *, bounds: KeyBounds
) -> DataFrame:
    """The rows of silver that have one of some keys; files that are known to have none of them are not read.

    Args:
        session: any engine.
        path: of the silver table.
        silver: its rows.
        keys: key columns, distinct.
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
