"""Circular foreign keys, a table that references itself included: which rows may be referenced.

A row that a foreign key quarantines may be referenced by another row. The rows that may be referenced are therefore
found in rounds: first all rows that pass every other check, then those of them whose references exist among them,
until a round removes no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.checks import Check, ForeignKey
from midnight.configuration.tables import Table
from spark_jobs.runtime.staged_rows import stage_rows
from spark_jobs.transforms.checks import CLEAN, STATE
from spark_jobs.transforms.conditions import all_of, any_of
from spark_jobs.transforms.references import references

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_jobs.silver.table import SilverTable


def rows_that_may_be_referenced(
    group: Sequence[SilverTable], outside: Mapping[str, Mapping[str, DataFrame]]
) -> dict[str, DataFrame]:
    """For each table of the group that the group references, a frame with the referenced columns.

    Args:
        group: the tables that reference each other, usually one; nothing is computed for one without a self-reference.
        outside: per table of the group, the referenced tables outside the group.
    """
    names = {silver.table.silver for silver in group}
    inside = {
        silver.table.silver: [c for c in silver.table.checks if isinstance(c, ForeignKey) and c.table in names]
        for silver in group
    }
    if not any(inside.values()):
        return {}
    enforced = {name: [c for c in checks if c.on_failure == "quarantine"] for name, checks in inside.items()}
    candidates, retained = {}, {}
    for silver in group:
        name = silver.table.silver
        others = tuple(c for c in silver.table.checks if c not in inside[name])
        evaluated = silver.rows.evaluated(outside[name], silver.table.model_copy(update={"checks": others}))
        columns = _columns(name, inside)
        candidates[name] = _stage(silver, 0, evaluated.filter(evaluated[STATE] == CLEAN).select(*columns))
        retained[name] = silver.deleted.retained(columns)
    before: dict[str, int] = {}
    counts = {name: frame.count() for name, frame in candidates.items()}
    slot = 0
    while any(enforced.values()) and counts != before:
        before, slot = counts, slot + 1
        rounds = {
            silver.table.silver: _survivors(candidates, retained, silver.table, enforced[silver.table.silver])
            for silver in group
        }
        candidates = {s.table.silver: _stage(s, slot % 2, rounds[s.table.silver]) for s in group}
        counts = {name: frame.count() for name, frame in candidates.items()}
    return {name: _with_retained(candidates, retained, name) for name in candidates}


def _with_retained(
    candidates: Mapping[str, DataFrame], retained: Mapping[str, DataFrame | None], name: str
) -> DataFrame:
    """Rows of silver that stay although the batches do not have them may be referenced, whatever they reference."""
    more = retained[name]
    return candidates[name] if more is None else candidates[name].unionAll(more)


def _columns(name: str, inside: Mapping[str, Sequence[ForeignKey]]) -> list[str]:
    """Columns of a table that take part in a reference."""
    own = [column for check in inside[name] for column in check.columns]
    referenced = [column for checks in inside.values() for c in checks if c.table == name for column in c.references]
    return list(dict.fromkeys([*own, *referenced]))


def _survivors(
    candidates: Mapping[str, DataFrame],
    retained: Mapping[str, DataFrame | None],
    table: Table,
    checks: Sequence[Check],
) -> DataFrame:
    frame = candidates[table.silver]
    for number, check in enumerate(checks):
        if isinstance(check, ForeignKey):
            referenced = _with_retained(candidates, retained, check.table)
            frame = _with_existing_reference(frame, referenced, check, number)
    return frame


def _with_existing_reference(frame: DataFrame, referenced: DataFrame, check: ForeignKey, number: int) -> DataFrame:
    from pyspark.sql import functions as F

    names = [f"_midnight_ref_{number}_{i}" for i in range(len(check.references))]
    pairs = references(frame, check.columns, referenced, check.references)
    keys = referenced.select(*[reference.alias(n) for (_, reference), n in zip(pairs, names, strict=True)]).distinct()
    keys = keys.withColumn("_midnight_found", F.lit(True))
    condition = all_of([own == F.col(n) for (own, _), n in zip(pairs, names, strict=True)])
    incomplete = any_of([F.col(c).isNull() for c in check.columns])
    joined = frame.join(keys, on=condition, how="left")
    return joined.filter(incomplete | F.col("_midnight_found").isNotNull()).select(*frame.columns)


def _stage(silver: SilverTable, slot: int, rows: DataFrame) -> DataFrame:
    """Materialized, so that the plan of a round does not include all rounds before it."""
    return stage_rows([rows], silver.paths.silver_staging(silver.table.silver, f"keys{slot}"), dict(rows.dtypes))
