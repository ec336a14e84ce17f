"""Numbers the different values of a column: by a table of what lies between them if they are close, else by a hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# 64 MB. To look a number up takes a tenth of the time of a hash, and no hash table has to be made for each file.
_MOST_PLACES = 1 << 24


class ValueNumbers:
    """The position of each value among some; null equals null.

    Args:
        values: distinct.
    """

    def __init__(self, values: pa.Array) -> None:
        self.values = values
        self._places: np.ndarray | None = None  # the number of each value from the lowest to the highest, -1 for none
        if _is_whole(values.type) and values.null_count < len(values):
            self._fill(values)

    @property
    def is_table(self) -> bool:
        """Whether looking a value up costs the same however many values there are."""
        return self._places is not None

    def of(self, column: pa.Array) -> pa.Array:
        """For each value of a column its number, null if it is not one of the values.

        Args:
            column: of the type of the values.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._places is None:
            return pc.index_in(column, value_set=self.values).cast(pa.int64())
        wanted = _whole_numbers(column.fill_null(self._some))
        inside = np.clip(wanted, self._lowest, self._highest)
        numbers = np.where(inside == wanted, self._places[inside - self._lowest], -1)
        if column.null_count:
            numbers[column.is_null().to_numpy(zero_copy_only=False)] = self._number_of_null
        return pa.array(numbers, pa.int64(), mask=numbers < 0)

    def _fill(self, values: pa.Array) -> None:
        import numpy as np

        is_null = values.is_null().to_numpy(zero_copy_only=False)
        positions, nulls = np.flatnonzero(~is_null), np.flatnonzero(is_null)
        known = _whole_numbers(values.drop_null())
        lowest, highest = int(known.min()), int(known.max())
        if highest - lowest >= _MOST_PLACES:
            return
        self._lowest, self._highest = lowest, highest
        self._places = np.full(highest - lowest + 1, -1, np.int32)
        self._places[known - lowest] = positions
        self._some = values[int(positions[0])]
        self._number_of_null = int(nulls[0]) if len(nulls) else -1


def _is_whole(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_signed_integer(kind) or pa.types.is_date32(kind) or pa.types.is_timestamp(kind))


def _whole_numbers(column: pa.Array) -> np.ndarray:
    import pyarrow as pa

    stored = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
    numbers: np.ndarray = column.cast(stored).cast(pa.int64()).to_numpy()
    return numbers
