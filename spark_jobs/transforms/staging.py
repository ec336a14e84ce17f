"""The outcome of a batch as it is staged: the rows to count, to quarantine and to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from spark_jobs.transforms.changes import (
    ACTION,
    BATCH,
    DELETE,
    INSERT,
    MARK,
    OLD_BATCH,
    RETAINED,
    UNCHANGED,
    UPDATE,
    old_name,
)
from spark_jobs.transforms.checks import QUARANTINED, REASON, RULE, STATE, STOPPED, WARNED
from spark_jobs.transforms.cleaning import DELETED, bronze_json
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.duplicates import COPY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KEY, ROW = "_midnight_key", "_midnight_row"


def with_rejected_values(evaluated: DataFrame, table: Table, columns: Sequence[PlannedColumn]) -> DataFrame:
    """Add the key and the bronze values of rejected rows as JSON; null for all other rows.

    Before the rows are compared with silver, so that a comparison does not carry the bronze values of every row.

    Args:
        evaluated: from ``evaluate_checks``.
        table: its key.
        columns: plan of the columns.
    """
    from pyspark.sql import functions as F

    texts = {KEY: bronze_json(columns, table.key), ROW: bronze_json(columns)}
    return evaluated.withColumns({name: F.when(_is_rejected(), text) for name, text in texts.items()})


def _is_rejected() -> Column:
    from pyspark.sql import functions as F

    return (F.col(STATE) == QUARANTINED) | F.col(STOPPED)


def outcome_rows(
    compared: DataFrame,
    table: Table,
    columns: Sequence[PlannedColumn],
    origin: Column,
    *,
    silver_columns: Sequence[str],
    all_rows: bool,
    clean_rows: bool = False,
) -> DataFrame:
    """One row per row of the batch and per row to delete from silver.

    Only rows to be written have values, so that a batch with few changes stages little data; with ``reconcile:
    digests`` also the rows that do not reach silver and those that only silver has, by which the rest is compared with
    bronze. Rows that are updated or deleted also have their values in silver (``before_name``), for the change set.

    Args:
        compared: from ``compare``, of rows ``with_rejected_values``.
        table: its key.
        columns: plan of the columns.
        origin: the batch of a row, for ``_midnight_batch_id`` of the rows that change.
        silver_columns: of the Delta table.
        all_rows: unchanged rows have values too, since the complete table will be rewritten.
        clean_rows: unchanged rows have values too, since they are compared with bronze.
    """
    from pyspark.sql import functions as F

    action = F.col(ACTION)
    written = action.isNotNull() if all_rows or clean_rows else action.isin(INSERT, UPDATE, DELETE, MARK)
    if table.proves_silver:
        written = written | action.isNull() | (action == RETAINED)
    batch = F.when(action.isin(UNCHANGED, RETAINED), F.col(OLD_BATCH)).otherwise(origin)
    values = [F.when(written, batch if name == BATCH else F.col(name)).alias(name) for name in silver_columns]
    if not all_rows:
        replaced = action.isin(UPDATE, DELETE, MARK)
        names = [name for name in silver_columns if name != BATCH]
        values += [F.when(replaced, F.col(old_name(name))).alias(before_name(name)) for name in names]
    rejected = _is_rejected()
    return compared.select(
        STATE,
        ACTION,
        WARNED,
        STOPPED,
        *[f"_midnight_check_{i}" for i in range(len(table.checks))],
        F.when(rejected, F.col(RULE)).alias(RULE),
        F.when(rejected, F.col(REASON)).alias(REASON),
        KEY,
        ROW,
        *values,
    )


def before_name(name: str) -> str:
    """The staged column with the value that a column of silver has before the batch."""
    return f"_midnight_before_{name}"


def outcome_schema(
    table: Table, columns: Sequence[PlannedColumn], *, silver_columns: Sequence[str], all_rows: bool
) -> dict[str, str]:
    """The columns of ``outcome_rows`` with their Spark types; the arguments are those of ``outcome_rows``."""
    types = {column.name: column.silver_type for column in columns} | {COPY: "INT", BATCH: "STRING", DELETED: "STRING"}
    flags = (WARNED, STOPPED, *[f"_midnight_check_{i}" for i in range(len(table.checks))])
    return {
        STATE: "STRING",
        ACTION: "STRING",
        **dict.fromkeys(flags, "BOOLEAN"),
        **dict.fromkeys((RULE, REASON, KEY, ROW), "STRING"),
        **{name: types[name] for name in silver_columns},
        **({} if all_rows else {before_name(name): types[name] for name in silver_columns if name != BATCH}),
    }
