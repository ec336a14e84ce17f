"""Writes the new table of a refreshed model: the earlier one, with the rows of some keys replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midnight.lake.paths import is_local
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.delta_files import Rewrite, replace_found, rewrite_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from spark_jobs.runtime.found_rows import FoundRows

_KEYS = "replaced__keys"


@dataclass(frozen=True)
class Replacement:
    """What was written.

    Args:
        rows: of the new table; None if only the engine knows.
        text: for people.
        removed: the rows of the earlier table that were replaced, if they were read.
    """

    rows: int | None
    text: str
    removed: pa.Table | None = None


def replace_keys(
    spark: SparkSession,
    source: str,
    target: str,
    *,
    key: Sequence[str],
    keys: DataFrame,
    rows: DataFrame,
    in_memory: tuple[pa.Table, pa.Table] | None = None,
    found: FoundRows | None = None,
) -> Replacement:
    """Write a table to its own folder: the rows of another one, without those of some keys, and new rows.

    In a folder, unchanged files become hard links. In Azure the files are copied by the service (DEEP CLONE), and
    Databricks rewrites those with replaced keys.

    Args:
        spark: any engine.
        source: path of the earlier table, which stays as it is.
        target: path of the new table, which must not exist.
        key: columns of the table.
        keys: the keys whose rows are replaced; null equals null.
        rows: the new rows of these keys.
        in_memory: keys and rows, if they were read already.
        found: rows of ``source`` that were searched before; they may have other keys.

    Raises:
        LakeError: the table cannot be written.
    """
    if is_local(target):
        options: dict[str, Any] = {"in_memory": in_memory, "found": found}
        done = rewrite_rows(spark, source, target, key=key, removed=keys, added=rows, **options)
        return Replacement(done.rows, _describe(done))
    keys.createOrReplaceTempView(_KEYS)
    for statement in clone_statements(source, target, key):
        spark.sql(statement)
    rows.write.format("delta").mode("append").save(target)
    return Replacement(None, "in a clone of the earlier table")


def replace_all(
    spark: SparkSession, found: FoundRows, target: str, rows: pa.Table, *, collect: bool = False
) -> Replacement:
    """Write a table in a folder to its own folder, with other rows in place of those that were found.

    Args:
        spark: any engine.
        found: in the earlier table, which stays as it is.
        target: path of the new table, which must not exist.
        rows: that replace them.
        collect: return the replaced rows.

    Raises:
        LakeError: the table cannot be written.
    """
    done, removed = replace_found(spark, found, target, rows, collect=collect)
    return Replacement(done.rows, _describe(done), removed)


def _describe(done: Rewrite) -> str:
    return f"{done.rewritten} of {done.kept + done.rewritten} files rewritten"


def clone_statements(source: str, target: str, key: Sequence[str]) -> list[str]:
    """The statements on Databricks before the new rows are appended.

    A clone and not a shallow one, since maintenance deletes folders of earlier builds.
    """
    new = f"delta.{quote_backticked(target)}"
    same = " AND ".join(f"t.{quote_backticked(name)} <=> s.{quote_backticked(name)}" for name in key)
    return [
        f"CREATE TABLE {new} DEEP CLONE delta.{quote_backticked(source)}",
        f"MERGE INTO {new} AS t USING {_KEYS} AS s ON {same} WHEN MATCHED THEN DELETE",
    ]
