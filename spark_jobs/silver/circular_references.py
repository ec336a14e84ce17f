"""Foreign keys in a circle, a table that refers to itself included: which rows may be referred to.

A row that a foreign key keeps out may be the one that another row refers to. The rows that may be referred to are
therefore found in rounds: all rows that pass every other check, then those of them whose references exist among
them, until a round takes nothing away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.checks import Check, ForeignKey
from midnight.configuration.tables import Table
from midnight.errors import LakeError
from spark_jobs.runtime.delta_tables import load_table, overwrite_table
from spark_jobs.transforms.checks import CLEAN, STATE
from spark_jobs.transforms.conditions import all_of, any_of
from spark_jobs.transforms.references import references

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_jobs.silver.table import SilverTable


def rows_that_may_be_referenced(
    session: SparkSession, group: Sequence[SilverTable], parents: Mapping[str, Mapping[str, DataFrame]]
) -> dict[str, DataFrame]:
    """For each table of the group that the group refers to, a frame with the columns that are referred to.

    Args:
        session: any engine.
        group: the tables, usually one, that refer to each other; one without a reference to itself needs nothing.
        parents: per table of the group, the tables outside that it refers to.
    """
    names = {silver.table.silver for silver in group}
    inside = {
        silver.table.silver: [c for c in silver.table.checks if isinstance(c, ForeignKey) and c.table in names]
        for silver in group
    }
    if not any(inside.values()):
        return {}
    deciding = {name: [c for c in checks if c.on_failure == "quarantine"] for name, checks in inside.items()}
    alive = {}
    for silver in group:
        name = silver.table.silver
        others = tuple(c for c in silver.table.checks if c not in inside[name])
        judged = silver.judged(parents[name], silver.table.model_copy(update={"checks": others}))
        columns = _columns(name, inside)
        alive[name] = _stage(session, silver, 0, judged.filter(judged[STATE] == CLEAN).select(*columns))
    before: dict[str, int] = {}
    counts = {name: frame.count() for name, frame in alive.items()}
    slot = 0
    while any(deciding.values()) and counts != before:
        before, slot = counts, slot + 1
        rounds = {
            silver.table.silver: _survivors(alive, silver.table, deciding[silver.table.silver]) for silver in group
        }
        alive = {s.table.silver: _stage(session, s, slot % 2, rounds[s.table.silver]) for s in group}
        counts = {name: frame.count() for name, frame in alive.items()}
    return alive


def _columns(name: str, inside: Mapping[str, Sequence[ForeignKey]]) -> list[str]:
    """Columns of a table that take part in a reference."""
    own = [column for check in inside[name] for column in check.columns]
    referenced = [column for checks in inside.values() for c in checks if c.table == name for column in c.references]
    return list(dict.fromkeys([*own, *referenced]))


def _survivors(alive: Mapping[str, DataFrame], table: Table, checks: Sequence[Check]) -> DataFrame:
    frame = alive[table.silver]
    for number, check in enumerate(checks):
        if isinstance(check, ForeignKey):
            frame = _with_existing_reference(frame, alive[check.table], check, number)
    return frame


def _with_existing_reference(frame: DataFrame, parent: DataFrame, check: ForeignKey, number: int) -> DataFrame:
    from pyspark.sql import functions as F

    names = [f"_midnight_parent_{number}_{i}" for i in range(len(check.references))]
    pairs = references(frame, check.columns, parent, check.references)
    keys = parent.select(*[reference.alias(n) for (_, reference), n in zip(pairs, names, strict=True)]).distinct()
    keys = keys.withColumn("_midnight_found", F.lit(True))
    condition = all_of([own == F.col(n) for (own, _), n in zip(pairs, names, strict=True)])
    incomplete = any_of([F.col(c).isNull() for c in check.columns])
    joined = frame.join(keys, on=condition, how="left")
    return joined.filter(incomplete | F.col("_midnight_found").isNotNull()).select(*frame.columns)


def _stage(session: SparkSession, silver: SilverTable, slot: int, rows: DataFrame) -> DataFrame:
    """Written down, so that the plan of a round does not hold all rounds before it."""
    path = silver.paths.silver_staging(silver.table.silver, f"keys{slot}")
    overwrite_table(rows, path)
    frame = load_table(session, path)
    if frame is None:
        raise LakeError(f"{path} vanished while the job was running; is another run active?")
    return frame
