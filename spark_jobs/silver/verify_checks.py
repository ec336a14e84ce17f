"""Whether the engine accepts the checks of a table, before any row is read for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.checks import AcceptedValues, Check, Expression, Pattern, Range
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem, first_line
from spark_jobs.transforms.check_conditions import full_match, row_condition
from spark_jobs.transforms.columns import PlannedColumn

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def verify_checks(frame: DataFrame, table: Table, columns: Sequence[PlannedColumn]) -> None:
    """Let the engine analyze every expression, pattern and bound: all at once, and only after an error each alone.

    Args:
        frame: with the columns that an expression may use.
        table: its checks.
        columns: plan of the columns, for their types.

    Raises:
        ConfigurationError: with each check that the engine rejects.
    """
    from pyspark.errors import PySparkException

    types = {column.name: column.target for column in columns}
    if _all_are_accepted(frame, table, types):
        return
    problems: list[ConfigurationProblem] = []
    for check in table.checks:
        field = f"checks.{check.label}"
        try:
            error_text = _check_error(check, frame, types, table)
        except ConfigurationError as error:
            problems += error.problems
            continue
        except (PySparkException, ValueError) as error:
            error_text = f"is rejected by the engine: {first_line(error)}"
        if error_text:
            text = check.sql if isinstance(check, Expression) else getattr(check, "regex", "")
            message = f"{text!r} {error_text[:300]}; hint: correct it"
            problems.append(ConfigurationProblem(table.qualified_name, None, field, message))
    if problems:
        raise ConfigurationError(problems)


def _all_are_accepted(frame: DataFrame, table: Table, types: Mapping[str, str]) -> bool:
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    expressions = [check for check in table.checks if isinstance(check, Expression)]
    patterns = [check for check in table.checks if isinstance(check, Pattern)]
    try:
        for check in table.checks:
            if isinstance(check, AcceptedValues | Range | Pattern):
                row_condition(check, types, table)
        if expressions:
            tests = [F.expr(f"({check.sql})").alias(f"_{i}") for i, check in enumerate(expressions)]
            if any(kind not in ("boolean", "void") for _, kind in frame.select(*tests).dtypes):
                return False
        _match_nothing(frame.sparkSession, patterns)
    except (PySparkException, ConfigurationError, ValueError):
        return False  # which check it is, and why, is found one by one
    return True


def _match_nothing(session: SparkSession, patterns: Sequence[Pattern]) -> None:
    """Let the engine compile regular expressions. A row that the query brings along needs no task of Apache Spark."""
    from pyspark.sql import functions as F

    if patterns:
        row = session.createDataFrame([("",)], "text string")
        row.select(
            *[F.col("text").rlike(full_match(check)).alias(f"_{i}") for i, check in enumerate(patterns)]
        ).collect()


def _check_error(check: Check, frame: DataFrame, types: Mapping[str, str], table: Table) -> str:
    """Why a check cannot be applied; empty if it can. Errors of the engine and of the bounds' types pass."""
    from pyspark.sql import functions as F

    if isinstance(check, Expression):
        # Spark Connect resolves the expression only when the types are requested.
        _, kind = frame.select(F.expr(f"({check.sql})").alias("is_true")).dtypes[0]
        return "" if kind in ("boolean", "void") else f"is {kind}, not boolean"
    if isinstance(check, Pattern):
        _match_nothing(frame.sparkSession, [check])
    if isinstance(check, AcceptedValues | Range | Pattern):
        row_condition(check, types, table)
    return ""
