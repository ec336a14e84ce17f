"""Finds the rows of some Parquet files that earlier files have, too, without the engine.

Both sets of files are read once, row group by row group, and only some row groups are in memory. Each row group is
compared with those of the earlier files that have its keys by their footers, or, if these do not tell, with those at
about the same place: a table that is read again has most rows where it had them. A row whose counterpart is elsewhere
counts as changed, which is never wrong: it is only evaluated once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.runtime.counterparts import Counterparts
from spark_jobs.runtime.equal_values import equal_values
from spark_jobs.runtime.key_set import KeySet, is_exact_type
from spark_jobs.runtime.row_groups import RowGroup, RowGroups

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

_THREADS = 2  # pyarrow computes without the interpreter's lock
# After so many rows it is clear whether most rows are repeated; a file of which half the rows changed gains nothing.
_ENOUGH_ROWS, _MOST_CHANGED = 500_000, 0.5


@dataclass(frozen=True)
class ChangedFiles:
    """The rows that are not repeated.

    Args:
        path: of a Parquet file with the rows that the earlier files do not have in the same form; empty for none.
        rows: in it.
        known: of these, those whose key the earlier files have.
        gone_path: of a Parquet file with the keys that only the earlier files have; empty for none.
        gone: in it.
    """

    path: str
    rows: int
    known: int
    gone_path: str
    gone: int


def find_changed_rows(
    before: Sequence[str],
    after: Sequence[str],
    key: Sequence[str],
    folder: str,
    *,
    most: int,
    also: KeySet | None = None,
    whole: bool = True,
) -> ChangedFiles | None:
    """Divide the rows of files into those that earlier files have in exactly the same form, and all others.

    Args:
        before: the earlier files, in their order; no two rows have the same key.
        after: files with the same columns, in their order.
        key: columns that identify a row; a row with a null among them is never repeated.
        folder: for the result.
        most: changed rows and keys that are gone.
        also: keys of rows that count as changed in any case.
        whole: the files are the complete table, so that a key which they do not have is gone.

    Returns:
        None if it cannot be told without the engine, or if too many rows have changed.
    """
    earlier, later = RowGroups(before), RowGroups(after)
    schemas = [*earlier.schemas, *later.schemas]
    if not schemas:
        return ChangedFiles("", 0, 0, "", 0)
    if any(schema != schemas[0] for schema in schemas[1:]):
        return None
    if not all(is_exact_type(schemas[0].field(name).type) for name in key):
        return None
    search = _Search(earlier, later, key, folder, most, also)
    if not search.compare_all():
        return None
    if not whole:
        return ChangedFiles(search.path if search.changed else "", search.changed, search.known, "", 0)
    return search.result()


@dataclass(frozen=True)
class _Compared:
    """What was found in one row group: the places of the earlier rows with its keys, and the rows that changed."""

    group: RowGroup
    window: Sequence[int]
    places: np.ndarray
    changed: pa.Table
    known: int


@dataclass
class _Search:
    before: RowGroups
    after: RowGroups
    key: Sequence[str]
    folder: str
    most: int
    also: KeySet | None
    known: int = 0
    changed: int = 0
    writer: pq.ParquetWriter | None = None

    def __post_init__(self) -> None:
        import numpy as np

        self.schema: pa.Schema = (self.after.schemas or self.before.schemas)[0]
        self.counterparts = Counterparts(self.before, self.key)
        self.met = [np.zeros(group.rows, bool) for group in self.before.all]  # rows whose key is in `after`
        self.path = f"{self.folder}/changed.parquet"

    def compare_all(self) -> bool:
        """Compare all rows; False if that does not help."""
        import pyarrow as pa

        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                return all(map(self._add, pool.map(self._compare, self.after.all)))
            except pa.ArrowNotImplementedError:  # values of some type cannot be compared
                return False
            finally:
                pool.shutdown(cancel_futures=True)
                if self.writer is not None:
                    self.writer.close()

    def result(self) -> ChangedFiles | None:
        """What was found, with the keys that only the earlier files have; None if that is too much."""
        gone = self._gone()
        if gone is None:
            return None
        gone_path = f"{self.folder}/gone.parquet" if gone.num_rows else ""
        if gone_path:
            _write(gone, gone_path)
        return ChangedFiles(self.path if self.changed else "", self.changed, self.known, gone_path, gone.num_rows)

    def _compare(self, group: RowGroup) -> _Compared:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = group.read(self.schema.names)
        keys = rows.select(self.key)
        window = self.counterparts.window(group, keys[self.key[0]])
        with self.before.in_use(window):
            places = self.counterparts.places(group, keys, window)
            found = np.flatnonzero(places >= 0)
            same = pa.array(places >= 0)
            for name in self.schema.names if len(found) else ():
                same = pc.and_(same, self._equal(rows[name], window, name, places))
        if self.also is not None:
            same = pc.and_(same, pc.is_null(self.also.numbers(keys)))
        differs = pc.invert(same)
        known = int(np.count_nonzero(differs.to_numpy(zero_copy_only=False)[found]))
        return _Compared(group, window, places[found], rows.filter(differs), known)

    def _equal(self, new: pa.ChunkedArray, window: Sequence[int], name: str, places: np.ndarray) -> pa.Array:
        """For each row whether a column has the value of the earlier row at its place."""
        import pyarrow as pa

        old, at = self.before.column(window, name), _slice(places)
        wanted = pa.array(places, mask=places < 0)
        old = old.combine_chunks().take(wanted) if at is None else old[at].combine_chunks()
        return equal_values(new.combine_chunks(), old)

    def _add(self, compared: _Compared) -> bool:
        """Note and write what was found in a row group; False if two rows have the same key, or too many changed."""
        if not self._meet(compared.window, compared.places):
            return False
        if compared.changed.num_rows:
            self._write(compared.changed)
            self.known += compared.known
        return not self._has_too_many(compared.group.end)

    def _meet(self, window: Sequence[int], places: np.ndarray) -> bool:
        """Note which earlier rows have a counterpart; False if one has two."""
        import numpy as np

        start = 0
        for group in window:
            here = places[(places >= start) & (places < start + len(self.met[group]))] - start
            before = np.count_nonzero(self.met[group])
            self.met[group][here] = True
            if np.count_nonzero(self.met[group]) != before + len(here):
                return False
            start += len(self.met[group])
        return True

    def _write(self, rows: pa.Table) -> None:
        import pyarrow.parquet as pq

        rows = rows.cast(self.schema)
        if self.writer is None:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            form = {"compression": "none", "use_dictionary": False}  # only read by this job
            self.writer = pq.ParquetWriter(self.path, self.schema, **form)
        self.writer.write_table(rows)
        self.changed += rows.num_rows

    def _has_too_many(self, compared: int) -> bool:
        return self.changed > self.most or (compared > _ENOUGH_ROWS and self.changed > _MOST_CHANGED * compared)

    def _gone(self) -> pa.Table | None:
        """The keys that only the earlier files have; None if they are too many."""
        import numpy as np
        import pyarrow as pa

        total = sum(len(met) - int(np.count_nonzero(met)) for met in self.met)
        if total + self.changed > self.most:
            return None
        keys = pa.schema([self.schema.field(name) for name in self.key])
        parts = [keys.empty_table()]
        for group, met in zip(self.before.all, self.met, strict=True):
            if not met.all():
                parts.append(group.read(list(self.key)).filter(pa.array(~met)).cast(keys))
        return pa.concat_tables(parts)


def _slice(places: np.ndarray) -> slice | None:
    """The places as a range, if they follow each other."""
    import numpy as np

    if not len(places) or places[0] < 0 or not np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return None
    return slice(int(places[0]), int(places[0]) + len(places))


def _write(rows: pa.Table, path: str) -> None:
    import pyarrow.parquet as pq

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, compression="none", use_dictionary=False)
