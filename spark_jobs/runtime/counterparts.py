"""Finds for the rows of a row group the rows of earlier files that have the same keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.row_groups import RowGroup, RowGroups

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST_GROUPS = 4  # of the earlier files, in memory for one row group
# Of the values of a row group so many are looked up in the footers of the earlier files.
_SAMPLES = 9
# Rows move by less than this part of a row group, while one is read.
_MARGIN = 20


class Counterparts:
    """Looks for them in a few row groups, a *window*: those that may have the keys by their footers, or if these do not
    tell, those at about the same place. A counterpart that is elsewhere is not found.

    Args:
        before: the earlier files; no two rows have the same key.
        key: columns that identify a row.
    """

    def __init__(self, before: RowGroups, key: Sequence[str]) -> None:
        self._before, self._key = before, key
        self._bounds = before.bounds(key[0])
        self._shift = 0  # by how many places the last rows that were found are later than their counterparts

    def window(self, group: RowGroup, keys: pa.ChunkedArray) -> list[int]:
        """The row groups of the earlier files that may have the rows of a row group.

        Args:
            group: of the later files.
            keys: the first column of its keys.
        """
        import numpy as np
        import pyarrow as pa

        if self._bounds is not None and group.rows > keys.null_count:
            whole = pa.int32() if pa.types.is_date32(keys.type) else pa.int64()
            places = np.linspace(0, group.rows - 1, _SAMPLES).astype(np.int64)
            values = keys.take(pa.array(places)).drop_null().cast(whole).cast(pa.int64()).to_numpy()
            lowest, highest = self._bounds
            holds = (lowest[:, None] <= values) & (values <= highest[:, None])
            found = [int(i) for i in np.flatnonzero(holds.any(axis=1))]
            if found and len(found) <= MOST_GROUPS:
                return found
        margin = group.rows // _MARGIN
        start, end = group.start - self._shift - margin, group.end - self._shift + margin
        return self._before.between(start, end)[:MOST_GROUPS]

    def places(self, group: RowGroup, keys: pa.Table, window: list[int]) -> np.ndarray:
        """For each key its place in the row groups of a window, -1 if they do not have it.

        Args:
            group: of the later files.
            keys: of its rows.
            window: of the earlier files.
        """
        import numpy as np

        places = self._places(keys, window)
        found = np.flatnonzero(places >= 0)
        if len(found) and window[-1] - window[0] == len(window) - 1:
            middle = found[len(found) // 2]
            self._shift = group.start + int(middle) - self._before.all[window[0]].start - int(places[middle])
        return places

    def _places(self, keys: pa.Table, window: list[int]) -> np.ndarray:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        known = pa.table({name: self._before.column(window, name) for name in self._key}) if window else None
        if known is None or not known.num_rows:
            return np.full(keys.num_rows, -1, np.int64)
        if known.equals(keys) and not any(column.null_count for column in keys.columns):
            return np.arange(keys.num_rows)
        valid = None
        if any(column.null_count for column in known.columns):
            mask = pa.repeat(pa.scalar(True), known.num_rows)
            for column in known.columns:
                mask = pc.and_(mask, column.is_valid().combine_chunks())
            valid = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
            known = known.take(pa.array(valid))
        numbers = KeySet(known.combine_chunks(), distinct=True).numbers(keys).fill_null(-1).to_numpy()
        return numbers if valid is None else np.where(numbers < 0, -1, valid[numbers])
