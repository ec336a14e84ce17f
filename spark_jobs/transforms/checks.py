"""The checks of the configuration as conditions, and the judgement of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.checks import BaseCheck, Check, Expression, ForeignKey, InSet, NotNull, Pattern, Range, Unique
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.tables import Table
from spark_jobs.quarantine import REASON, RULE
from spark_jobs.transforms.cleaning import CAST_REASON, CAST_RULE, DROPPED
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import all_of, any_of
from spark_jobs.transforms.duplicates import KEY_IS_NULL, RANK, ordering
from spark_jobs.transforms.literals import literal
from spark_jobs.transforms.masking import masked_values
from spark_jobs.transforms.patterns import portable
from spark_jobs.transforms.references import comparable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

STATE, WARNED, STOPPED = "_midnight_state", "_midnight_warned", "_midnight_stopped"
CLEAN, DUPLICATE, QUARANTINED, DROPPED_STATE = "clean", "duplicate", "quarantined", "dropped"
KEY_RULE = "key_not_null"


@dataclass(frozen=True)
class Checked:
    """A check with the boolean column that says where it failed."""

    check: BaseCheck
    column: str
    reason: Column


def judge(
    frame: DataFrame, table: Table, columns: Sequence[PlannedColumn], parents: Mapping[str, DataFrame]
) -> DataFrame:
    """Say of every row what becomes of it.

    Added are ``_midnight_state`` (clean, duplicate, quarantined, dropped), ``_midnight_rule`` (the first rule that kept
    it out), ``_midnight_reason`` (every reason), ``_midnight_warned`` and ``_midnight_stopped`` (an otherwise clean row
    that a ``warn`` or ``fail`` check found), and one column ``_midnight_check_<n>`` per check.

    Checks see only rows that count (no duplicates), that could be cast and are not dropped. ``unique`` compares only
    rows that every check before it and every other check let pass.

    Checks see the values themselves, foreign keys and reasons the pseudonyms of masked columns; the rows that come out
    have these in place of the values.

    Args:
        frame: from ``number_rows`` and ``with_pseudonyms``.
        table: its checks.
        columns: plan of the columns, for their types.
        parents: silver table name -> frame with the rows that a foreign key may refer to.
    """
    from pyspark.sql import functions as F

    types = {column.name: column.target for column in columns}
    masked = masked_values(columns)
    frame = frame.withColumn(STATE, _state_before_checks())
    candidate = F.col(STATE) == CLEAN
    names = {i: f"_midnight_check_{i}" for i in range(len(table.checks))}
    failures: dict[int, Column] = {}
    for i, check in enumerate(table.checks):
        if isinstance(check, ForeignKey):
            frame, failures[i] = _orphan(frame, i, check, parents[check.table], masked)
        elif not isinstance(check, Unique):
            failures[i] = _row_condition(check, types, table)
    # All at once: a step per check would nest as deep as there are checks (see ``conditions``).
    found = {names[i]: candidate & F.coalesce(failed, F.lit(False)) for i, failed in failures.items()}
    frame = frame.withColumns(found) if found else frame
    checked = [Checked(table.checks[i], names[i], _reason(table.checks[i], masked)) for i in failures]
    for i, check in enumerate(table.checks):
        if not isinstance(check, Unique):
            continue
        name = names[i]
        alive = candidate & ~_any([c for c in checked if c.check.on_failure == "quarantine"])
        frame = frame.withColumn(name, _repeated(table, check, alive))
        checked.append(Checked(check, name, _reason(check, masked)))
    judged = _with_judgement(frame, checked)
    return judged.withColumns(masked) if masked else judged


def _with_judgement(frame: DataFrame, checked: list[Checked]) -> DataFrame:
    from pyspark.sql import functions as F

    out = [c for c in checked if c.check.on_failure == "quarantine"]
    stop = [c for c in checked if c.check.on_failure == "fail"]
    warn = [c for c in checked if c.check.on_failure == "warn"]
    kept = (F.col(STATE) == CLEAN) & ~_any(out)
    rules = [F.when(F.col(c.column), F.lit(c.check.label)) for c in out]
    # A row that a `fail` check found goes to the quarantine too, so that people can see it.
    rules += [F.when(kept & F.col(c.column), F.lit(c.check.label)) for c in stop]
    reasons = [F.when(F.col(c.column), c.reason) for c in out] + [
        F.when(kept & F.col(c.column), c.reason) for c in stop
    ]
    key_failed = (F.col(RANK) == 1) & F.col(KEY_IS_NULL)
    return frame.withColumns(
        {
            STATE: F.when((F.col(STATE) == CLEAN) & _any(out), F.lit(QUARANTINED)).otherwise(F.col(STATE)),
            RULE: F.coalesce(F.col(CAST_RULE), F.when(key_failed, F.lit(KEY_RULE)), *rules),
            REASON: F.concat_ws(
                "; ",
                F.when(F.col(CAST_REASON) != "", F.col(CAST_REASON)),
                F.when(key_failed & F.col(CAST_RULE).isNull(), F.lit("the key is null")),
                *reasons,
            ),
            WARNED: kept & _any(warn),
            STOPPED: kept & _any(stop),
        }
    )


def _state_before_checks() -> Column:
    """A row without a key is kept out; a superseded one is only counted; then come failed casts and dropped nulls."""
    from pyspark.sql import functions as F

    return (
        F.when(F.col(KEY_IS_NULL), F.lit(QUARANTINED))
        .when(F.col(RANK) > 1, F.lit(DUPLICATE))
        .when(F.col(CAST_RULE).isNotNull(), F.lit(QUARANTINED))
        .when(F.col(DROPPED), F.lit(DROPPED_STATE))
        .otherwise(F.lit(CLEAN))
    )


def _any(checked: Sequence[Checked]) -> Column:
    from pyspark.sql import functions as F

    return any_of([F.col(c.column) for c in checked])


def _row_condition(check: Check, types: Mapping[str, str], table: Table) -> Column:
    """True where the row fails; null counts as passed."""
    from pyspark.sql import functions as F

    field = f"checks.{check.label}"
    if isinstance(check, NotNull):
        return any_of([F.col(name).isNull() for name in check.columns])
    if isinstance(check, InSet):
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
            message = f"column {check.column!r} is {types[check.column]}, a pattern needs text; use range or in_set"
            raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, message)])
        return ~F.col(check.column).rlike(whole_text(check))
    if isinstance(check, Expression):
        return ~F.expr(f"({check.sql})")
    raise ConfigurationError([ConfigurationProblem(table.qualified_name, None, field, "is not known to this version")])


def check_conditions(frame: DataFrame, table: Table, columns: Sequence[PlannedColumn]) -> None:
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
            reason = _reason_against(check, frame, types, table)
        except ConfigurationError as error:
            problems += error.problems
            continue
        except (PySparkException, ValueError) as error:
            reason = (
                "is not understood by the engine: " + (str(error).strip().splitlines() or [type(error).__name__])[0]
            )
        if reason:
            text = check.sql if isinstance(check, Expression) else getattr(check, "regex", "")
            message = f"{text!r} {reason[:300]}; correct it"
            problems.append(ConfigurationProblem(table.qualified_name, None, field, message))
    if problems:
        raise ConfigurationError(problems)


def _reason_against(check: Check, frame: DataFrame, types: Mapping[str, str], table: Table) -> str:
    """Why a check cannot be applied; empty when it can. Raises what the engine or the bounds' types say."""
    from pyspark.sql import functions as F

    if isinstance(check, Expression):
        kind = frame.select(F.expr(f"({check.sql})").alias("is_true")).dtypes[0][
            1
        ]  # Spark Connect resolves it only now
        return "" if kind in ("boolean", "void") else f"is {kind}, not true or false"
    if isinstance(check, Pattern):
        frame.sparkSession.range(1).select(F.lit("").rlike(whole_text(check))).collect()
    if isinstance(check, InSet | Range | Pattern):
        _row_condition(check, types, table)
    return ""


