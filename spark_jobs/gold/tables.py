"""Writes the Delta tables of gold: readable by Synapse serverless, never overwritten."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from midnight.errors import LakeError, ModelError, first_line
from midnight.lake.delta_protocol import protocol_problems
from midnight.lake.paths import is_local
from midnight.silver_to_gold.models import GoldColumn, may_cast
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.delta_tables import nullable, writer_options
from spark_jobs.transforms.conditions import balanced

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def in_contract_form(name: str, result: DataFrame, columns: Sequence[GoldColumn]) -> DataFrame:
    """The result of a model's query with exactly the columns, order and types of the contract.

    Numbers are cast to the contract's type (``may_cast``); any other cast must be written in the query.

    Raises:
        ModelError: columns are missing or surplus, or a type requires an explicit cast.
    """
    got = {field.name.casefold(): field.dataType.simpleString() for field in result.schema}
    expected = [column.name.casefold() for column in columns]
    missing = [column.name for column in columns if column.name.casefold() not in got]
    extra = [field.name for field in result.schema if field.name.casefold() not in expected]
    if missing or extra or len(result.schema) != len(columns):
        raise ModelError(
            f"gold.{name}: the query and the contract have different columns (missing in the query: {missing!r}, "
            f"missing in {name}.yml: {extra!r}); hint: add or remove them in one of the two"
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
        raise ModelError(f"gold.{name}: {'; '.join(problems)}; hint: write a CAST in {name}.sql, or correct {name}.yml")
    return cast


# Error texts of Sail and Apache Spark for a number that is out of range.
_OVERFLOW = re.compile(
    r"overflow|out of range|does not fit|out_of_range|too large to (store|fit)|exceeds? .*precision|"
    r"can't cast value -?\d",
    re.IGNORECASE,
)


def query_failure(name: str, error: Exception, arithmetic: Sequence[str]) -> str:
    """The error message of a query that fails while it runs.

    Args:
        name: of the model.
        error: of the engine.
        arithmetic: ``GoldModel.arithmetic``, listed if a number is out of range.
    """
    message = f"gold.{name}: the query failed: {first_line(error)}"
    if arithmetic and _OVERFLOW.search(str(error)):
        return f"{message}; a number is out of range in {name}.sql; hint: one of these needs a CAST: " + "; ".join(
            arithmetic
        )
    return f"{message}; hint: see {name}.sql"


def write_model(spark: SparkSession, name: str, table: DataFrame, path: str, arithmetic: Sequence[str] = ()) -> None:
    """Write a model's table to its own folder, on Sail in files of bounded size, of which a refresh rewrites few.

    Raises:
        ModelError: the query fails (an overflow, a cast).
        LakeError: the folder exists.
    """
    try:
        nullable(table, spark).write.format("delta").mode("error").options(**writer_options(spark)).save(path)
    except PySparkException as error:
        if "already exists" in str(error):
            raise LakeError(
                f"gold.{name}: {path} already exists and is never overwritten; hint: clear the task"
            ) from error
        raise ModelError(query_failure(name, error, arithmetic)) from error


def check_protocols(spark: SparkSession, paths: Mapping[str, str]) -> None:
    """Check the protocol and the properties in the tables' logs, which are equal on every engine.

    In one query for all tables, or none if they are folders.

    Args:
        spark: reads logs in Azure.
        paths: model -> path of its table.

    Raises:
        ModelError: Synapse serverless cannot read one of the tables.
    """
    lines = {name: _read_log(path) for name, path in paths.items() if is_local(path)}
    lines |= _read_logs_by_engine(spark, {name: path for name, path in paths.items() if not is_local(path)})
    for name, path in paths.items():
        problems = protocol_problems(lines[name])
        if problems:
            raise ModelError(
                f"gold.{name}: the table at {path} was not published, since Synapse serverless cannot read it: "
                f"{'; '.join(problems)}; hint: remove the workspace or session setting that enables this"
            )


_ACTIONS = ('{"protocol"', '{"metaData"')


def _read_log(path: str) -> list[str]:
    lines = []
    for commit in sorted(Path(path, "_delta_log").glob("*.json")):
        lines += [line for line in commit.read_text(encoding="utf-8").splitlines() if line.startswith(_ACTIONS)]
    return lines


def _read_logs_by_engine(spark: SparkSession, paths: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in paths}
    parts = []
    for name, path in paths.items():
        action = F.col("value").startswith(_ACTIONS[0]) | F.col("value").startswith(_ACTIONS[1])
        lines = spark.read.text(f"{path}/_delta_log/*.json").where(action)
        parts.append(lines.select(F.lit(name).alias("name"), "value"))
    if parts:
        for row in balanced(parts, lambda left, right: left.unionAll(right)).collect():
            found[row["name"]].append(row["value"])
    return found
