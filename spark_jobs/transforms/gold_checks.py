"""The checks of a gold model, as conditions on a row and as counts of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from midnight.configuration.checks import AcceptedValues, Check, Expression, ForeignKey, NotNull, Pattern, Range
from midnight.silver_to_gold.models import GoldModelContract
from midnight.sql_text import quote_backticked
from spark_jobs.transforms.conditions import all_of, any_of
from spark_jobs.transforms.references import references

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def breaks_rule(check: Check, table: DataFrame) -> Column:
    """Whether a row fails a check that only needs this row; null passes, as in silver."""
    if isinstance(check, NotNull):
        return any_null(check.columns)
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
    raise TypeError(f"{check.rule!r} is not a rule for single rows")


def any_null(columns: tuple[str, ...]) -> Column:
    """Whether any of the columns is null."""
    return any_of([F.col(quote_backticked(name)).isNull() for name in columns])


def too_long(contract: GoldModelContract) -> Column:
    """Whether a text of a row is longer than its column's ``max_length``."""
    limits = ((column.name, column.max_length) for column in contract.columns if column.max_length is not None)
    rules = [F.length(F.col(quote_backticked(name))) > F.lit(length) for name, length in limits]
    return any_of(rules)


def surplus(table: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Number of rows that repeat the columns of another row, the first not counted; rows with a null are ignored."""
    groups = (
        table.where(~any_null(columns))
        .groupBy(*(F.col(quote_backticked(name)) for name in columns))
        .agg(F.count(F.lit(1)).alias("rows"))
    )
    return groups.agg(F.coalesce(F.sum(F.col("rows") - 1), F.lit(0)).cast("bigint").alias("failed"))


def orphans(table: DataFrame, check: ForeignKey, target: DataFrame) -> DataFrame:
    """Number of rows whose reference does not exist in the target; rows with a null are ignored."""
    pairs = references(table, check.columns, target, check.references)
    known = target.select(*(there.alias(f"ref_{n}") for n, (_, there) in enumerate(pairs)))
    own = table.where(~any_null(check.columns)).select(*(here.alias(f"own_{n}") for n, (here, _) in enumerate(pairs)))
    same = all_of([F.col(f"own_{n}") == F.col(f"ref_{n}") for n in range(len(pairs))])
    return own.join(known, on=same, how="left_anti").agg(F.count(F.lit(1)).alias("failed"))
