"""The rows of a frame that have one of some keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from midnight.sql_text import quote_backticked
from spark_jobs.transforms.conditions import all_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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
