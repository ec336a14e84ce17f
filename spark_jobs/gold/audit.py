"""Audits models: runs their checks on the tables as they were written, before readers can see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from midnight.configuration.checks import Check, Expression, ForeignKey, Unique
from midnight.silver_to_gold.builds import CheckResult
from midnight.silver_to_gold.models import GoldModel, GoldModelContract
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.session import is_sail
from spark_jobs.transforms.conditions import balanced
from spark_jobs.transforms.gold_checks import any_null, breaks_rule, orphans, surplus, too_long
from spark_jobs.transforms.keys import divide_keys

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_VIEW = re.compile(r"\b(silver|gold)__\w")
_ROWS, _KEY, _MAX_LENGTH, _FIRST_CHECK = -1, 0, 1, 2
# Models that are audited in one query: a query costs as much as several small tables, but the analysis of a plan with
# hundreds of tables is slow.
MODELS_PER_QUERY = 16

Views = Callable[[str], "DataFrame"]


@dataclass(frozen=True)
class Replaced:
    """The rows that a refresh replaced, and the audit of the earlier table.

    Args:
        before: the rows that the earlier table had for the affected keys.
        after: the rows that the new table has for them.
        earlier_rows: of the earlier table.
        earlier_failures: check -> failed rows of the earlier table.
        unchanged: views whose content is the same as in the earlier audit.
        key: columns of the model of which the affected keys consist.
    """

    before: DataFrame
    after: DataFrame
    earlier_rows: int
    earlier_failures: Mapping[str, int]
    unchanged: Collection[str]
    key: tuple[str, ...]

    def determines(self, check: Check) -> bool:
        """Whether the failures of the new table follow from those of the earlier one and of the replaced rows.

        They do if each row, or each group of rows that the check compares, lies in the replaced rows as a whole or not
        at all, and if everything else that the check reads is unchanged.
        """
        if check.label not in self.earlier_failures:
            return False
        if isinstance(check, Unique):
            return set(self.key) <= set(check.columns)
        if isinstance(check, ForeignKey):
            return check.table in self.unchanged
        return not is_on_tables(check)


@dataclass(frozen=True)
class WrittenModel:
    """A model and its table as written.

    Args:
        model: with its contract.
        table: reads it.
        replaced: if only some of its rows are new.
        rows: of a table that was built whole, if its files tell.
    """

    model: GoldModel
    table: DataFrame
    replaced: Replaced | None = None
    rows: int | None = None


def is_on_tables(check: Check) -> bool:
    """Whether a check is a condition on tables, not on single rows."""
    return isinstance(check, Expression) and _VIEW.search(check.sql) is not None


def audit_models(
    spark: SparkSession, models: Sequence[WrittenModel], views: Views
) -> list[tuple[int, list[CheckResult]]]:
    """Run every check of some models, in one query; rows that are too many to be compared at once in further ones.

    Args:
        spark: the session in which the views are registered, those of the models included.
        models: as written.
        views: temporary view name -> table, for foreign keys.

    Returns:
        For each model the number of rows, and a result per check: ``key`` (always passed without a key),
        ``max_length``, then the checks of the contract in their order.
    """
    audits = [_Audit(spark, place, model, views) for place, model in enumerate(models)]
    parts = [part for audit in audits for part in audit.parts()]
    # A union: Apache Spark takes several times as long to join the same counts into one row.
    union = balanced(parts, lambda left, right: left.unionAll(right))
    found: dict[int, dict[int, int]] = {place: {} for place in range(len(models))}
    for query in [union, *[query for audit in audits for query in audit.alone]]:
        for row in query.collect():
            counts = found[row["model"]]
            counts[row["number"]] = counts.get(row["number"], 0) + row["failed"]
    return [_results(model, found[place]) for place, model in enumerate(models)]


class _Audit:
    """The counts of one model, as tables with the columns ``model``, ``number`` and ``failed``.

    Attributes:
        alone: counts that ``parts`` leaves out, since each takes a query of its own.
    """

    def __init__(self, spark: SparkSession, place: int, written: WrittenModel, views: Views) -> None:
        self._spark, self._place, self._views = spark, place, views
        self._table, self._replaced, self._rows = written.table, written.replaced, written.rows
        self.alone: list[DataFrame] = []
        self._contract = written.model.contract

    def parts(self) -> list[DataFrame]:
        """The counts of the rows themselves; a number that occurs several times is added up."""
        row_rules = {_KEY: any_null(self._contract.key), _MAX_LENGTH: too_long(self._contract)}
        whole_rules: dict[int, Column] = {}
        parts = []
        if self._contract.key:
            parts += self._repetitions(_KEY, self._contract.key, determined=True)
        for number, check in enumerate(self._contract.checks, start=_FIRST_CHECK):
            determined = self._replaced is not None and self._replaced.determines(check)
            if is_on_tables(check):
                sql = check.sql if isinstance(check, Expression) else ""
                condition = F.expr(f"CAST(({sql}) IS FALSE AS BIGINT)").alias("failed")
                parts.append(self._named(number, self._spark.range(1).select(condition)))
            elif isinstance(check, Unique):
                parts += self._repetitions(number, check.columns, determined=determined)
            elif isinstance(check, ForeignKey):
                count = self._count_of(check)
                parts += self._on_rows(number, count) if determined else [self._named(number, count(self._table))]
            else:
                rules = row_rules if determined or self._replaced is None else whole_rules
                rules[number] = breaks_rule(check, self._table)
        if whole_rules:
            parts.append(self._counted(self._table, whole_rules))
        if self._replaced is None:
            return [*parts, self._counted(self._table, row_rules, counts_rows=True)]
        parts.append(self._counted(self._replaced.after, row_rules, counts_rows=True))
        return [*parts, _negative(self._counted(self._replaced.before, row_rules, counts_rows=True))]

    def _repetitions(self, number: int, columns: tuple[str, ...], *, determined: bool) -> list[DataFrame]:
        if determined and self._replaced is not None:
            return self._on_rows(number, lambda rows: surplus(rows, columns))
        kinds = {column.name: column.type for column in self._contract.columns}
        conditions = divide_keys({name: kinds[name] for name in columns}, self._rows or 0)
        if len(conditions) == 1 or not is_sail(self._spark):
            return [self._named(number, surplus(self._table, columns))]
        self.alone += [self._named(number, surplus(self._table.filter(part), columns)) for part in conditions]
        return []

    def _count_of(self, check: ForeignKey) -> Callable[[DataFrame], DataFrame]:
        target = self._views(check.table)
        return lambda rows: orphans(rows, check, target)

    def _on_rows(self, number: int, count: Callable[[DataFrame], DataFrame]) -> list[DataFrame]:
        if self._replaced is None:
            return [self._named(number, count(self._table))]
        before, after = count(self._replaced.before), count(self._replaced.after)
        return [self._named(number, after), _negative(self._named(number, before))]

    def _named(self, number: int, count: DataFrame) -> DataFrame:
        return count.select(F.lit(self._place).alias("model"), F.lit(number).alias("number"), F.col("failed"))

    def _counted(self, table: DataFrame, rules: Mapping[int, Column], *, counts_rows: bool = False) -> DataFrame:
        counts = {number: F.count(F.when(rule, 1)) for number, rule in rules.items()}
        if counts_rows:
            counts[_ROWS] = F.count(F.lit(1))
        one_pass = table.agg(*(count.alias(f"n{place}") for place, count in enumerate(counts.values())))
        pairs = ", ".join(f"{number}, n{place}" for place, number in enumerate(counts))
        stacked = one_pass.selectExpr(f"stack({len(counts)}, {pairs}) AS (number, failed)")
        return stacked.select(F.lit(self._place).alias("model"), "number", "failed")


def _negative(counts: DataFrame) -> DataFrame:
    return counts.select("model", "number", (-F.col("failed")).alias("failed"))


def _results(written: WrittenModel, counts: Mapping[int, int]) -> tuple[int, list[CheckResult]]:
    contract, replaced = written.model.contract, written.replaced
    rules = [("key", "unique", "fail"), ("max_length", "max_length", "fail")]
    rules += [(check.label, check.rule, check.on_failure) for check in contract.checks]
    results = []
    for number, (name, rule, on_failure) in enumerate(rules):
        failed = counts.get(number, 0)
        if replaced is not None:
            own = number < _FIRST_CHECK or replaced.determines(contract.checks[number - _FIRST_CHECK])
            failed += replaced.earlier_failures[name] if own else 0
        results.append(
            CheckResult.model_validate({"name": name, "rule": rule, "on_failure": on_failure, "failed_rows": failed})
        )
    rows = counts[_ROWS] + (replaced.earlier_rows if replaced is not None else 0)
    return rows, results


def describe_failure(model: GoldModel, table: DataFrame, path: str, rows: int, results: Sequence[CheckResult]) -> str:
    """The message of the failed ``fail`` checks of a model; empty if none failed.

    Args:
        model: the audited model.
        table: the model as written.
        path: of the table.
        rows: of the table.
        results: from ``audit_models``.
    """
    failed = [check for check in results if not check.passed and check.on_failure == "fail"]
    if not failed:
        return ""
    about = {check.label: check.about for check in model.contract.checks}
    named = ", ".join(
        f"{check.name} ({'; '.join(filter(None, (check.rule, about.get(check.name))))}) in {check.failed_rows} rows"
        for check in failed
    )
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
