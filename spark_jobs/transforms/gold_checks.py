"""Checks of a gold model on the table as it was written, in one query per model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: TID253 - a Spark job

from midnight.configuration.checks import AcceptedValues, Check, Expression, ForeignKey, NotNull, Pattern, Range, Unique
from midnight.silver_to_gold.builds import CheckResult
from midnight.silver_to_gold.models import GoldModelContract
from midnight.sql_text import quote_backticked, spark_literal
from spark_jobs.transforms.conditions import all_of, any_of, balanced
from spark_jobs.transforms.references import references

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_VIEW = re.compile(r"\b(silver|gold)__\w")


def audit(
    spark: SparkSession, table: DataFrame, contract: GoldModelContract, views: Mapping[str, DataFrame]
) -> tuple[int, list[CheckResult]]:
    """Run every check of a model.

    Args:
        spark: the session, in which ``views`` are registered, the model's own among them.
        table: the model as written.
        contract: its key, columns and checks.
        views: temporary view name -> table, for foreign keys.

    Returns:
        Rows of the table, and a result per check: ``key`` (nothing fails it where there is none), ``max_length``, then
        the contract's in their order.
    """
    rules: list[tuple[str, str, str]] = [("key", "unique", "fail"), ("max_length", "max_length", "fail")]
    rules += [(check.label, check.rule, check.on_failure) for check in contract.checks]
    row_rules: dict[int, Column] = {0: _any_null(contract.key), 1: _too_long(contract)}
    counts: dict[int, DataFrame] = {-1: _surplus(table, contract.key)} if contract.key else {}
    for number, check in enumerate(contract.checks, start=2):
        if isinstance(check, Unique):
            counts[number] = _surplus(table, check.columns)
        elif isinstance(check, ForeignKey):
            counts[number] = _orphans(table, check, views[check.table])
        elif isinstance(check, Expression) and _VIEW.search(check.sql):
            counts[number] = spark.sql(f"SELECT CAST(({check.sql}) IS FALSE AS BIGINT) AS failed")
        else:
            row_rules[number] = breaks_rule(check, table)
    names = [f"n{number}" for number in row_rules]
    one_pass = table.agg(
        F.count(F.lit(1)).alias("n_all"), *(F.count(F.when(rule, 1)).alias(f"n{n}") for n, rule in row_rules.items())
    )
    pairs = ", ".join(f"{spark_literal(name)}, {name}" for name in ["n_all", *names])
    parts = [one_pass.selectExpr(f"stack({len(names) + 1}, {pairs}) AS (name, failed)")]
    parts += [count.select(F.lit(f"n{number}").alias("name"), F.col("failed")) for number, count in counts.items()]
    # A union, since Apache Spark needs several times as long for the same counts joined into one row.
    union = balanced(parts, lambda left, right: left.unionAll(right))
    found = {row["name"]: row["failed"] for row in union.collect()}
    found["n0"] += found.get("n-1", 0)
    results = [
        CheckResult.model_validate(
            {"name": name, "rule": rule, "on_failure": on_failure, "failed_rows": found[f"n{number}"]}
        )
        for number, (name, rule, on_failure) in enumerate(rules)
    ]
    return found["n_all"], results


def breaks_rule(check: Check, table: DataFrame) -> Column:
    """Whether a row breaks a rule that needs this row alone; null counts as kept, as in silver."""
    if isinstance(check, NotNull):
        return _any_null(check.columns)
    if isinstance(check, AcceptedValues):
        return ~F.col(quote_backticked(check.column)).isin(*check.values)
    if isinstance(check, Range):
        column, kind = F.col(quote_backticked(check.column)), table.schema[check.column].dataType
        too_small = F.lit(False) if check.min is None else column < F.lit(check.min).cast(kind)
        too_large = F.lit(False) if check.max is None else column > F.lit(check.max).cast(kind)
        return too_small | too_large
    if isinstance(check, Pattern):
        return ~F.col(quote_backticked(check.column)).rlike(rf"\A(?:{check.regex})\z")
    if isinstance(check, Expression):
        return ~F.expr(f"({check.sql})")
    raise TypeError(f"{check.rule!r} is no rule for one row")


def _any_null(columns: tuple[str, ...]) -> Column:
    return any_of([F.col(quote_backticked(name)).isNull() for name in columns])


def _too_long(contract: GoldModelContract) -> Column:
    limits = ((column.name, column.max_length) for column in contract.columns if column.max_length is not None)
    rules = [F.length(F.col(quote_backticked(name))) > F.lit(length) for name, length in limits]
    return any_of(rules)


def longest_texts(table: DataFrame, contract: GoldModelContract) -> dict[str, int]:
    """Characters of the longest text of each column that holds one longer than its ``max_length``."""
    limits = {column.name: column.max_length for column in contract.columns if column.max_length is not None}
    if not limits:
        return {}
    row = table.agg(
        *(F.max(F.length(F.col(quote_backticked(n)))).alias(f"n{i}") for i, n in enumerate(limits))
    ).collect()[0]
    found = {name: row[f"n{i}"] or 0 for i, name in enumerate(limits)}
    return {name: length for name, length in found.items() if length > limits[name]}


def _surplus(table: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """How many rows repeat another row's columns, the first of each not counted; rows with a null do not count."""
    groups = (
        table.where(~_any_null(columns))
        .groupBy(*(F.col(quote_backticked(name)) for name in columns))
        .agg(F.count(F.lit(1)).alias("rows"))
    )
    return groups.agg(F.coalesce(F.sum(F.col("rows") - 1), F.lit(0)).cast("bigint").alias("failed"))


def _orphans(table: DataFrame, check: ForeignKey, target: DataFrame) -> DataFrame:
    pairs = references(table, check.columns, target, check.references)
    known = target.select(*(there.alias(f"ref_{n}") for n, (_, there) in enumerate(pairs)))
    own = table.where(~_any_null(check.columns)).select(*(here.alias(f"own_{n}") for n, (here, _) in enumerate(pairs)))
    same = all_of([F.col(f"own_{n}") == F.col(f"ref_{n}") for n in range(len(pairs))])
    return own.join(known, on=same, how="left_anti").agg(F.count(F.lit(1)).alias("failed"))
