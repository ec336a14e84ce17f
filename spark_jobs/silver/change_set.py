"""The change set of a batch: the rows of silver that it changes, before and after. Gold reads it.

Written before silver is committed; it counts only if the ledger's entry of the batch says ``changed = rows``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_jobs.transforms.changes import ACTION, AFTER, BEFORE, CHANGE, DELETE, INSERT, MARK, UPDATE
from spark_jobs.transforms.staging import before_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def change_rows(staged: DataFrame, columns: Sequence[str]) -> DataFrame:
    """An inserted row once (``after``), a deleted row once (``before``), an updated or marked row both ways.

    Args:
        staged: from ``outcome_rows``.
        columns: of silver, without ``_midnight_batch_id``.
    """
    from pyspark.sql import functions as F

    action = F.col(ACTION)
    before = staged.filter(action.isin(UPDATE, DELETE, MARK)).select(
        *[F.col(before_name(name)).alias(name) for name in columns], F.lit(BEFORE).alias(CHANGE)
    )
    after = staged.filter(action.isin(INSERT, UPDATE, MARK)).select(*columns, F.lit(AFTER).alias(CHANGE))
    return before.unionAll(after)


def write_change_set(staged: DataFrame, columns: Sequence[str], path: str) -> None:
    """Write the change set of a batch, or replace what an interrupted attempt left there.

    Args:
        staged: from ``outcome_rows``.
        columns: of silver, without ``_midnight_batch_id``.
        path: ``LakePaths.silver_changes``.
    """
    change_rows(staged, columns).write.mode("overwrite").parquet(path)