def whole_text(check: Pattern) -> str:
    """The regular expression for ``rlike`` that matches the whole text or nothing."""
    return rf"\A(?:{portable(check.regex)})\z"


def _orphan(
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


def _repeated(table: Table, check: Unique, alive: Column) -> Column:
    """True for every row but the first (by ``order_by``, then by its own key) of those that share the columns."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    complete = all_of([F.col(name).isNotNull() for name in check.columns])
    window = Window.partitionBy(alive & complete, *check.columns).orderBy(
        *ordering(table), *[F.col(name).asc_nulls_last() for name in table.key or check.columns]
    )
    return alive & complete & (F.row_number().over(window) > 1)


def _reason(check: Check, masked: Mapping[str, Column]) -> Column:
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
    return F.concat(values, F.lit(_expectation(check)))


def _expectation(check: Check) -> str:  # noqa: PLR0911 - one return per rule
    if isinstance(check, NotNull):
        return " must not be null"
    if isinstance(check, InSet):
        return f" is not in {list(check.values)!r}"
    if isinstance(check, Range):
        if check.min is None:
            return f" is more than {check.max!r}"
        return (
            f" is less than {check.min!r}" if check.max is None else f" is not between {check.min!r} and {check.max!r}"
        )
    if isinstance(check, Pattern):
        return f" does not match {check.regex!r}"
    if isinstance(check, ForeignKey):
        return f" does not exist in {check.table} ({', '.join(check.references)})"
    if isinstance(check, Unique):
        return " is there more than once"
    return f"not true: {check.sql}" if isinstance(check, Expression) else " fails"
