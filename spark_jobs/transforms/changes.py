"""The changes of a batch to silver: its clean rows compared with the existing rows, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_jobs.transforms.checks import CLEAN, STATE
from spark_jobs.transforms.cleaning import DELETED
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import all_of
from spark_jobs.transforms.duplicates import COPY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ACTION, BATCH = "_midnight_action", "_midnight_batch_id"
INSERT, UPDATE, UNCHANGED, DELETE = "insert", "update", "unchanged", "delete"
# Of rows that silver keeps although the batches do not have them: whether their mark changes.
MARK, RETAINED = "mark", "retained"
# What the table gets, and what it loses.
WRITTEN, REPLACED = (INSERT, UPDATE, MARK), (UPDATE, DELETE, MARK)
OLD_BATCH = "_midnight_old_batch_id"
# Of a change set: whether a row is as it was before the change, or after it.
CHANGE, BEFORE, AFTER = "_midnight_change", "before", "after"
# Of the columns that identify a row; the others are compared together, as one structure.
MOST_COMPARED_SINGLY = 8


def identity_columns(key: Sequence[str], silver_columns: Sequence[str]) -> list[str]:
    """The columns that identify a row of silver: the key, or all columns and the number of the copy."""
    return list(key) if key else [*silver_columns, COPY]


def align(silver: DataFrame, columns: Sequence[PlannedColumn], *, keyless: bool, marked: bool = False) -> DataFrame:
    """Silver with the batch's columns: a new column is null, a column of another type is cast if possible.

    Args:
        silver: the table.
        columns: of the batch.
        keyless: with ``_midnight_copy``.
        marked: with ``_midnight_deleted_batch_id``.
    """
    from pyspark.sql import functions as F

    existing = {name.casefold(): kind for name, kind in silver.dtypes}
    selected: list[Column] = []
    for column in columns:
        kind = existing.get(column.name.casefold())
        if kind is None:
            selected.append(F.lit(None).cast(column.silver_type.lower()).alias(column.name))
        elif kind.upper() == column.silver_type:
            selected.append(F.col(column.name).alias(column.name))
        else:
            selected.append(F.col(column.name).try_cast(column.silver_type.lower()).alias(column.name))
    if keyless:
        selected.append(F.col(COPY) if COPY in existing else F.lit(1).alias(COPY))
    if marked:
        mark = F.col(DELETED) if DELETED in existing else F.lit(None).cast("string")
        selected.append(mark.alias(DELETED))
    return silver.select(*selected, BATCH)


def compare(
    evaluated: DataFrame,
    silver: DataFrame | None,
    key: Sequence[str],
    silver_columns: Sequence[str],
    *,
    structures: bool = False,
) -> DataFrame:
    """Every row of the batch, and every row of silver that has no clean counterpart, with ``_midnight_action``.

    The action is null for a row of the batch that does not reach silver. Null equals null, and NaN equals NaN;
    zero and negative zero are the same key, but different values.

    Args:
        evaluated: from ``evaluate_checks``.
        silver: current rows with the batch's columns (``align``); None for a new table.
        key: key columns; empty: all columns and the copy number.
        silver_columns: names of the columns that reach silver.
        structures: many columns without a key are compared as one structure: for Apache Spark, which compiles each key
            of a join, and is slow or fails with hundreds of them.
    """
    from pyspark.sql import functions as F

    clean = F.col(STATE) == CLEAN
    if silver is None:
        return evaluated.withColumns({ACTION: F.when(clean, F.lit(INSERT)), OLD_BATCH: F.lit(None).cast("string")})
    identity = identity_columns(key, silver_columns)
    old = silver.select(
        *[F.col(name).alias(old_name(name)) for name in dict.fromkeys([*silver_columns, *identity, BATCH])]
    )
    if key:  # a row that is not clean gets a null key, which matches nothing: all conditions stay plain equalities
        left = evaluated.withColumns({_join(i): F.when(clean, F.col(name)) for i, name in enumerate(identity)})
        conditions = [F.col(_join(i)) == F.col(old_name(name)) for i, name in enumerate(identity)]
    else:
        left = evaluated.withColumn(_join(0), F.when(clean, F.lit(1)).otherwise(F.lit(0)))
        old = old.withColumn(old_name(_join(0)), F.lit(1))
        conditions = [F.col(_join(0)).eqNullSafe(F.col(old_name(_join(0))))]
        single = identity[:MOST_COMPARED_SINGLY] if structures else identity
        conditions += [F.col(name).eqNullSafe(F.col(old_name(name))) for name in single]
        if rest := identity[len(single) :]:
            new = F.struct(*[F.col(name).alias(name) for name in rest])
            conditions.append(new.eqNullSafe(F.struct(*[F.col(old_name(name)).alias(name) for name in rest])))
    joined = old.join(left, on=all_of(conditions), how="full")
    fractional = {name for name, kind in silver.dtypes if kind in ("float", "double") and name not in identity}
    same = all_of([_unchanged(name, fractional=name in fractional) for name in silver_columns])
    action = (
        F.when(F.col(STATE).isNull(), F.lit(DELETE))
        .when(~clean, F.lit(None).cast("string"))
        .when(F.col(old_name(BATCH)).isNull(), F.lit(INSERT))
        .when(same, F.lit(UNCHANGED))
        .otherwise(F.lit(UPDATE))
    )
    compared = joined.withColumns({ACTION: action, OLD_BATCH: F.col(old_name(BATCH))})
    # A deleted row is known only from silver.
    return compared.withColumns(
        {name: F.when(F.col(ACTION) == DELETE, F.col(old_name(name))).otherwise(F.col(name)) for name in identity}
    )


def _unchanged(name: str, *, fractional: bool) -> Column:
    """Whether a value is that of silver, to the bit: zero and negative zero are equal, but not the same value."""
    from pyspark.sql import functions as F

    new, old = F.col(name), F.col(old_name(name))
    equal = new.eqNullSafe(old)
    return equal & F.atan2(new, F.lit(-1.0)).eqNullSafe(F.atan2(old, F.lit(-1.0))) if fractional else equal


def old_name(name: str) -> str:
    """The column of ``compare`` with the value in silver; not there for a new table."""
    return f"_midnight_old_{name}"


def _join(number: int) -> str:
    return f"_midnight_join_{number}"
