"""Small tables, read so that Sail joins them as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.table_files import TableFiles

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# DataFusion's `optimizer.hash_join_single_partition_threshold_rows`.
SMALL_TABLE_ROWS = 131_072


def read_if_small(table: DataFrame, path: str) -> DataFrame:
    """The rows of a small Delta table, read from its files; a larger table as it is.

    For the size of one side of a join Sail takes all bytes of a Delta table, whatever columns are read, but the rows of
    plain files. A small side is joined as a whole. Otherwise the rows of both sides are dealt out to the threads by the
    hash of their keys, which takes longer, and mixes the rows of the other side.

    Args:
        table: opened by any engine.
        path: of the table.
    """
    if not (is_sail(table.sparkSession) and is_local(path)):
        return table
    found = TableFiles(path)
    if not found.files or found.schema is None or found.rows > SMALL_TABLE_ROWS:
        return table
    rows = read_files(table.sparkSession, [file.path for file in found.files], table.dtypes)
    return rows if rows.dtypes == table.dtypes else table
