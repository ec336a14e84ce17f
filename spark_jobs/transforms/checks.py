"""The outcome of every row by the checks of the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.configuration.checks import BaseCheck, ForeignKey, Unique
from midnight.configuration.tables import Table
from spark_jobs.transforms.check_conditions import orphan, reason, repeated, row_condition
from spark_jobs.transforms.cleaning import CAST_REASON, CAST_RULE, DELETED, DROPPED
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.conditions import any_of
from spark_jobs.transforms.duplicates import KEY_IS_NULL, RANK
from spark_jobs.transforms.masking import masked_values

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

STATE, WARNED, STOPPED = "_midnight_state", "_midnight_warned", "_midnight_stopped"
CLEAN, DUPLICATE, QUARANTINED, DROPPED_STATE = "clean", "duplicate", "quarantined", "dropped"
OBSOLETE = "obsolete"
RULE, REASON = "_midnight_rule", "_midnight_reason"
KEY_RULE = "key_not_null"


@dataclass(frozen=True)
class Checked:
    """A check with the boolean column that is true for the rows that failed it."""

    check: BaseCheck
    column: str
    reason: Column


def evaluate_checks(
    frame: DataFrame,
    table: Table,
    columns: Sequence[PlannedColumn],
    referenced: Mapping[str, DataFrame],
    *,
    has_deleted: bool = False,
) -> DataFrame:
    """Add the outcome of every row.

    Adds ``_midnight_state`` (clean, duplicate, quarantined, dropped, obsolete), ``_midnight_rule`` (the first rule that
    quarantined the row), ``_midnight_reason`` (every reason), ``_midnight_warned`` and ``_midnight_stopped`` (an
    otherwise clean row that failed a ``warn`` or ``fail`` check), and one column ``_midnight_check_<n>`` per check.

    A row that the source has deleted (``has_deleted``) is obsolete; with ``deletes: soft`` only if it is
    not clean, and no ``unique``, ``warn`` or ``fail`` check looks at it.

    Checks only apply to rows that are not duplicates, could be cast and are not dropped. ``unique`` only compares rows
    that passed every check before it and every check of another kind.

    Checks use the values themselves; foreign keys and reasons use the pseudonyms of masked columns. In the result the
    pseudonyms replace the values.

    Args:
        frame: from ``number_rows`` and ``with_pseudonyms``.
        table: its checks.
        columns: plan of the columns, for their types.
        referenced: silver table name -> frame with the rows that a foreign key may reference.
        has_deleted: there is a column ``_midnight_deleted_batch_id``, which is not null for every row.
    """
    from pyspark.sql import functions as F

    types = {column.name: column.target for column in columns}
    masked = masked_values(columns)
    frame = frame.withColumn(STATE, _state_before_checks(obsolete=has_deleted and table.deletes != "soft"))
    candidate = F.col(STATE) == CLEAN
    names = {i: f"_midnight_check_{i}" for i in range(len(table.checks))}
    failures: dict[int, Column] = {}
    for i, check in enumerate(table.checks):
        if isinstance(check, ForeignKey):
            frame, failures[i] = orphan(frame, i, check, referenced[check.table], masked=masked, types=types)
        elif not isinstance(check, Unique):
            failures[i] = row_condition(check, types, table)
    # All at once: a step per check would nest as deep as there are checks (see ``conditions``).
    found = {names[i]: candidate & F.coalesce(failed, F.lit(False)) for i, failed in failures.items()}
    frame = frame.withColumns(found) if found else frame
    checked = [Checked(table.checks[i], names[i], reason(table.checks[i], masked)) for i in failures]
    for i, check in enumerate(table.checks):
        if not isinstance(check, Unique):
            continue
        name = names[i]
        present = candidate & F.col(DELETED).isNull() if has_deleted else candidate
        passed = present & ~_any([c for c in checked if c.check.on_failure == "quarantine"])
        frame = frame.withColumn(name, repeated(table, check, passed))
        checked.append(Checked(check, name, reason(check, masked)))
    evaluated = _with_outcome(frame, checked, has_deleted=has_deleted)
    return evaluated.withColumns(masked) if masked else evaluated


def _with_outcome(frame: DataFrame, checked: list[Checked], *, has_deleted: bool) -> DataFrame:
    from pyspark.sql import functions as F

    out = [c for c in checked if c.check.on_failure == "quarantine"]
    stop = [c for c in checked if c.check.on_failure == "fail"]
    warn = [c for c in checked if c.check.on_failure == "warn"]
    kept = (F.col(STATE) == CLEAN) & ~_any(out)
    state = F.when((F.col(STATE) == CLEAN) & _any(out), F.lit(QUARANTINED)).otherwise(F.col(STATE))
    if has_deleted:
        is_gone = F.col(DELETED).isNotNull()
        kept = kept & ~is_gone
        state = F.when(is_gone & (state == QUARANTINED), F.lit(OBSOLETE)).otherwise(state)
    rules = [F.when(F.col(c.column), F.lit(c.check.label)) for c in out]
    # A row that failed a `fail` check is quarantined too, so that it can be inspected.
    rules += [F.when(kept & F.col(c.column), F.lit(c.check.label)) for c in stop]
    reasons = [F.when(F.col(c.column), c.reason) for c in out] + [
        F.when(kept & F.col(c.column), c.reason) for c in stop
    ]
    key_failed = (F.col(RANK) == 1) & F.col(KEY_IS_NULL)
    return frame.withColumns(
        {
            STATE: state,
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


def _state_before_checks(*, obsolete: bool) -> Column:
    """In this order: rows with a null key, duplicates, deleted rows, failed casts, dropped nulls."""
    from pyspark.sql import functions as F

    ranked = F.when(F.col(KEY_IS_NULL), F.lit(QUARANTINED)).when(F.col(RANK) > 1, F.lit(DUPLICATE))
    if obsolete:
        ranked = ranked.when(F.col(DELETED).isNotNull(), F.lit(OBSOLETE))
    return (
        ranked.when(F.col(CAST_RULE).isNotNull(), F.lit(QUARANTINED))
        .when(F.col(DROPPED), F.lit(DROPPED_STATE))
        .otherwise(F.lit(CLEAN))
    )


def _any(checked: Sequence[Checked]) -> Column:
    from pyspark.sql import functions as F

    return any_of([F.col(c.column) for c in checked])
