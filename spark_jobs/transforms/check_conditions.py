"""Each check of the configuration as a condition on the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from midnight.configuration.checks import AcceptedValues, Check, Expression, ForeignKey, NotNull, Pattern, Range, Unique
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem
from spark_jobs.transforms.conditions import all_of, any_of
from spark_jobs.transforms.duplicates import ordering
from spark_jobs.transforms.literals import literal
from spark_jobs.transforms.patterns import portable
from spark_jobs.transforms.references import comparable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def row_condition(check: Check, types: Mapping[str, str], table: Table) -> Column:
    """True for a row that fails; null counts as passed."""
    from pyspark.sql import functions as F

    field = f"checks.{check.label}"
    if isinstance(check, NotNull):
        return any_of([F.col(name).isNull() for name in check.columns])
    if isinstance(check, AcceptedValues):
        column = F.col(check.column)
        return ~column.isin(*[literal(value, types[check.column], field, table) for value in check.values])
    if isinstance(check, Range):
        column, kind = F.col(check.column), types[check.column]
        failed = F.lit(False)
        if check.min is not None:
            failed = failed | (column < literal(check.min, kind, field, table))
        if check.max is not None:
            failed = failed | (column > literal(check.max, kind, field, table))
        return failed
    if isinstance(check, Pattern):
        if types[check.column] != "STRING":
            message = f"column {check.column!r} is {types[check.column]}, not text; hint: use range or accepted_values"
            raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, message)])
        return ~F.col(check.column).rlike(full_match(check))
    if isinstance(check, Expression):
        return ~F.expr(f"({check.sql})")
    raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, f"unknown rule {check.rule!r}")])


def full_match(check: Pattern) -> str:
    """The regular expression for ``rlike`` that matches the complete text or nothing."""
    return rf"\A(?:{portable(check.regex)})\z"


def orphan(
    frame: DataFrame,
    number: int,
    check: ForeignKey,
    referenced: DataFrame,
    *,
    masked: Mapping[str, Column],
    types: Mapping[str, str],
) -> tuple[DataFrame, Column]:
    """Join the existing keys; the condition is true where no column is null and the key does not exist."""
    from pyspark.sql import functions as F

    found = f"_midnight_found_{number}"
    names = [f"_midnight_ref_{number}_{i}" for i in range(len(check.references))]
    # A masked column is a pseudonym on both sides.
    pairs = [
        (masked[own], F.col(reference)) if own in masked else comparable(own, types[own], referenced, reference)
        for own, reference in zip(check.columns, check.references, strict=True)
    ]
    keys = referenced.select(*[reference.alias(n) for (_, reference), n in zip(pairs, names, strict=True)]).distinct()
    keys = keys.withColumn(found, F.lit(True))
    condition = all_of([own == F.col(n) for (own, _), n in zip(pairs, names, strict=True)])
    complete = all_of([F.col(c).isNotNull() for c in check.columns])
    return frame.join(keys, on=condition, how="left").drop(*names), complete & F.col(found).isNull()


def repeated(table: Table, check: Unique, candidate: Column) -> Column:
    """True for every row but the first (by ``order_by``, then by its key) of those that share the columns."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    complete = all_of([F.col(name).isNotNull() for name in check.columns])
    window = Window.partitionBy(candidate & complete, *check.columns).orderBy(
        *ordering(table), *[F.col(name).asc_nulls_last() for name in table.key or check.columns]
    )
    return candidate & complete & (F.row_number().over(window) > 1)


def reason(check: Check, masked: Mapping[str, Column]) -> Column:
    """A message: the columns with their values, and the expectation."""
    from pyspark.sql import functions as F

    values = F.concat_ws(
        ", ",
        *[
            F.concat(F.lit(f"{n}: "), F.coalesce(F.substring(value.cast("string"), 1, 200), F.lit("null")))
            for n in check.used_columns
            for value in [masked.get(n, F.col(n))]
        ],
    )
    return F.concat(values, F.lit(check.expectation))
