"""The change set of a batch: the rows of silver that it changes, before and after. Gold reads it.

Written before silver is committed; it counts only if the ledger's entry of the batch says ``changed = rows``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.runtime.parquet_files import ColumnForms, RollingWriter
from spark_jobs.runtime.row_change import in_parallel
from spark_jobs.runtime.staged_rows import StagedFolder, read_staged
from spark_jobs.transforms.changes import ACTION, AFTER, BEFORE, CHANGE, REPLACED, WRITTEN
from spark_jobs.transforms.staging import before_name

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_ROWS_PER_FILE = 250_000
_WRITERS = 4


def change_rows(staged: DataFrame, columns: Sequence[str]) -> DataFrame:
    """An inserted row once (``after``), a deleted row once (``before``), an updated or marked row both ways.

    Args:
        staged: from ``outcome_rows``.
        columns: of silver, without ``_midnight_batch_id``.
    """
    from pyspark.sql import functions as F

    action = F.col(ACTION)
    before = staged.filter(action.isin(*REPLACED)).select(
        *[F.col(before_name(name)).alias(name) for name in columns], F.lit(BEFORE).alias(CHANGE)
    )
    after = staged.filter(action.isin(*WRITTEN)).select(*columns, F.lit(AFTER).alias(CHANGE))
    return before.unionAll(after)


def write_change_set(staged: StagedFolder, columns: Sequence[str], path: str, *, after: pa.Table | None = None) -> None:
    """Write the change set of a batch, or replace what an interrupted attempt left there.

    In a folder pyarrow writes it: on Apache Spark that saves a query, and with Sail its memory was the highest of the
    job for a million updates (1.6 GB).

    Args:
        staged: from ``outcome_rows``.
        columns: of silver, without ``_midnight_batch_id``.
        path: ``LakePaths.silver_changes``.
        after: the rows as they are afterwards, if they were read already.
    """
    if not staged.files:
        change_rows(staged.rows, columns).write.mode("overwrite").parquet(path)
        return
    shutil.rmtree(path, ignore_errors=True)
    Path(path).mkdir(parents=True)
    # Not a file per staged file, of which a snapshot that is compared in ranges has a hundred.
    shares = [share for start in range(_WRITERS) if (share := staged.files[start::_WRITERS])]
    earlier = {before_name(name): name for name in columns}
    in_parallel(lambda files: _write(path, BEFORE, _staged(files, REPLACED, earlier)), shares)
    if after is None:
        in_parallel(lambda files: _write(path, AFTER, _staged(files, WRITTEN, {n: n for n in columns})), shares)
        return
    rows = after.select(list(columns))
    starts = range(0, rows.num_rows, _ROWS_PER_FILE)
    in_parallel(lambda start: _write(path, AFTER, [rows.slice(start, _ROWS_PER_FILE)]), starts)


def _staged(files: Sequence[Path], actions: Sequence[str], names: Mapping[str, str]) -> Iterator[pa.Table]:
    """Rows of some files of staged rows, with some of their columns under other names."""
    import pyarrow as pa

    for rows in (rows for file in files for rows in read_staged(file, list(names), (ACTION, actions))):
        yield pa.Table.from_batches([rows]).rename_columns(list(names.values()))


def _write(folder: str, change: str, parts: Iterable[pa.Table]) -> None:
    """Append rows to a change set."""
    import pyarrow as pa

    writer = RollingWriter(folder, _ROWS_PER_FILE, ColumnForms())
    for rows in parts:
        writer.write(rows.append_column(CHANGE, pa.repeat(change, rows.num_rows)))
    writer.finish()
