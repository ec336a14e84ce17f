"""Rows that are computed once and then read several times: Parquet files, which are cheaper than a Delta table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.sql_text import quote_backticked
from spark_jobs.runtime.delta_tables import overwrite_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def stage_rows(parts: Sequence[DataFrame], path: str, schema: Mapping[str, str], *, ordered: bool = False) -> DataFrame:
    """Write rows to a folder, and return a frame that reads them from there.

    Only this job reads the folder, after the write has ended, so that no log of commits is needed.

    Args:
        parts: the rows to compute, one part after the other; at least one.
        path: of the folder, which is replaced.
        schema: column -> Spark type, so that no query has to infer it.
        ordered: rows that are neighbours stay neighbours. Sail deals out the rows of Parquet files to four files in
            turn, but not those of a Delta table. For a single part.
    """
    session = parts[0].sparkSession
    if ordered:
        overwrite_table(parts[0], path)
        return session.read.format("delta").load(path)
    columns = ", ".join(f"{quote_backticked(name)} {kind}" for name, kind in schema.items())
    for number, rows in enumerate(parts):
        rows.write.mode("append" if number else "overwrite").parquet(path)
    if "://" not in path and not Path(path).exists():  # Sail writes nothing for no rows
        return session.createDataFrame([], columns)
    return session.read.schema(columns).parquet(path)
