"""Rows that are computed once and then read several times: Parquet files, which are cheaper than a Delta table."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from midnight.lake.paths import is_local
from midnight.reconciliation.row_sources import rows_with
from spark_jobs.runtime.delta_tables import overwrite_table
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.row_change import in_parallel
from spark_jobs.runtime.session import is_sail

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_ROWS_AT_ONCE = 65_536


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
        return sum(pq.read_metadata(file).num_rows for file in self.files)

    def to_arrow(
        self, columns: Sequence[str] | None = None, where: tuple[str, Sequence[str]] | None = None
    ) -> pa.Table | None:
        """Rows in memory.

        Args:
            columns: by default all.
            where: a column of texts, and the texts of the wanted rows; by default all rows.

        Returns:
            None if only the engine can read the rows, or if there are none.
        """
        import pyarrow as pa

        if not self.files:
            return None
        names = self.rows.columns if columns is None else list(columns)
        read = in_parallel(lambda file: list(read_staged(file, names, where)), self.files)
        batches = [batch for of_file in read for batch in of_file]
        return pa.Table.from_batches(batches).combine_chunks() if batches else None

    @property
    def files(self) -> list[Path]:
        """The files of a local folder; none of another one."""
        return sorted(Path(self.path).glob("*.parquet")) if is_local(self.path) else []


def read_staged(
    file: Path, columns: Sequence[str], where: tuple[str, Sequence[str]] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a file of staged rows, some thousand at a time; the arguments are those of ``to_arrow``."""
    import pyarrow.parquet as pq

    keep = None if where is None else rows_with(*where)
    read = list(columns) if where is None else list(dict.fromkeys([*columns, where[0]]))
    with pq.ParquetFile(file) as opened:
        for rows in opened.iter_batches(_ROWS_AT_ONCE, columns=read, use_threads=False):
            yield (rows if keep is None else keep(rows)).select(list(columns))


@dataclass(frozen=True)
class StagedRows:
    """Staged rows, and what was counted in them.

    Args:
        rows: reads them from their folder.
        counts: name -> number, or the text of a bound.
    """

    rows: DataFrame
    counts: dict[str, Any]


def stage_rows(parts: Iterable[DataFrame], path: str, schema: Mapping[str, str], *, ordered: bool = False) -> DataFrame:
    """Write rows to a folder, and return a frame that reads them from there.

    Only this job reads the folder, after the write has ended, so that no log of commits is needed.

    Args:
        parts: the rows to compute, one part after the other; at least one. A part is taken when those before it are
            written.
        path: of the folder, which is replaced.
        schema: column -> Spark type, so that no query has to infer it.
        ordered: rows that are neighbours stay neighbours. Sail deals out the rows of Parquet files to four files in
            turn, but not those of a Delta table. For a single part.
    """
    remaining = iter(parts)
    first = next(remaining)
    session = first.sparkSession
    if ordered and is_sail(session):
        overwrite_table(first, path)
        return session.read.format("delta").load(path)
    write_parquet(first, path)
    for rows in remaining:
        write_parquet(rows, path, "append")
    # Sail writes no file for no rows.
    is_empty = is_local(path) and not any(Path(path).glob("*.parquet"))
    return read_files(session, [] if is_empty else [path], schema.items())


def stage_table(session: SparkSession, rows: pa.Table, path: str, schema: Mapping[str, str]) -> StagedFolder:
    """Write rows that are in memory to a folder, as ``stage_rows`` does.

    Args:
        session: any engine.
        rows: to write.
        path: of the local folder, which is replaced.
        schema: column -> Spark type.
    """
    import pyarrow.parquet as pq

    shutil.rmtree(path, ignore_errors=True)
    Path(path).mkdir(parents=True)
    if rows.num_rows:
        file = Path(path) / "part-0.parquet"
        form = {"store_schema": False, "store_decimal_as_integer": True}  # as the engines write it
        pq.write_table(rows, file, compression="none", use_dictionary=False, **form)  # only read by this job
    return StagedFolder(read_files(session, [path] if rows.num_rows else [], schema.items()), path)


def write_parquet(rows: DataFrame, path: str, mode: Literal["overwrite", "append"] = "overwrite") -> None:
    """Write rows to a folder of Parquet files that is read soon and not kept for long.

    By default Sail compresses with zstd and tries a dictionary for every column: twice the processor time of the write,
    and of each read, for 60 % of the bytes.
    """
    fast = {"compression": "snappy", "dictionary_enabled": "false"} if is_sail(rows.sparkSession) else {}
    rows.write.mode(mode).options(**fast).parquet(path)
