"""Rows that are computed once and then read several times: Parquet files, which are cheaper than a Delta table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midnight.lake.paths import is_local
from spark_jobs.runtime.delta_tables import overwrite_table
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.session import is_sail

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class StagedFolder:
    """Staged rows that are few: those of a local folder are counted and read without a query of the engine.

    Args:
        rows: reads them.
        path: of the folder.
    """

    rows: DataFrame
    path: str

    def count(self) -> int:
        """Number of rows."""
        import pyarrow.parquet as pq

        if not is_local(self.path):
            return self.rows.count()
        return sum(pq.read_metadata(file).num_rows for file in self._files)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table | None:
        """The rows with some columns, by default all; None if only the engine can read them, or if there are none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not is_local(self.path) or not self._files:
            return None
        names = self.rows.columns if columns is None else list(columns)
        return pa.concat_tables([pq.ParquetFile(file).read(columns=names).select(names) for file in self._files])

    @property
    def _files(self) -> list[Path]:
        return sorted(Path(self.path).glob("*.parquet"))


@dataclass(frozen=True)
class StagedRows:
    """Staged rows, and what was counted in them.

    Args:
        rows: reads them from their folder.
        counts: name -> number, or the text of a bound.
    """

    rows: DataFrame
    counts: dict[str, Any]


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
    if ordered and is_sail(session):
        overwrite_table(parts[0], path)
        return session.read.format("delta").load(path)
    for number, rows in enumerate(parts):
        rows.write.mode("append" if number else "overwrite").parquet(path)
    # Sail writes no file for no rows.
    is_empty = is_local(path) and not any(Path(path).glob("*.parquet"))
    return read_files(session, [] if is_empty else [path], schema.items())
