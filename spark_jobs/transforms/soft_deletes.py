"""Rows of silver that the batches no longer have: with ``deletes: soft`` they stay, with the batch that saw them go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_jobs.transforms.changes import ACTION, DELETE, MARK, RETAINED, old_name
from spark_jobs.transforms.checks import CLEAN, STATE
from spark_jobs.transforms.cleaning import DELETED
from spark_jobs.transforms.conditions import all_of
from spark_jobs.transforms.duplicates import KEY_IS_NULL, RANK

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_UNCLEAN = "_midnight_unclean"


def retain_deleted(
    compared: DataFrame, evaluated: DataFrame, key: Sequence[str], silver_columns: Sequence[str], mark: Column
) -> DataFrame:
    """Keep rows that ``compare`` would delete, unless the newest row of their key is quarantined or dropped.

    A row whose mark changes has the action ``mark``, another one ``retained``.

    Args:
        compared: from ``compare``, with the columns that ``mark`` reads.
        evaluated: from ``evaluate_checks``, with ``_midnight_deleted_batch_id``.
        key: key columns.
        silver_columns: compared columns of silver, ``_midnight_deleted_batch_id`` among them.
        mark: the new mark of such a row, from its columns in silver (``old_name``).
    """
    from pyspark.sql import functions as F

    unclean = evaluated.filter((F.col(RANK) == 1) & ~F.col(KEY_IS_NULL) & (F.col(STATE) != CLEAN))
    names = {f"_midnight_unclean_{i}": name for i, name in enumerate(key)}
    keys = unclean.select(*[F.col(name).alias(alias) for alias, name in names.items()]).distinct()
    keys = keys.withColumn(_UNCLEAN, F.lit(True))
    doomed = F.coalesce(F.col(ACTION) == DELETE, F.lit(False))
    same = all_of([F.when(doomed, F.col(old_name(name))) == F.col(alias) for alias, name in names.items()])
    joined = compared.join(keys, on=same, how="left")
    retained = doomed & F.col(_UNCLEAN).isNull()
    changed = ~mark.eqNullSafe(F.col(old_name(DELETED)))
    old = {name: F.when(retained, F.col(old_name(name))).otherwise(F.col(name)) for name in silver_columns}
    values = {
        ACTION: F.when(retained & changed, F.lit(MARK)).when(retained, F.lit(RETAINED)).otherwise(F.col(ACTION)),
        **old,
        DELETED: F.when(retained, mark).otherwise(F.col(DELETED)),
    }
    return joined.select(
        *[name for name in compared.columns if name not in values], *[v.alias(n) for n, v in values.items()]
    )
