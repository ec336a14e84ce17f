"""The rows that differ between two states of some keys, in memory: the engine would group all rows by all columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from spark_jobs.gold.affected_rows import MOST_IN_MEMORY, Keys, distinct_keys, key_columns, rows_with
from spark_jobs.gold.changed_rows import both_states, difference
from spark_jobs.runtime.equal_values import equal_values
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.row_change import in_parallel
from spark_jobs.runtime.staged_rows import StagedFolder, stage_rows, stage_table
from spark_jobs.transforms.changes import AFTER, BEFORE, CHANGE
from spark_jobs.transforms.keys import with_keys

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from spark_jobs.runtime.found_rows import FoundRows


@dataclass(frozen=True)
class Difference:
    """What differs between two states of a table.

    Args:
        rows: those of ``difference``.
        keys: of these rows.
        later: all rows of the later state that have one of ``keys``, in memory; None if only the engine has them.
        every_row: no row of one state is in the other.
    """

    rows: DataFrame
    keys: Keys
    later: pa.Table | None
    every_row: bool = False


def find_difference(
    before: StagedFolder,
    after: StagedFolder,
    affected: Keys,
    key: Sequence[str],
    path: str,
    *,
    earlier: pa.Table | None = None,
) -> Difference | None:
    """Compare the rows of some keys in two states.

    Args:
        before: rows with the same columns and types as ``after``, with one of the keys.
        after: rows.
        affected: the keys.
        key: columns of both; in memory each row of one is compared with the only row of the other that has its key.
        path: of the folder for the rows that differ, which is replaced; not written if every row differs.
        earlier: the rows of ``before``, if they are in memory already.

    Returns:
        None if a row of ``after`` has none of the keys.
    """
    import pyarrow as pa

    wanted = affected.key_set()
    fits = wanted is not None and max(before.count(), after.count()) <= MOST_IN_MEMORY
    earlier, later = _read(before, after, earlier) if fits else (None, None)
    numbers = None if wanted is None or later is None else wanted.numbers(later)
    if numbers is None and with_keys(after.rows, affected.rows, key, how="left_anti").count():
        return None
    if numbers is not None and numbers.null_count:
        return None
    types, session = {**dict(before.rows.dtypes), CHANGE: "string"}, before.rows.sparkSession
    found = None
    if wanted is not None and earlier is not None and later is not None:
        found = _in_memory(earlier, later, wanted)
    if found is None:
        staged = StagedFolder(stage_rows([difference(before.rows, after.rows)], path, types), path)
        keys = distinct_keys(staged, key)
        return Difference(staged.rows, keys, rows_with(after, keys))
    parts, changed, later = found
    if parts is None:
        rows = both_states(before.rows, after.rows)
    else:
        rows = stage_table(session, pa.concat_tables(parts), path, types).rows
    return Difference(rows, Keys(key_columns(rows, key), changed.num_rows, changed), later, parts is None)


def most_rows_differ(found: FoundRows, after: pa.Table) -> bool:
    """Whether most of the earlier rows in one file differ from the later rows with their keys.

    Args:
        found: the earlier rows.
        after: the later ones, in memory.
    """
    import pyarrow.compute as pc

    before = found.read_some()
    keys = KeySet(before.select(found.keys.names))
    later = after.filter(pc.is_valid(keys.numbers(after.select(found.keys.names))))
    differing = _in_memory(before, later.select(before.column_names), keys) if len(keys) else None
    return differing is not None and 2 * differing[1].num_rows > len(keys)


def _read(
    before: StagedFolder, after: StagedFolder, earlier: pa.Table | None
) -> tuple[pa.Table | None, pa.Table | None]:
    """The rows in memory; None if only the engine can read them. A folder without rows has no file."""
    earlier, later = before.to_arrow() if earlier is None else earlier, after.to_arrow()
    if earlier is None and later is not None and is_local(before.path) and not before.count():
        earlier = later.schema.empty_table()
    if later is None and earlier is not None and is_local(after.path) and not after.count():
        later = earlier.schema.empty_table()
    return earlier, later


def _in_memory(
    before: pa.Table, after: pa.Table, keys: KeySet
) -> tuple[list[pa.Table] | None, pa.Table, pa.Table] | None:
    """The rows that differ, their keys, and the later rows of these keys; None if only the engine can tell.

    The rows are None if they are all rows.
    """
    import pyarrow as pa

    if before.schema.types != after.schema.types:
        return None
    # Whether a column can be null, and what else the engine notes in a file, differs between two queries.
    schema = pa.schema([(field.name, field.type) for field in before.schema])
    before, after = before.cast(schema).combine_chunks(), after.cast(schema).combine_chunks()
    places = keys.numbers(before).fill_null(-1).to_numpy(), keys.numbers(after).to_numpy()
    same = _unchanged(before, after, *places, len(keys))
    if same is None:
        return None
    import numpy as np

    differs = np.zeros(len(keys), bool)
    if not any(unchanged.any() for unchanged in same):
        differs[np.concatenate(places)] = True
        return None, keys.take(pa.array(np.flatnonzero(differs))), after
    parts = []
    for rows, place, unchanged, change in zip((before, after), places, same, (BEFORE, AFTER), strict=True):
        differs[place[~unchanged]] = True
        rest = rows.filter(pa.array(~unchanged)) if unchanged.any() else rows
        parts.append(rest.append_column(CHANGE, pa.repeat(pa.scalar(change), rest.num_rows)))
    later = after if differs.all() else after.filter(pa.array(differs[places[1]]))
    return parts, keys.take(pa.array(np.flatnonzero(differs))), later


def _unchanged(
    before: pa.Table, after: pa.Table, place_before: np.ndarray, place_after: np.ndarray, keys: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """For each row whether the other table has the same one.

    Args:
        before: rows.
        after: rows with the same columns.
        place_before: number of the key of each row of ``before``.
        place_after: likewise.
        keys: number of keys.

    Returns:
        None if several rows have the same key, or if values of a type cannot be compared.
    """
    import numpy as np
    import pyarrow as pa

    row_of = np.full(keys, -1, np.int64)  # of the row of `before` with each key
    if len(place_before) and place_before.min() < 0:
        return None
    row_of[place_before] = np.arange(len(place_before))
    if not np.array_equal(row_of[place_before], np.arange(len(place_before))):
        return None
    earlier = row_of[place_after]
    both = np.flatnonzero(earlier >= 0)
    earlier = earlier[both]
    if np.bincount(earlier, minlength=1).max() > 1:
        return None
    rows = pa.array(earlier), None if len(both) == after.num_rows else pa.array(both)

    def equal(name: str) -> np.ndarray:
        left, right = (c[name] if r is None else c[name].take(r) for c, r in zip((before, after), rows, strict=True))
        found: np.ndarray = equal_values(left.combine_chunks(), right.combine_chunks()).to_numpy(zero_copy_only=False)
        return found

    try:
        same = np.logical_and.reduce(in_parallel(equal, before.column_names))
    except pa.ArrowNotImplementedError:
        return None
    unchanged = np.zeros(before.num_rows, bool), np.zeros(after.num_rows, bool)
    unchanged[0][earlier[same]] = True
    unchanged[1][both[same]] = True
    return unchanged
