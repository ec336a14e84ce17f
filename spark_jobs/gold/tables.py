"""Delta tables of gold as the job writes and reads them: readable by Synapse serverless, never overwritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException  # noqa: TID253 - a Spark job
from pyspark.sql import functions as F  # noqa: TID253 - a Spark job

from midnight.errors import LakeError, ModelError
from midnight.lake.delta_protocol import protocol_problems
from midnight.silver_to_gold.builds import BUILDS_TABLE_COLUMNS, GoldBuild
from midnight.silver_to_gold.models import GoldColumn, may_cast
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.delta_tables import load_table, nullable, table_properties

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def first_line(error: Exception) -> str:
    """The engine's sentence without its plan."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]


def in_contract_form(name: str, result: DataFrame, columns: Sequence[GoldColumn]) -> DataFrame:
    """The result of a model's query with exactly the contract's columns, in its order and types.

    Numbers are cast to the type that the contract names (``may_cast``); any other cast must stand in the query.

    Raises:
        ModelError: columns missing or too many, or a type that would need such a cast.
    """
    got = {field.name.casefold(): field.dataType.simpleString() for field in result.schema}
    expected = [column.name.casefold() for column in columns]
    missing = [column.name for column in columns if column.name.casefold() not in got]
    extra = [field.name for field in result.schema if field.name.casefold() not in expected]
    if missing or extra or len(result.schema) != len(columns):
        raise ModelError(
            f"gold.{name}: the query and the contract have different columns (missing in the query: {missing!r}, "
            f"missing in {name}.yml: {extra!r}); add or remove them in one of the two"
        )
    cast = result.select(
        *(F.col(quote_backticked(column.name)).cast(column.type).alias(column.name) for column in columns)
    )
    wanted = {field.name: field.dataType.simpleString() for field in cast.schema}
    problems = [
        f"{column.name} is {got[column.name.casefold()]}, but {column.type} in the contract"
        for column in columns
        if not may_cast(got[column.name.casefold()], wanted[column.name])
    ]
    if problems:
        raise ModelError(f"gold.{name}: {'; '.join(problems)}; write a CAST in {name}.sql, or correct {name}.yml")
    return cast


# How Sail and Apache Spark say that a number does not fit its type.
_OVERFLOW = re.compile(
    r"overflow|out of range|does not fit|out_of_range|too large to (store|fit)|exceeds? .*precision|"
    r"can't cast value -?\d",
    re.IGNORECASE,
)


def query_failure(name: str, error: Exception, arithmetic: Sequence[str]) -> str:
    """What is said when a model's query fails while it runs.

    Args:
        name: of the model.
        error: the engine's.
        arithmetic: ``GoldModel.arithmetic``, which is named when a number did not fit.
    """
    said = f"gold.{name}: the query failed: {first_line(error)}"
    if arithmetic and _OVERFLOW.search(str(error)):
        return f"{said}; a number did not fit its type in {name}.sql; hint: one of these needs a CAST: " + "; ".join(
            arithmetic
        )
    return f"{said}; see {name}.sql"


def write_model(
    spark: SparkSession, name: str, table: DataFrame, path: str, arithmetic: Sequence[str] = ()
) -> DataFrame:
    """Write a model's table to a folder of its own and return it as it was written.

    Raises:
        ModelError: the query fails (an overflow, a cast), or the table came out in a form that readers cannot read.
        LakeError: the folder exists.
    """
    try:
        nullable(table, spark).write.format("delta").mode("error").options(**table_properties(spark)).save(path)
    except PySparkException as error:
        if "already exists" in str(error):
            raise LakeError(
                f"gold.{name}: {path} already exists; a build never overwrites another: try again"
            ) from error
        raise ModelError(query_failure(name, error, arithmetic)) from error
    check_protocol(spark, name, path)
    return spark.read.format("delta").load(path)


def check_protocol(spark: SparkSession, name: str, path: str) -> None:
    """Look into the table's log, which is the same on every engine.

    Raises:
        ModelError: Synapse serverless could not read the table.
    """
    lines = spark.read.text(f"{path}/_delta_log/*.json")
    actions = lines.where(F.col("value").startswith('{"protocol"') | F.col("value").startswith('{"metaData"'))
    problems = protocol_problems(row["value"] for row in actions.collect())
    if problems:
        raise ModelError(
            f"gold.{name}: the table at {path} was not published, since Synapse serverless cannot read it: "
            f"{'; '.join(problems)}; remove the workspace or session setting that switches this on"
        )


def last_build(spark: SparkSession, *records: str) -> GoldBuild | None:
    """The build that was recorded last in any of the tables, read through the session; None before the first."""
    builds = []
    for path in records:
        table = load_table(spark, path)
        if table is not None:
            newest = table.select(*BUILDS_TABLE_COLUMNS).orderBy(F.desc("completed_at"), F.desc("build_id")).limit(1)
            builds += [GoldBuild.from_row(row.asDict()) for row in newest.collect()]
    return max(builds, key=lambda build: (build.completed_at, build.build_id), default=None)


def record_build(spark: SparkSession, path: str, build: GoldBuild) -> None:
    """Append one row: the moment at which readers see the build.

    Raises:
        LakeError: the row cannot be written.
    """
    values = {
        "build_id": build.build_id,
        "batch_id": build.batch_id,
        "run_id": build.run_id,
        "completed_at": build.completed_at.isoformat(),
        "models": build.models_json(),
    }
    # As text, then cast: a datetime from Python could become TIMESTAMP_NTZ, which raises the table's reader version.
    names = list(BUILDS_TABLE_COLUMNS)
    row = spark.createDataFrame([tuple(values[name] for name in names)], ", ".join(f"{name} string" for name in names))
    typed = row.select(*(F.col(name).cast(kind).alias(name) for name, kind in BUILDS_TABLE_COLUMNS.items()))
    try:
        typed.write.format("delta").mode("append").options(**table_properties(spark)).save(path)
    except PySparkException as error:
        raise LakeError(f"{path}: the build cannot be recorded: {first_line(error)}") from error
