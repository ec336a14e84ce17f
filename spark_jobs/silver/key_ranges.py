"""Divides a large table into ranges of its key, so that the memory of a comparison does not grow with the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.configuration.checks import Unique
from midnight.configuration.tables import Table
from spark_jobs.runtime.key_cuts import conditions_between, key_cuts
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.table_files import TableFiles
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

# Sail holds one side of a join in memory: of so many rows with ten columns about 150 MB. Apache Spark spills to disk.
ROWS_AT_ONCE = 500_000
# Each range is a query, after which Sail keeps about 16 MB: a very large table has larger ranges, not more of them.
MOST_RANGES = 40


def key_ranges(
    session: SparkSession, path: str, table: Table, columns: Sequence[PlannedColumn], rows: int
) -> list[Column]:
    """Conditions on the key, of which exactly one is true for each row; a single one if the table is not divided.

    Only the first column of the key divides, at values from the footers of silver's files, which are in about the order
    of the source. A table with a ``unique`` check is not divided, since its rows are compared with each other.

    Args:
        session: any engine; only Sail needs it.
        path: of the silver table in a folder.
        table: with its key and checks.
        columns: plan of the columns.
        rows: of the larger side of the comparison.
    """
    from pyspark.sql import functions as F

    compares_rows = any(isinstance(check, Unique) for check in table.checks)
    if not is_sail(session) or rows <= ROWS_AT_ONCE or not table.key or compares_rows:
        return [F.lit(True)]
    name = table.key[0]
    column = next(column for column in columns if column.name == name)
    files = [] if column.masked else TableFiles(path).files
    cuts = key_cuts(files, name, max(ROWS_AT_ONCE, sum(file.rows for file in files) // MOST_RANGES))
    if not cuts:
        return [F.lit(True)]
    return conditions_between(F.col(name), cuts, column.silver_type)
