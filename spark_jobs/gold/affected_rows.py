"""Keys of the few rows of a refresh: in memory where they are in a local folder, otherwise by the engine.

Each query of Apache Spark costs a tenth of a second, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from midnight.lake.paths import is_local
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.key_set import KeySet, is_exact_type
from spark_jobs.runtime.staged_rows import StagedFolder

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

# Rows are only read into memory if there are not more of them.
MOST_IN_MEMORY = 1_000_000


@dataclass(frozen=True)
class Keys:
    """Distinct keys.

    Args:
        rows: the key columns.
        number: of keys.
        in_memory: the same keys; None if only the engine has them.
    """

    rows: DataFrame
    number: int
    in_memory: pa.Table | None

    def key_set(self) -> KeySet | None:
        """For comparisons in memory; None if the engine has to compare them."""
        exact = self.in_memory is not None and all(is_exact_type(field.type) for field in self.in_memory.schema)
        return KeySet(self.in_memory, distinct=True) if exact else None


def staged_keys(staged: StagedFolder, number: int) -> Keys:
    """Keys that were staged.

    Args:
        staged: distinct keys.
        number: of them.
    """
    return Keys(staged.rows, number, staged.to_arrow() if number <= MOST_IN_MEMORY else None)


def distinct_keys(staged: StagedFolder, key: Sequence[str]) -> Keys:
    """The keys of some rows.

    Args:
        staged: the rows, up to two for each key that is held in memory: one before a change, and one after it.
        key: columns of the rows.
    """
    rows = key_columns(staged.rows, key)
    found = staged.to_arrow(key) if staged.count() <= 2 * MOST_IN_MEMORY else None
    if found is None and is_local(staged.path) and not staged.count():
        return Keys(rows, 0, None)
    if found is None or not all(is_exact_type(field.type) for field in found.schema):
        return Keys(rows, rows.count(), None)
    found = found.group_by(list(key)).aggregate([]).select(list(key))
    return Keys(rows, found.num_rows, found)


def key_columns(rows: DataFrame, key: Sequence[str]) -> DataFrame:
    """The distinct keys of some rows, by the engine."""
    return rows.select(*(F.col(quote_backticked(name)) for name in key)).distinct()


def rows_with(staged: StagedFolder, keys: Keys) -> pa.Table | None:
    """The rows that have one of some keys, in memory.

    Returns:
        None if there are too many rows, if only the engine can read or compare them, or without any row.
    """
    import pyarrow.compute as pc

    rows = staged.to_arrow() if staged.count() <= MOST_IN_MEMORY else None
    wanted = keys.key_set()
    return None if rows is None or wanted is None else rows.filter(pc.is_valid(wanted.numbers(rows)))
