"""Delta tables by path, with the features that Sail, Apache Spark and Databricks have in common."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.errors import LakeError, first_line
from midnight.lake.delta_protocol import FILE_BYTES, TABLE_PROPERTIES
from midnight.lake.paths import is_local
from midnight.sql_text import spark_columns
from spark_jobs.runtime.delta_log import count_by_log
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.session import is_sail

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_NO_TABLE = (
    "PATH_NOT_FOUND",
    "DELTA_TABLE_NOT_FOUND",
    "DELTA_PATH_DOES_NOT_EXIST",
    "DELTA_MISSING_DELTA_TABLE",
    "is not a Delta table",
    "No commit files found in _delta_log",
)


def load_table(session: SparkSession, path: str) -> DataFrame | None:
    """The newest version of a Delta table; None if there is none at the path.

    Raises:
        LakeError: it exists but cannot be read.
    """
    from pyspark.errors import PySparkException

    if is_local(path) and not Path(path, "_delta_log").is_dir():
        return None
    try:
        frame = session.read.format("delta").load(path)
        frame.schema  # noqa: B018 - Spark Connect reads the path only now
    except PySparkException as error:
        if any(sign in str(error) for sign in _NO_TABLE):
            return None
        raise _unreadable(path, error) from error
    return frame


def open_table(session: SparkSession, path: str) -> DataFrame | None:
    """The newest version of a Delta table, to read it; None if there is none at the path.

    On a local Apache Spark by its files, which delta-rs lists: Delta runs a job or more per table and query for that,
    which take longer than a query of a small table. Files are then skipped by their footers.

    Raises:
        LakeError: it exists but cannot be read.
    """
    if is_sail(session) or not is_local(path):
        return load_table(session, path)
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError
    from pyspark.sql.types import StructType

    try:
        if not DeltaTable.is_deltatable(path):
            return None
        table = DeltaTable(path)
    except (DeltaError, OSError) as error:
        raise _unreadable(path, error) from error
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns:
        return load_table(session, path)
    fields = StructType.fromJson(json.loads(table.schema().to_json())).fields
    names = table.get_add_actions(flatten=True)["path"].to_pylist()
    types = [(field.name, field.dataType.simpleString()) for field in fields]
    return read_files(session, [f"{path}/{name}" for name in names], types)


def _unreadable(path: str, error: Exception) -> LakeError:
    return LakeError(
        f"Delta table {path!r} cannot be read: {first_line(error)}; hint: check the permission on the lake"
    )


def count_rows(session: SparkSession, path: str) -> int:
    """The rows of a Delta table, from its log if possible; 0 if the table does not exist.

    Raises:
        LakeError: it exists but cannot be read.
    """
    counted = count_by_log(path)
    if counted is not None:
        return counted
    table = load_table(session, path)
    return 0 if table is None else table.count()


def table_properties(session: SparkSession) -> dict[str, str]:
    """Properties for a new Delta table.

    Sail 0.7 reads a decimal in a file's statistics as a double: a column whose values are all 1234567890123456.78
    is read as 1234567890123456.80, and a filter or a join for the exact value finds no row. Its tables therefore have
    no column statistics, even those without decimals, since such a column may be added later.
    """
    no_statistics = {"delta.dataSkippingNumIndexedCols": "0"} if is_sail(session) else {}
    return TABLE_PROPERTIES | no_statistics


def writer_options(session: SparkSession) -> dict[str, str]:
    """Options of a write that creates or replaces a table: its properties, and the size of its files.

    Sail writes each of its streams into files of ``FILE_BYTES``, in the order of the rows: a change of neighbouring
    rows then concerns few files (``delta_files``). Its default is one file per stream and commit.
    """
    file_size = {"targetFileSize": str(FILE_BYTES)} if is_sail(session) else {}
    return table_properties(session) | file_size


def overwrite_table(frame: DataFrame, path: str) -> None:
    """Replace all rows and the schema in one commit; creates a missing table."""
    writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
    writer.options(**writer_options(frame.sparkSession)).save(path)


def append_rows(frame: DataFrame, path: str) -> None:
    """Append in one commit; creates a missing table and adds missing columns."""
    writer = frame.write.format("delta").mode("append").option("mergeSchema", "true")
    writer.options(**table_properties(frame.sparkSession)).save(path)


def replace_rows(
    session: SparkSession, frame: DataFrame, path: str, condition: str, partition_by: Sequence[str]
) -> None:
    """Replace the rows that fulfil a condition on partition columns, in one commit; creates a missing table.

    Sail has no dynamic partition overwrite: it would silently replace all rows.
    """
    writer = nullable(frame, session).write.format("delta").partitionBy(*partition_by)
    if load_table(session, path) is None:  # Sail cannot replace rows of a table that does not exist
        writer.mode("append").options(**table_properties(session)).save(path)
    else:
        writer.mode("overwrite").option("replaceWhere", condition).save(path)


def nullable(frame: DataFrame, session: SparkSession) -> DataFrame:
    """The same rows with every column nullable, so that a constant column can have nulls in a later batch."""
    return session.createDataFrame([], spark_columns(frame.dtypes)).unionAll(frame)


def discard(folder: str) -> None:
    """Remove a folder of temporary tables; a failure is logged and does not stop the job.

    Spark Connect has no file operations. On Databricks, serverless included, ``dbutils`` has them for the paths that
    the external locations allow (https://learn.microsoft.com/azure/databricks/dev-tools/databricks-utils).
    """
    if "DATABRICKS_RUNTIME_VERSION" not in os.environ:
        if is_local(folder):
            shutil.rmtree(folder, ignore_errors=True)
        return
    from databricks.sdk.runtime import dbutils

    try:
        dbutils.fs.rm(folder, True)
    except Exception as error:  # noqa: BLE001 - Py4J's on a cluster, others elsewhere; a missing folder raises, too
        print(f"could not remove {folder}, the next run will try again: {first_line(error, 200)}", flush=True)
