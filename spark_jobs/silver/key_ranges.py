"""Divides a large table into ranges of its key, so that the memory of a comparison does not grow with the table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from midnight.configuration.checks import Unique
from midnight.configuration.tables import Table
from spark_jobs.runtime.key_set import is_exact_type
from spark_jobs.runtime.session import is_sail
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

# Sail holds one side of a join in memory: of so many rows with ten columns about 150 MB. Apache Spark spills to disk.
ROWS_AT_ONCE = 500_000


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
    cuts = [] if column.masked else _cuts(path, name)
    if not cuts:
        return [F.lit(True)]
    values = [F.lit(str(cut)).cast(column.silver_type.lower()) for cut in cuts]
    key = F.col(name)
    first = key.isNull() | (key < values[0])
    between = [(key >= low) & (key < high) for low, high in itertools.pairwise(values)]
    return [first, *between, key >= values[-1]]


def _cuts(path: str, column: str) -> list[Any]:
    """Values that divide a table into ranges of about ``ROWS_AT_ONCE`` rows; none if its footers do not say."""
    from spark_jobs.runtime.table_files import TableFiles

    files = TableFiles(path).files
    lowest: list[tuple[Any, int]] = []
    for file in files:
        if column not in file.schema.names or not is_exact_type(file.schema.field(column).type):
            return []
        position = file.schema.names.index(column)
        for number in range(file.footer.num_row_groups):
            group = file.footer.row_group(number)
            statistics = group.column(position).statistics
            if statistics is not None and statistics.has_min_max:
                lowest.append((statistics.min, group.num_rows))
    cuts: list[Any] = []
    size = 0
    for value, rows in sorted(lowest):
        if size >= ROWS_AT_ONCE and (not cuts or value > cuts[-1]):
            cuts.append(value)
            size = 0
        size += rows
    return cuts
