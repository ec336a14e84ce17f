"""The silver tables that foreign keys reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.errors import MidnightError
from midnight.lake.paths import LakePaths
from spark_jobs.runtime.delta_tables import open_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def referenced_frames(
    session: SparkSession, table: Table, names: Sequence[str], lakes: Sequence[LakePaths]
) -> dict[str, DataFrame]:
    """The silver tables that a table's foreign keys reference, from the first lake that has them.

    Raises:
        MidnightError: a table was never loaded.
    """
    frames = {}
    for name in names:
        found = next((f for lake in lakes if (f := open_table(session, lake.silver_table(name))) is not None), None)
        if found is None:
            raise MidnightError(
                f"{table.qualified_name}: a foreign key references silver table {name!r}, which was never loaded; "
                "hint: load it in the same run or before"
            )
        frames[name] = found
    return frames
