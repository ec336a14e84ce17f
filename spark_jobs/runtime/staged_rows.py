"""Rows that are computed once and then read several times: Parquet files, which are cheaper than a Delta table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.sql_text import quote_backticked
from spark_jobs.runtime.delta_tables import overwrite_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def stage_rows(rows: DataFrame, path: str, schema: Mapping[str, str], *, ordered: bool = False) -> DataFrame:
    """Write rows to a folder, and return a frame that reads them from there.

    Only this job reads the folder, after the write has ended, so that no log of commits is needed.

    Args:
        rows: to compute.
        path: of the folder, which is replaced.
        schema: column -> Spark type, so that no query has to infer it.
        ordered: rows that are neighbours stay neighbours. Sail deals out the rows of Parquet files to four files in
            turn, but not those of a Delta table.
    """
    if ordered:
        overwrite_table(rows, path)
        return rows.sparkSession.read.format("delta").load(path)
    columns = ", ".join(f"{quote_backticked(name)} {kind}" for name, kind in schema.items())
    session = rows.sparkSession
    rows.write.mode("overwrite").parquet(path)
    if "://" not in path and not Path(path).exists():  # Sail writes nothing for no rows
        return session.createDataFrame([], columns)
    return session.read.schema(columns).parquet(path)
