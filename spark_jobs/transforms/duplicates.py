"""Deduplication: only the newest row of each key is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from spark_jobs.transforms.casts import FLOATS
from spark_jobs.transforms.cleaning import CAST_RULE, ORDER, ORIGIN
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.masking import RAW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

RANK, COPY, KEY_IS_NULL = "_midnight_rank", "_midnight_copy", "_midnight_key_is_null"


def number_rows(
    frame: DataFrame,
    table: Table,
    columns: Sequence[PlannedColumn],
    *,
    has_duplicates: bool,
    newest_first: bool = False,
) -> DataFrame:
    """Add ``_midnight_rank``: 1 for the row to keep, more for its duplicates; and ``_midnight_key_is_null``.

    With a key, rows are ranked by batch (newest first), then by ``order_by`` (nulls last), then rows without a failed
    cast first, then by all values, so that the result is deterministic. Without a key, equal rows are duplicates of
    each other; with ``duplicates: keep`` all are kept, and ``_midnight_copy`` numbers them from 1.

    Args:
        frame: from ``clean``.
        table: its key, ``order_by`` and ``duplicates``.
        columns: plan of the columns, as passed to ``clean``.
        has_duplicates: whether any two rows may share a key; if not, no sort is needed.
        newest_first: the rows are from several batches (``_midnight_origin``).
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    no_key = F.lit(False)
    for name in table.key:
        no_key = no_key | F.col(name).isNull()
    frame = frame.withColumn(KEY_IS_NULL, no_key)
    kinds = {column.name: column.target for column in columns if not column.drop}
    identity = [_one_zero(F.col(name), kinds[name]) for name in table.key or kinds]
    if not has_duplicates:
        numbered = frame.withColumn(RANK, F.lit(1))
    else:
        # Rows with a null key, or (without a key) with a failed cast, are not compared with others.
        unranked = F.col(KEY_IS_NULL) if table.key else F.col(CAST_RULE).isNotNull()
        order = [*([F.col(ORIGIN).desc()] if newest_first else []), *ordering(table)]
        window = Window.partitionBy(unranked, *identity).orderBy(*order, *_tie_break(columns))
        numbered = frame.withColumn(RANK, F.when(unranked, F.lit(1)).otherwise(F.row_number().over(window)))
    if table.key:
        return numbered
    if table.duplicates == "keep":
        return numbered.withColumn(COPY, F.col(RANK)).withColumn(RANK, F.lit(1))
    return numbered.withColumn(COPY, F.lit(1))


def _one_zero(column: Column, kind: str) -> Column:
    """Negative zero as zero: equal in Sail's joins, but not in its windows."""
    from pyspark.sql import functions as F

    return column + F.lit(0.0) if kind in FLOATS else column


def ordering(table: Table) -> list[Column]:
    """``order_by`` as sort columns; nulls last in either direction."""
    from pyspark.sql import functions as F

    columns = [F.col(f"{ORDER}{i}") for i in range(len(table.ordering))]
    return [
        column.desc_nulls_last() if descending else column.asc_nulls_last()
        for column, (_, descending) in zip(columns, table.ordering, strict=True)
    ]


def _tie_break(columns: Sequence[PlannedColumn]) -> list[Column]:
    from pyspark.sql import functions as F

    raw = [f"{RAW}{i}" for i, column in enumerate(columns) if column.bronze is not None]
    return [
        F.col(CAST_RULE).isNotNull().asc(),
        *[F.col(column.name).asc_nulls_last() for column in columns if not column.drop],
        *[F.col(name).asc_nulls_last() for name in raw],
    ]
