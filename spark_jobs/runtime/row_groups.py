"""The row groups of several Parquet files with the same columns, as one sequence of rows."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class RowGroup:
    """One row group.

    Args:
        path: of its file.
        footer: of its file.
        number: in its file.
        start: rows of the sequence before it.
        rows: in it.
    """

    path: str
    footer: pq.FileMetaData
    number: int
    start: int
    rows: int

    @property
    def end(self) -> int:
        """Rows of the sequence up to its last row."""
        return self.start + self.rows

    def read(self, names: Sequence[str]) -> pa.Table:
        """Columns of its rows; several threads may read at once."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path, metadata=self.footer, memory_map=True) as file:
            return file.read_row_group(self.number, columns=list(names), use_threads=False)


class RowGroups:
    """The row groups, in order.

    Args:
        paths: of the files, in order.

    Raises:
        OSError: a file cannot be read.
        pyarrow.ArrowException: a file is not a Parquet file.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self.all: list[RowGroup] = []
        self.schemas: list[pa.Schema] = []
        self._columns: dict[tuple[int, str], pa.Array] = {}
        self._used: list[Sequence[int]] = []
        self._lock = threading.Lock()
        start = 0
        for path in paths:
            footer = pq.read_metadata(path, memory_map=True)
            self.schemas.append(footer.schema.to_arrow_schema())
            for number in range(footer.num_row_groups):
                rows = footer.row_group(number).num_rows
                self.all.append(RowGroup(path, footer, number, start, rows))
                start += rows

    def column(self, groups: Sequence[int], name: str) -> pa.ChunkedArray:
        """A column of some row groups, one after the other; it stays in memory while the row groups are in use."""
        import pyarrow as pa

        arrays = []
        for group in groups:
            array = self._columns.get((group, name))
            if array is None:
                array = self.all[group].read([name])[name].combine_chunks()
                with self._lock:
                    self._columns[group, name] = array
            arrays.append(array)
        return pa.chunked_array(arrays)

    @contextlib.contextmanager
    def in_use(self, groups: Sequence[int]) -> Iterator[None]:
        """Keep the columns of row groups in memory until the end of the block, and until others are used after it."""
        with self._lock:
            self._used.append(groups)
            wanted = {group for used in self._used for group in used}
            self._columns = {place: column for place, column in self._columns.items() if place[0] in wanted}
        try:
            yield
        finally:
            with self._lock:
                self._used.remove(groups)

    def between(self, start: int, end: int) -> list[int]:
        """The row groups with rows at places from ``start`` to before ``end`` in the sequence."""
        return [i for i, group in enumerate(self.all) if group.start < end and group.end > start]

    def bounds(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """The smallest and the largest value of a column in each row group, as 64-bit numbers.

        Returns:
            None if a footer does not have them, or if the column has other types than whole numbers, dates and times.
        """
        import numpy as np
        import pyarrow as pa

        kinds = {schema.field(name).type for schema in self.schemas}
        is_number = (pa.types.is_signed_integer, pa.types.is_date32, pa.types.is_timestamp)
        if len(kinds) != 1 or not any(check(kind) for kind in kinds for check in is_number):
            return None
        found: list[Any] = []
        for group in self.all:
            names = [group.footer.schema.column(i).path for i in range(group.footer.num_columns)]
            statistics = group.footer.row_group(group.number).column(names.index(name)).statistics
            if statistics is None or not statistics.has_min_max:
                return None
            found.append((statistics.min_raw, statistics.max_raw))
        lowest, highest = np.array(found, np.int64).reshape(-1, 2).T
        return lowest, highest
