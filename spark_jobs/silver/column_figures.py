"""Counts nulls and distinct values of a table's columns, and finds the keys that change, without a query of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.lake.column_figures import MOST_DISTINCT
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.silver.key_bounds import bound_expressions, bounded_columns
from spark_jobs.transforms.changes import ACTION, DELETE, INSERT, MARK, RETAINED, UPDATE
from spark_jobs.transforms.checks import CLEAN, STATE
from spark_jobs.transforms.staging import before_name

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from spark_jobs.transforms.columns import PlannedColumn

_MOST_TEXTS = 20  # columns of a table whose distinct values are counted


@dataclass(frozen=True)
class CountedColumns:
    """The columns whose nulls and distinct values are counted, with the rest, in one pass over the staged rows.

    Args:
        nulls: silver columns; ``distinct`` likewise.
        all_rows: the staged rows have the values of all rows of silver, not only of those that change.
        bounded: columns of the key whose smallest and largest value are found, with their types.
    """

    nulls: tuple[str, ...]
    distinct: tuple[str, ...]
    all_rows: bool
    bounded: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_table(
        cls, table: Table, columns: Sequence[PlannedColumn], *, all_rows: bool, is_new: bool, merges: bool
    ) -> CountedColumns:
        """The columns that are counted: a key has no nulls, and the rows of a new table are compared with nothing.

        Args:
            table: its key.
            columns: plan of the columns.
            all_rows: see the class.
            is_new: the table does not exist, or is replaced.
            merges: the engine will look for the rows that change.
        """
        kept = [column for column in columns if not column.drop and column.name not in table.key]
        texts = [column.name for column in kept if column.silver_type == "STRING" and not column.masked]
        bounded = bounded_columns(table, columns) if merges and not all_rows else {}
        distinct = () if is_new else tuple(texts[:_MOST_TEXTS])
        return cls(tuple(column.name for column in kept), distinct, all_rows, bounded)

    def expressions(self) -> dict[str, Column]:
        """Name -> count."""
        from pyspark.sql import functions as F

        action = F.col(ACTION)
        written = action.isin(INSERT, UPDATE)
        found = {
            f"distinct_{i}": F.approx_count_distinct(F.when(written, F.col(name)))
            for i, name in enumerate(self.distinct)
        }
        for i, name in enumerate(self.nulls):
            is_null = F.col(name).isNull()
            if self.all_rows:
                in_silver = (F.col(STATE) == CLEAN) | action.isin(MARK, RETAINED)
                found[f"nulls_{i}"] = F.count_if(in_silver & is_null)
            else:
                was_null = action.isin(UPDATE, DELETE) & F.col(before_name(name)).isNull()
                found[f"nulls_{i}"] = F.count_if(written & is_null) - F.count_if(was_null)
        return found | bound_expressions(list(self.bounded))


def few(distinct: Mapping[str, int]) -> dict[str, int]:
    """The counts of the columns that have few distinct values."""
    return {name: number for name, number in distinct.items() if 0 < number <= MOST_DISTINCT}


def nulls_after(
    session: SparkSession, path: str, before: Mapping[str, int] | None, grown: Mapping[str, int]
) -> dict[str, int]:
    """Column -> nulls in silver after its rows have changed.

    Args:
        session: any engine.
        path: of the silver table, as it is now.
        before: column -> nulls before; None or incomplete after an interrupted run: then one query counts them.
        grown: column -> by how many they have grown.
    """
    from pyspark.sql import functions as F

    if before is not None and grown.keys() <= before.keys():
        return {name: before[name] + number for name, number in grown.items()}
    table = load_table(session, path)
    if table is None or not grown:
        return {}
    counts = [F.count_if(F.col(name).isNull()).alias(f"nulls_{i}") for i, name in enumerate(grown)]
    return dict(zip(grown, table.agg(*counts).collect()[0], strict=True))
