"""From bronze rows to typed rows: trim, texts that mean null, casts, null policy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.columns import Fill
from midnight.configuration.tables import Table
from spark_jobs.transforms.casts import cast_value
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import any_of
from spark_jobs.transforms.literals import literal
from spark_jobs.transforms.masking import PSEUDONYM, RAW, bronze_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Every character with the Unicode property White_Space: engines disagree on what trim() removes.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"

ORIGIN = "_midnight_origin"  # id of the batch of a row, if several batches are evaluated together
# The batch that no longer had a row which was read before; null for a row that the source has.
DELETED = "_midnight_deleted_batch_id"
DROPPED, CAST_RULE, CAST_REASON = "_midnight_dropped", "_midnight_cast_rule", "_midnight_cast_reason"
ORDER = "_midnight_order_"


def clean(frame: DataFrame, table: Table, columns: Sequence[PlannedColumn], keep: Sequence[str] = ()) -> DataFrame:
    """Typed rows: one column per silver column, and the columns of ``order_by``.

    Adds ``_midnight_dropped`` (a null that drops the row), ``_midnight_cast_rule`` and ``_midnight_cast_reason`` (null
    if every value could be cast), and the bronze values as ``_midnight_raw_<n>``.

    Args:
        frame: from ``read_batches``.
        table: its ``order_by``.
        columns: plan of the columns.
        keep: columns to pass through.

    Raises:
        ConfigurationError: a cast or a fill value is not valid for the column's type.
    """
    from pyspark.sql import functions as F

    raw = {f"{RAW}{i}": column.bronze for i, column in enumerate(columns) if column.bronze is not None}
    texts = frame.select(
        *[_normalised(column).alias(f"_midnight_text_{i}") for i, column in enumerate(columns)],
        *[F.col(bronze).alias(name) for name, bronze in raw.items()],
        *keep,
    )
    values: dict[str, Column] = {}
    failures: list[tuple[PlannedColumn, Column, Column]] = []
    for i, column in enumerate(columns):
        text = F.col(f"_midnight_text_{i}")
        values[column.name], failed = cast_value(column, text, table)
        if failed is not None and not column.drop:
            failures.append((column, failed, text))
    kept = [column for column in columns if not column.drop]
    typed = texts.select(
        *[_filled(column, values[column.name], table).alias(column.name) for column in kept],
        *[values[name].alias(f"{ORDER}{i}") for i, (name, _) in enumerate(table.ordering)],
        _first_of([F.when(failed, F.lit(f"cast_{c.name}")) for c, failed, _ in failures]).alias(CAST_RULE),
        _all_of([F.when(failed, _cast_reason(c, text)) for c, failed, text in failures]).alias(CAST_REASON),
        *raw,
        *keep,
    )
    droppers = [F.col(column.name).isNull() for column in kept if column.nulls == "drop_row"]
    return typed.withColumn(DROPPED, any_of(droppers))


def _normalised(column: PlannedColumn) -> Column:
    """The bronze value; text is trimmed, and null if it means null."""
    from pyspark.sql import functions as F

    if column.bronze is None:
        return F.lit(None).cast(column.stored.lower())
    value = F.col(column.bronze)
    if not column.is_text:
        return value
    if column.trim:
        value = F.btrim(value, F.lit(WHITE_SPACE))
    elif column.padded:
        value = F.rtrim(value, F.lit(" "))
    return F.when(~value.isin(*column.null_values), value) if column.null_values else value


def _filled(column: PlannedColumn, value: Column, table: Table) -> Column:
    """The value, with the constant of ``fill`` in place of null."""
    from pyspark.sql import functions as F

    if not isinstance(column.nulls, Fill):
        return value
    constant = literal(column.nulls.fill, column.target, f"columns.{column.name}.nulls.fill", table)
    return F.coalesce(value, constant)


def _cast_reason(column: PlannedColumn, value: Column) -> Column:
    from pyspark.sql import functions as F

    if column.masked:
        return F.lit(f"{column.name}: the value (masked) is not {column.target_name}")
    return F.concat(
        F.lit(f"{column.name}: '"), F.substring(value.cast("string"), 1, 200), F.lit(f"' is not {column.target_name}")
    )


def _first_of(conditions: list[Column]) -> Column:
    from pyspark.sql import functions as F

    return F.coalesce(*conditions) if conditions else F.lit(None).cast("string")


def _all_of(reasons: list[Column]) -> Column:
    from pyspark.sql import functions as F

    return F.concat_ws("; ", *reasons) if reasons else F.lit("")


def bronze_json(columns: Sequence[PlannedColumn], names: Collection[str] | None = None) -> Column:
    """The bronze values of a cleaned row as a JSON object of texts: masked values as pseudonyms, without nulls.

    A double of ten million or more is 1.0E7 in Apache Spark and 10000000.0 in Sail: the same number.

    Args:
        columns: as passed to ``clean``.
        names: only these columns.
    """
    from pyspark.sql import functions as F

    fields = []
    for i, column in enumerate(columns):
        if column.bronze is not None and (names is None or column.name in names):
            text = F.col(f"{PSEUDONYM}{i}") if column.masked else bronze_text(column, i)
            fields.append(text.alias(column.name))
    return F.to_json(F.struct(*fields)) if fields else F.lit("{}")
