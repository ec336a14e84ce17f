"""From the batch's files to typed rows: trim, text that means null, casts, null policy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.column_types import spark_type
from midnight.configuration.columns import Fill
from midnight.configuration.tables import Table
from midnight.errors import BronzeError
from midnight.lake.paths import LakePaths
from midnight.sql_text import quote_backticked
from spark_jobs.transforms.casts import cast_value
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import any_of, balanced
from spark_jobs.transforms.literals import literal
from spark_jobs.transforms.masking import PSEUDONYM, RAW, bronze_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# Every character with the Unicode property White_Space: engines disagree on what trim() removes.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"

ORIGIN = "_midnight_origin"  # id of the batch that a row came in, where several are judged together
DROPPED, CAST_RULE, CAST_REASON = "_midnight_dropped", "_midnight_cast_rule", "_midnight_cast_reason"
ORDER = "_midnight_order_"


def read_batches(session: SparkSession, batches: Sequence[Manifest], paths: LakePaths) -> DataFrame:
    """The rows of one batch, or of several with the same columns, each with its batch's id as ``_midnight_origin``.

    Raises:
        BronzeError: see ``read_bronze``.
    """
    from pyspark.sql import functions as F

    if len(batches) == 1:
        return read_bronze(session, batches[0], batches[0].file_paths(paths))
    with_rows = [batch for batch in batches if batch.rows] or batches[-1:]
    frames = [
        read_bronze(session, batch, batch.file_paths(paths)).withColumn(ORIGIN, F.lit(batch.batch_id))
        for batch in with_rows
    ]
    return balanced(frames, lambda left, right: left.unionAll(right))


def read_bronze(session: SparkSession, manifest: Manifest, paths: Sequence[str]) -> DataFrame:
    """The rows of a sealed batch; columns as the manifest names them, timestamps without zone taken as UTC.

    Args:
        session: any engine.
        manifest: of the batch.
        paths: its files (``manifest.file_paths``); may be none for an empty table.

    Raises:
        BronzeError: the files do not have the manifest's columns.
    """
    from pyspark.sql import functions as F

    expected = {column.name: spark_type(column.stored_as) for column in manifest.columns}
    if not paths:
        return session.createDataFrame(
            [], ", ".join(f"{quote_backticked(name)} {kind}" for name, kind in expected.items())
        )
    frame = session.read.parquet(*paths)
    found = {name: kind.upper().replace("TIMESTAMP_NTZ", "TIMESTAMP") for name, kind in frame.dtypes}
    wrong = {name: found.get(name) for name, kind in expected.items() if found.get(name) != kind}
    if wrong:
        raise BronzeError(
            f"{manifest.qualified_name}: the files of batch {manifest.batch_id} hold {wrong!r}, the manifest says "
            f"{ ({name: expected[name] for name in wrong})!r}; delete the batch folder and clear the ingest task"
        )
    return frame.select(
        *[F.col(n).cast("timestamp").alias(n) if k == "TIMESTAMP" else F.col(n) for n, k in expected.items()]
    )


def clean(frame: DataFrame, table: Table, columns: Sequence[PlannedColumn], keep: Sequence[str] = ()) -> DataFrame:
    """Typed rows: one column per silver column, the columns of ``order_by``, and what is wrong with a row so far.

    Added are ``_midnight_dropped`` (a null that drops the row), ``_midnight_cast_rule`` and ``_midnight_cast_reason``
    (null where every value could be cast), and the bronze values as ``_midnight_raw_<n>``.

    Args:
        frame: from ``read_batches``.
        table: its ``order_by``.
        columns: plan of the columns.
        keep: columns that stay as they are.

    Raises:
        ConfigurationError: a cast or a fill value does not suit the column's type.
    """
    from pyspark.sql import functions as F

    texts = frame.select(
        *[_normalised(column).alias(f"_midnight_text_{i}") for i, column in enumerate(columns)],
        *[F.col(column.bronze).alias(f"{RAW}{i}") for i, column in enumerate(columns) if column.bronze is not None],
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
        *[name for name in texts.columns if name.startswith(RAW)],
        *keep,
    )
    droppers = [F.col(column.name).isNull() for column in kept if column.nulls == "drop_row"]
    return typed.withColumn(DROPPED, any_of(droppers))


def _normalised(column: PlannedColumn) -> Column:
    """The bronze value; text trimmed, and null where it means null."""
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
    """With ``fill`` a null that stands in the source is replaced; a value that cannot be cast stays null."""
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
    """The bronze values of a cleaned row as JSON of texts, masked ones as pseudonyms; nulls are left out.

    A double of ten millions or more is 1.0E7 in Apache Spark and 10000000.0 in Sail: the same number.

    Args:
        columns: what ``clean`` was given.
        names: only these columns.
    """
    from pyspark.sql import functions as F

    fields = []
    for i, column in enumerate(columns):
        if column.bronze is not None and (names is None or column.name in names):
            text = F.col(f"{PSEUDONYM}{i}") if column.masked else bronze_text(column, i)
            fields.append(text.alias(column.name))
    return F.to_json(F.struct(*fields)) if fields else F.lit("{}")
