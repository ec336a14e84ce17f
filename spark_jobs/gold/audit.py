"""Audits a model: runs its checks on the table as it was written, before readers can see it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from midnight.configuration.checks import Expression, ForeignKey, Unique
from midnight.silver_to_gold.builds import CheckResult
from midnight.silver_to_gold.models import GoldModel, GoldModelContract
from midnight.sql_text import quote_backticked, spark_literal
from spark_jobs.transforms.conditions import balanced
from spark_jobs.transforms.gold_checks import any_null, breaks_rule, orphans, surplus, too_long

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_VIEW = re.compile(r"\b(silver|gold)__\w")


def audit_model(
    spark: SparkSession, table: DataFrame, contract: GoldModelContract, views: Mapping[str, DataFrame]
) -> tuple[int, list[CheckResult]]:
    """Run every check of a model, in one query.

    Args:
        spark: the session in which ``views`` are registered, the model's own included.
        table: the model as written.
        contract: its key, columns and checks.
        views: temporary view name -> table, for foreign keys.

    Returns:
        Number of rows, and a result per check: ``key`` (always passed without a key), ``max_length``, then the checks
        of the contract in their order.
    """
    rules: list[tuple[str, str, str]] = [("key", "unique", "fail"), ("max_length", "max_length", "fail")]
    rules += [(check.label, check.rule, check.on_failure) for check in contract.checks]
    row_rules: dict[int, Column] = {0: any_null(contract.key), 1: too_long(contract)}
    counts: dict[int, DataFrame] = {-1: surplus(table, contract.key)} if contract.key else {}
    for number, check in enumerate(contract.checks, start=2):
        if isinstance(check, Unique):
            counts[number] = surplus(table, check.columns)
        elif isinstance(check, ForeignKey):
            counts[number] = orphans(table, check, views[check.table])
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
    # A union: Apache Spark takes several times as long to join the same counts into one row.
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


def describe_failure(model: GoldModel, table: DataFrame, path: str, rows: int, results: Sequence[CheckResult]) -> str:
    """The message of the failed ``fail`` checks of a model; empty if none failed.

    Args:
        model: the audited model.
        table: the model as written.
        path: of the table.
        rows: of the table.
        results: from ``audit_model``.
    """
    failed = [check for check in results if not check.passed and check.on_failure == "fail"]
    if not failed:
        return ""
    named = ", ".join(f"{check.name} ({check.rule}) in {check.failed_rows} rows" for check in failed)
    message = f"gold.{model.name}: {named} of {rows} failed; the rows are in {path}"
    if any(check.name == "max_length" for check in failed):
        longest = ", ".join(f"{name} {n}" for name, n in longest_texts(table, model.contract).items())
        message += f"; characters of the longest texts: {longest}; hint: raise max_length in {model.name}.yml"
    return message


def longest_texts(table: DataFrame, contract: GoldModelContract) -> dict[str, int]:
    """Column -> characters of its longest text, for columns that exceed their ``max_length``."""
    limits = {column.name: column.max_length for column in contract.columns if column.max_length is not None}
    if not limits:
        return {}
    row = table.agg(
        *(F.max(F.length(F.col(quote_backticked(n)))).alias(f"n{i}") for i, n in enumerate(limits))
    ).collect()[0]
    found = {name: row[f"n{i}"] or 0 for i, name in enumerate(limits)}
    return {name: length for name, length in found.items() if length > limits[name]}
