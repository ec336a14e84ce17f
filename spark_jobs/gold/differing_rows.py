"""The rows that differ between two states of some keys, in memory: the engine would group all rows by all columns."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.gold.affected_rows import MOST_IN_MEMORY
from spark_jobs.gold.changed_rows import difference
from spark_jobs.runtime.key_set import KeySet, is_exact_type
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.staged_rows import StagedFolder, stage_rows
from spark_jobs.transforms.changes import AFTER, BEFORE, CHANGE

if TYPE_CHECKING:
    import pyarrow as pa


def stage_difference(before: StagedFolder, after: StagedFolder, key: Sequence[str], path: str) -> StagedFolder:
    """Stage the rows of ``difference``.

    Args:
        before: rows with the same columns and types as ``after``.
        after: rows.
        key: columns of both; in memory each row of one is compared with the only row of the other that has its key.
        path: of the new folder, which is replaced.
    """
    types = {**dict(before.rows.dtypes), CHANGE: "string"}
    session, found = before.rows.sparkSession, None
    if max(before.count(), after.count()) <= MOST_IN_MEMORY:
        found = _in_memory(before.to_arrow(), after.to_arrow(), key)
    if found is None:
        return StagedFolder(stage_rows([difference(before.rows, after.rows)], path, types), path)
    _write(found, path)
    return StagedFolder(read_files(session, [path] if found.num_rows else [], types.items()), path)


def _in_memory(before: pa.Table | None, after: pa.Table | None, key: Sequence[str]) -> pa.Table | None:
    """The rows that differ; None if only the engine can tell which."""
    import pyarrow as pa

    if before is None or after is None or before.schema.types != after.schema.types:
        return None
    # Whether a column can be null, and what else the engine notes in a file, differs between two queries.
    schema = pa.schema([(field.name, field.type) for field in before.schema])
    if not all(is_exact_type(before.schema.field(name).type) for name in key):
        return None
    return _differing(before.cast(schema).combine_chunks(), after.cast(schema).combine_chunks(), key)


def _differing(before: pa.Table, after: pa.Table, key: Sequence[str]) -> pa.Table | None:
    """None if several rows have the same key, or if values of a type cannot be compared."""
    import numpy as np
    import pyarrow as pa

    keys = KeySet(before.select(key))
    place = np.empty(len(keys), np.int64)  # of the row of `before` with each key
    if len(keys) < before.num_rows:
        return None
    place[keys.numbers(before).to_numpy()] = np.arange(before.num_rows)
    found = keys.numbers(after).fill_null(-1).to_numpy()
    both = np.flatnonzero(found >= 0)
    earlier = place[found[both]]
    if np.bincount(earlier, minlength=1).max() > 1:
        return None
    same = np.ones(len(both), bool)
    for name in before.column_names:
        left, right = before[name].take(pa.array(earlier)), after[name]
        try:
            equal = _equal(left, right if len(both) == len(right) else right.take(pa.array(both)))
        except pa.ArrowNotImplementedError:
            return None
        same &= equal.to_numpy(zero_copy_only=False)
    parts = []
    for rows, unchanged, change in ((before, earlier[same], BEFORE), (after, both[same], AFTER)):
        differs = np.ones(rows.num_rows, bool)
        differs[unchanged] = False
        rest = rows.filter(pa.array(differs)) if len(unchanged) else rows
        parts.append(rest.append_column(CHANGE, pa.repeat(pa.scalar(change), rest.num_rows)))
    return pa.concat_tables(parts)


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.Array:
    """For each place whether the values are the same, to the bit; null equals null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sides = [side.combine_chunks() for side in (left, right)]
    if pa.types.is_floating(left.type):
        whole = pa.int64() if pa.types.is_float64(left.type) else pa.int32()
        sides = [side.view(whole) for side in sides]
    nulls = pc.and_(sides[0].is_null(), sides[1].is_null())
    return pc.or_(pc.fill_null(pc.equal(*sides), False), nulls)


def _write(rows: pa.Table, path: str) -> None:
    import pyarrow.parquet as pq

    shutil.rmtree(path, ignore_errors=True)
    Path(path).mkdir(parents=True)
    if rows.num_rows:
        file = Path(path) / "part-0.parquet"
        form = {"store_schema": False, "store_decimal_as_integer": True}  # as the engines write it
        pq.write_table(rows, file, compression="none", use_dictionary=False, **form)  # only read by this job
