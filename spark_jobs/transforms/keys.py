"""The rows of a frame that have one of some keys, and the division of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from midnight.sql_text import quote_backticked
from spark_jobs.transforms.casts import FLOATS
from spark_jobs.transforms.conditions import all_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Sail holds the keys that it counts in memory: 10 million whole numbers take about 500 MB.
KEYS_COUNTED_AT_ONCE = 10_000_000


def with_keys(
    rows: DataFrame, keys: DataFrame, names: Sequence[str], how: Literal["left_semi", "left_anti"] = "left_semi"
) -> DataFrame:
    """The rows that have one of the keys, or with ``left_anti`` the rows that have none; null equals null.

    Args:
        rows: with the key columns.
        keys: with the key columns; may have others.
        names: of the key columns.
        how: which rows.
    """
    from pyspark.sql import functions as F

    renamed = {name: f"_midnight_key_{number}" for number, name in enumerate(names)}
    other = keys.select(*(F.col(quote_backticked(name)).alias(alias) for name, alias in renamed.items()))
    same = all_of([F.col(quote_backticked(name)).eqNullSafe(F.col(alias)) for name, alias in renamed.items()])
    return rows.join(other, on=same, how=how)


def divide_keys(types: Mapping[str, str], rows: int) -> list[Column]:
    """Conditions on keys, of which one is true for each row, and the same one for equal keys; one if the rows are few.

    Args:
        types: key column -> Spark type.
        rows: to count by their key.
    """
    from pyspark.sql import functions as F

    buckets = max(1, -(-rows // KEYS_COUNTED_AT_ONCE))
    return [bucket_of(types, buckets) == F.lit(number) for number in range(buckets)]


def bucket_of(types: Mapping[str, str], buckets: int) -> Column:
    """A number from 0 to below ``buckets``, the same for rows with equal keys: zero and negative zero are.

    Args:
        types: key column -> Spark type.
        buckets: at least one.
    """
    from pyspark.sql import functions as F

    columns = [(F.col(quote_backticked(name)), kind.upper() in FLOATS) for name, kind in types.items()]
    hashed = F.xxhash64(*[column + F.lit(0.0) if fractional else column for column, fractional in columns])
    return F.pmod(hashed, F.lit(buckets)).cast("int")
