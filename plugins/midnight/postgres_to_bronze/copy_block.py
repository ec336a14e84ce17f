"""The rows of a block of COPY's binary format, as positions of their fields; no loop over rows or values.

The format (section COPY, "Binary Format", of the PostgreSQL manual) has a header, rows and a trailer. A row is the
number of its fields in 16 bits, then for each field its length in 32 bits (-1: NULL) and its bytes. ``RowStarts`` finds
the rows; then field after field is read for all of them. That every row ends where the next one begins proves that they
are rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pyarrow  # no DAG file imports this module

from midnight.postgres_to_bronze.row_starts import (
    BIG_ENDIAN_LENGTH,
    LENGTH_BYTES,
    NULL_LENGTH,
    PADDING,
    TRAILER,
    Mask,
    MisplacedRowsError,
    Positions,
    RowStarts,
    gather,
)

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES = len(_SIGNATURE) + 8  # flags, and the length of an extension, which no version of PostgreSQL sends
_LARGE = 4 * 1024 * 1024  # few rows of large values


class Block:
    """A block of whole rows, read field by field.

    Args:
        data: the rows with the header and trailer, as far as they are in this block, and ``PADDING`` bytes.
        starts: finds them.

    Raises:
        MisplacedRowsError: the block is not in this format.
    """

    def __init__(self, data: bytes | bytearray | memoryview, starts: RowStarts) -> None:
        view = memoryview(data)
        self._first, self.end = 0, view.nbytes - PADDING
        if view[: len(_SIGNATURE)] == _SIGNATURE:
            self._first = _HEADER_BYTES
        self._data = numpy.frombuffer(view, numpy.uint8)
        self._buffer = pyarrow.py_buffer(view)
        self._row_starts = starts
        if self.end > _LARGE:
            self.count_out()
        else:
            self._begin(starts.find(self._data, self._first, self.end))

    def follow(self) -> None:
        """Begin again with those of the rows at which the row before ends."""
        self._begin(self._row_starts.follow(self._data, self.end, self._starts))

    def count_out(self) -> None:
        """Begin again with the rows that are found field after field.

        Raises:
            MisplacedRowsError: the block is not in this format.
        """
        self._begin(self._row_starts.count_out(self._data, self._first, self.end))

    def _begin(self, starts: Positions) -> None:
        self._starts, self.rows = starts, len(starts)
        self._position: Positions = starts + self._row_starts.size

    def gather(self, kind: numpy.dtype[Any], position: Positions | None = None) -> numpy.ndarray[Any, Any]:
        """A record of at most ``PADDING`` bytes per row, from the current field on, or from ``position``."""
        return gather(self._data, kind, self._position if position is None else position)

    @property
    def position(self) -> Positions:
        """Of the current field in each row."""
        return self._position

    def advance(self, size: int | Positions) -> None:
        """Go to the next field.

        Args:
            size: of the current one with its length.

        Raises:
            MisplacedRowsError: a row would go beyond the block.
        """
        self._position = self._position + size
        if self.rows and int(self._position.max()) > self.end:
            raise MisplacedRowsError("a row ends behind its block")

    def skip(self, lengths: numpy.ndarray[Any, Any]) -> Mask | None:
        """Go to the next field.

        Args:
            lengths: of the current one, as sent.

        Returns:
            In which rows it is NULL; None when in none.

        Raises:
            MisplacedRowsError: as ``advance``.
        """
        sizes = lengths.astype(numpy.int64)
        lowest = int(sizes.min()) if self.rows else 0
        if lowest < NULL_LENGTH:
            raise MisplacedRowsError("a field has a negative length")
        nulls = sizes == NULL_LENGTH if lowest == NULL_LENGTH else None
        if nulls is not None:
            sizes[nulls] = 0
        sizes += LENGTH_BYTES
        self.advance(sizes)
        return nulls

    def field(self, position: int) -> bytes:
        """The bytes of one field that is not NULL."""
        start = position + LENGTH_BYTES
        return self._data[start : start + int.from_bytes(self._data[position:start].tobytes())].tobytes()

    def take(self, kind: pyarrow.DataType) -> pyarrow.Array:
        """The bytes of the current field as texts or bytes, not validated; goes to the next field.

        Raises:
            MisplacedRowsError: a field would go beyond the block.
        """
        starts = self._position + LENGTH_BYTES
        nulls = self.skip(self.gather(BIG_ENDIAN_LENGTH))
        # Arrow copies them: as an array that alternates between a field and what is between two fields.
        bounds = numpy.empty(2 * self.rows + 1, numpy.int32)
        bounds[0:-1:2], bounds[1::2] = starts, self._position
        bounds[-1] = bounds[-2] if self.rows else 0
        both = pyarrow.Array.from_buffers(
            pyarrow.binary(), 2 * self.rows, [None, pyarrow.py_buffer(bounds), self._buffer]
        )
        fields = both.filter(_every_second(self.rows))
        return pyarrow.Array.from_buffers(
            kind, self.rows, [None if nulls is None else validity(nulls), *fields.buffers()[1:]]
        )

    def check_ends(self) -> None:
        """Compare the end of each row, when all fields have been read, with the start of the next one.

        Raises:
            MisplacedRowsError: they differ.
        """
        last = int(self._position[-1]) if self.rows else self._first
        starts_where_expected = not self.rows or int(self._starts[0]) == self._first
        if not starts_where_expected or not numpy.array_equal(self._position[:-1], self._starts[1:]):
            raise MisplacedRowsError("a row does not end where the next one begins")
        if last != self.end and self._data[last : self.end].tobytes() != TRAILER:
            raise MisplacedRowsError("the last row does not end where the block ends")


def validity(nulls: Mask) -> pyarrow.Buffer:
    """Arrow's bitmap of the values that are not NULL."""
    return pyarrow.py_buffer(numpy.packbits(~nulls, bitorder="little"))


def record(values: Sequence[numpy.dtype[Any]]) -> numpy.dtype[Any]:
    """Adjacent fields with values of these types, each with its length, as ``length_in_record`` has it."""
    names, formats, offsets, position = [], [], [], 0
    for number, value in enumerate(values):
        names += [f"length{number}", f"value{number}"]
        formats += [numpy.dtype("<i4"), value]
        offsets += [position, position + LENGTH_BYTES]
        position += LENGTH_BYTES + value.itemsize
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": position})


def _every_second(rows: int) -> pyarrow.Array:
    pattern = pyarrow.py_buffer(b"\x55" * (rows // 4 + 1))
    return pyarrow.Array.from_buffers(pyarrow.bool_(), 2 * rows, [None, pattern])
