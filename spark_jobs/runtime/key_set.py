"""A set of keys that is searched in Parquet files: first in their footers, then exactly in their key columns.

A footer can only rule a row group out. What it says about a column is used where its order is that of Arrow's
comparison; text is compared as bytes, so that bounds that were cut off are still bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.value_numbers import ValueNumbers

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def is_exact_type(kind: pa.DataType) -> bool:
    """Whether values of a type are equal exactly if their bytes are: not so for NaN and for negative zero."""
    import pyarrow as pa

    checks = (
        pa.types.is_integer,
        pa.types.is_boolean,
        pa.types.is_string,
        pa.types.is_date32,
        pa.types.is_decimal,
    )
    return any(check(kind) for check in checks) or (pa.types.is_timestamp(kind) and kind.unit == "us")


class KeySet:
    """The distinct keys of some rows; null equals null.

    Args:
        rows: their key columns, of types for which ``is_exact_type`` holds.
        distinct: no two of the rows have the same key.
    """

    def __init__(self, rows: pa.Table, *, distinct: bool = False) -> None:
        self.names: list[str] = rows.column_names
        columns = [rows[name].combine_chunks() for name in self.names]
        values = columns if distinct and len(columns) == 1 else [column.unique() for column in columns]
        self._values = [ValueNumbers(array) for array in values]
        self._pairs: list[Any] = []
        self._distinct = self._number_all(rows)  # the key with number 0 first

    def __len__(self) -> int:
        return int(self._distinct.num_rows)

    def take(self, numbers: pa.Array) -> pa.Table:
        """The keys with some numbers."""
        return self._distinct.take(numbers)

    def numbers(self, rows: pa.Table, among: pa.Array | None = None) -> pa.Array:
        """For each row the number of its key in this set, null if the set does not have it.

        Args:
            rows: with the key columns.
            among: the numbers of the keys that the rows may have (``possible_in``); by default all. Each call makes a
                hash table of these keys (60 ms for a million, in each of fifty files), unless they are looked up in a
                table.
        """
        is_table = len(self._values) == 1 and self._values[0].is_table
        if among is None or len(among) == len(self) or is_table:
            return self._number(rows, learn=False)
        return among.take(KeySet(self._distinct.take(among), distinct=True).numbers(rows))

    def possible_in(self, group: pq.RowGroupMetaData, positions: Sequence[int]) -> pa.Array:
        """The numbers of the keys that a row group may have, by the statistics in the file's footer.

        Args:
            group: of a Parquet file.
            positions: of the key columns in it.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        possible: Any = pa.repeat(pa.scalar(True), len(self))
        for name, position in zip(self.names, positions, strict=True):
            inside = _inside(self._distinct[name], group.column(position).statistics)
            if inside is not None:
                possible = pc.and_(possible, inside)
        return pc.indices_nonzero(possible).cast(pa.int64())

    def _number_all(self, rows: pa.Table) -> pa.Table:
        """Give each distinct key its number: the position in the table that is returned."""
        import numpy as np
        import pyarrow as pa

        if len(self.names) == 1:
            return pa.table([self._values[0].values], self.names)
        numbers = self._number(rows, learn=True)
        if len(self._pairs[-1]) == rows.num_rows:
            return rows
        return rows.take(np.unique(numbers.to_numpy(), return_index=True)[1])

    def _number(self, rows: pa.Table, *, learn: bool) -> pa.Array:
        """Column by column: each distinct prefix of a key has a number of its own."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers: Any = None
        for place, (name, values) in enumerate(zip(self.names, self._values, strict=True)):
            own = values.of(rows[name].combine_chunks().cast(values.values.type))
            if numbers is None:
                numbers = own
                continue
            pairs = pc.add(pc.multiply(numbers, len(values.values)), own)  # below 2**62: both have at most 2**31 values
            if learn:
                self._pairs.append(pairs.unique())
            numbers = pc.index_in(pairs, value_set=self._pairs[place - 1], skip_nulls=True).cast(pa.int64())
        return numbers


def _inside(values: pa.ChunkedArray, statistics: Any) -> Any:
    """Which values lie between the smallest and the largest of a column; None if that is not known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if statistics is None or not statistics.has_min_max:
        return None
    kind = values.type
    if pa.types.is_string(kind):
        values = values.cast(pa.large_binary())
        lowest, highest = (pa.scalar(raw, pa.large_binary()) for raw in (statistics.min_raw, statistics.max_raw))
    elif pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        # As numbers: Python has no dates before year 1 or after year 9999.
        number = pa.int64() if pa.types.is_timestamp(kind) else pa.int32()
        values = values.cast(number)
        lowest, highest = pa.scalar(statistics.min_raw, number), pa.scalar(statistics.max_raw, number)
    else:
        lowest, highest = pa.scalar(statistics.min, kind), pa.scalar(statistics.max, kind)
    between = pc.and_(pc.greater_equal(values, lowest), pc.less_equal(values, highest))
    return pc.fill_null(between, True)  # a null key is in no statistics
