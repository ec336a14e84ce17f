"""Rows that are computed once and then read several times: Parquet files, which are cheaper than a Delta table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from spark_jobs.runtime.delta_tables import overwrite_table
from spark_jobs.runtime.parquet_reader import read_files

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
    for number, rows in enumerate(parts):
        rows.write.mode("append" if number else "overwrite").parquet(path)
    # Sail writes no file for no rows.
    is_empty = is_local(path) and not any(Path(path).glob("*.parquet"))
    return read_files(session, [] if is_empty else [path], schema.items())
