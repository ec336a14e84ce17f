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
from spark_jobs.transforms.keys import with_keys

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
    rows = staged.rows.select(*(F.col(quote_backticked(name)) for name in key)).distinct()
    found = staged.to_arrow(key) if staged.count() <= 2 * MOST_IN_MEMORY else None
    if found is None and is_local(staged.path) and not staged.count():
        return Keys(rows, 0, None)
    if found is None or not _is_exact(found):
        return Keys(rows, rows.count(), None)
    found = found.group_by(list(key)).aggregate([]).select(list(key))
    return Keys(rows, found.num_rows, found)


def has_other_keys(staged: StagedFolder, keys: Keys, key: Sequence[str]) -> bool:
    """Whether a row has a key that is not one of some keys.

    Args:
        staged: the rows.
        keys: that they should have.
        key: columns of both.
    """
    found = _read(staged, key)
    if found is None and is_local(staged.path) and not staged.count():
        return False
    if found is None or keys.in_memory is None or not _is_exact(found) or not _is_exact(keys.in_memory):
        return with_keys(staged.rows, keys.rows, key, how="left_anti").count() > 0
    return bool(KeySet(keys.in_memory).numbers(found).null_count)


def in_memory(staged: StagedFolder, keys: Keys) -> tuple[pa.Table, pa.Table] | None:
    """Keys and the rows that have one, for ``rewrite_rows``.

    Returns:
        None if there are too many of them, if only the engine can read or compare them, or without any row.
    """
    import pyarrow.compute as pc

    rows = _read(staged, None)
    if rows is None or keys.in_memory is None or not _is_exact(keys.in_memory):
        return None
    return keys.in_memory, rows.filter(pc.is_valid(KeySet(keys.in_memory).numbers(rows)))


def _read(staged: StagedFolder, columns: Sequence[str] | None) -> pa.Table | None:
    return staged.to_arrow(columns) if staged.count() <= MOST_IN_MEMORY else None


def _is_exact(rows: pa.Table) -> bool:
    return all(is_exact_type(field.type) for field in rows.schema)
