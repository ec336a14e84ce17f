"""Each check of the configuration as a condition of the engine, and whether the engine understands it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.checks import AcceptedValues, Check, Expression, ForeignKey, NotNull, Pattern, Range, Unique
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import all_of, any_of
from spark_jobs.transforms.duplicates import ordering
from spark_jobs.transforms.literals import literal
from spark_jobs.transforms.patterns import portable
from spark_jobs.transforms.references import comparable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def row_condition(check: Check, types: Mapping[str, str], table: Table) -> Column:
    """True where the row fails; null counts as passed."""
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
            message = (
                f"column {check.column!r} is {types[check.column]}, a pattern needs text; use range or accepted_values"
            )
            raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, message)])
        return ~F.col(check.column).rlike(whole_text(check))
    if isinstance(check, Expression):
        return ~F.expr(f"({check.sql})")
    raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, "is not known to this version")])


def verify_conditions(frame: DataFrame, table: Table, columns: Sequence[PlannedColumn]) -> None:
    """Ask the engine whether it understands every expression, pattern and bound; a few milliseconds each.

    Args:
        frame: has the columns that an expression may use.
        table: its checks.
        columns: plan of the columns, for their types.

    Raises:
        ConfigurationError: with each check that it does not understand.
    """
    from pyspark.errors import PySparkException

    types = {column.name: column.target for column in columns}
    problems: list[ConfigurationProblem] = []
    for check in table.checks:
        field = f"checks.{check.label}"
        try:
            fault = _fault(check, frame, types, table)
        except ConfigurationError as error:
            problems += error.problems
            continue
        except (PySparkException, ValueError) as error:
            fault = "is not understood by the engine: " + (str(error).strip().splitlines() or [type(error).__name__])[0]
        if fault:
            text = check.sql if isinstance(check, Expression) else getattr(check, "regex", "")
            message = f"{text!r} {fault[:300]}; correct it"
            problems.append(ConfigurationProblem(table.qualified_name, None, field, message))
    if problems:
        raise ConfigurationError(problems)


def _fault(check: Check, frame: DataFrame, types: Mapping[str, str], table: Table) -> str:
    """Why a check cannot be applied; empty when it can. Raises what the engine or the bounds' types say."""
    from pyspark.sql import functions as F

    if isinstance(check, Expression):
        # Spark Connect resolves the expression only when it is asked for the types.
        _, kind = frame.select(F.expr(f"({check.sql})").alias("is_true")).dtypes[0]
        return "" if kind in ("boolean", "void") else f"is {kind}, not true or false"
    if isinstance(check, Pattern):
        frame.sparkSession.range(1).select(F.lit("").rlike(whole_text(check))).collect()
    if isinstance(check, AcceptedValues | Range | Pattern):
        row_condition(check, types, table)
    return ""


def whole_text(check: Pattern) -> str:
    """The regular expression for ``rlike`` that matches the whole text or nothing."""
    return rf"\A(?:{portable(check.regex)})\z"


def orphan(
    frame: DataFrame, number: int, check: ForeignKey, parent: DataFrame, masked: Mapping[str, Column]
) -> tuple[DataFrame, Column]:
    """Join the keys that exist; the condition is true where the columns are all there and the key is not."""
    from pyspark.sql import functions as F

    found = f"_midnight_found_{number}"
    names = [f"_midnight_parent_{number}_{i}" for i in range(len(check.references))]
    # A masked column is a pseudonym on both sides.
    pairs = [
        (masked[own], F.col(reference)) if own in masked else comparable(frame, own, parent, reference)
        for own, reference in zip(check.columns, check.references, strict=True)
    ]
    keys = parent.select(*[reference.alias(n) for (_, reference), n in zip(pairs, names, strict=True)]).distinct()
    keys = keys.withColumn(found, F.lit(True))
    condition = all_of([own == F.col(n) for (own, _), n in zip(pairs, names, strict=True)])
    complete = all_of([F.col(c).isNotNull() for c in check.columns])
    return frame.join(keys, on=condition, how="left").drop(*names), complete & F.col(found).isNull()


def repeated(table: Table, check: Unique, alive: Column) -> Column:
    """True for every row but the first (by ``order_by``, then by its own key) of those that share the columns."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    complete = all_of([F.col(name).isNotNull() for name in check.columns])
    window = Window.partitionBy(alive & complete, *check.columns).orderBy(
        *ordering(table), *[F.col(name).asc_nulls_last() for name in table.key or check.columns]
    )
    return alive & complete & (F.row_number().over(window) > 1)


def reason(check: Check, masked: Mapping[str, Column]) -> Column:
    """For people: the columns with their values, and what they should be."""
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
