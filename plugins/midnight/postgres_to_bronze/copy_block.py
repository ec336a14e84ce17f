"""The rows of a block of COPY's binary format, as positions of their fields; no loop over rows or values.

The format (section COPY, "Binary Format", of the PostgreSQL manual) has a header, rows and a trailer. A row is the
number of its fields in 16 bits, then for each field its length in 32 bits (-1: NULL) and its bytes. Where a row begins
follows only from the lengths of all fields before it, one after the other. So each row begins with a marker
(``copy_columns.ROW_MARKER``), by which numpy finds all rows at once; then it reads field after field of all rows. That
every row ends where the next one begins proves that no marker was a value. If one was, the rows are counted out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy
import pyarrow  # no DAG file imports this module

from midnight.postgres_to_bronze.copy_columns import ROW_MARKER

Positions = numpy.ndarray[Any, numpy.dtype[numpy.int64]]
Mask = numpy.ndarray[Any, numpy.dtype[numpy.bool_]]

# A block ends with so many bytes that do not belong to it: reading a field of the last row may touch them.
PADDING = 256
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES = len(_SIGNATURE) + 8  # flags, and the length of an extension, which no version of PostgreSQL sends
_TRAILER = b"\xff\xff"
_LENGTH = 4
NULL_LENGTH = -1
_BIG_ENDIAN_LENGTH = numpy.dtype(">i4")
_PREFIX = numpy.dtype([("fields", "<i2"), ("marker", "<i8")])  # number of fields; length and bytes of the marker
_LARGE = 16 * 1024 * 1024  # one row of large values


class MisplacedRowsError(ValueError):
    """Rows do not end where the next ones begin."""


class Block:
    """A block of whole rows, read field by field.

    Args:
        data: the rows with the header and trailer, as far as they are in this block, and ``PADDING`` bytes.
        fields: number of fields of a row, without the marker.
        counted: find the rows by counting out their fields, instead of by their marker.

    Raises:
        MisplacedRowsError: the block is not in this format.
    """

    def __init__(self, data: bytes | bytearray | memoryview, fields: int, *, counted: bool = False) -> None:
        view = memoryview(data)
        start, self.end = 0, view.nbytes - PADDING
        if view[: len(_SIGNATURE)] == _SIGNATURE:
            start = _HEADER_BYTES
        self._data = numpy.frombuffer(view, numpy.uint8)
        self._buffer = pyarrow.py_buffer(view)
        self._prefix = struct.pack(">hi", fields + 1, len(ROW_MARKER)) + ROW_MARKER
        counted = counted or self.end > _LARGE
        starts = self._count_out(start, fields) if counted else self._find_markers(start)
        self.rows = len(starts)
        self._starts = starts
        self._position: Positions = starts + len(self._prefix)
        self._first = start

    def gather(self, kind: numpy.dtype[Any], position: Positions | None = None) -> numpy.ndarray[Any, Any]:
        """A record of at most ``PADDING`` bytes per row, from the current field on, or from ``position``."""
        windows: numpy.ndarray[Any, Any] = numpy.ndarray(
            (self._data.nbytes - kind.itemsize + 1,), dtype=f"V{kind.itemsize}", buffer=self._data, strides=(1,)
        )
        found = windows[self._position if position is None else position]
        return found.view(kind)

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
        sizes += _LENGTH
        self.advance(sizes)
        return nulls

    def field(self, position: int) -> bytes:
        """The bytes of one field that is not NULL."""
        start = position + _LENGTH
        return self._data[start : start + int.from_bytes(self._data[position:start].tobytes())].tobytes()

    def take(self, kind: pyarrow.DataType) -> pyarrow.Array:
        """The bytes of the current field as texts or bytes, not validated; goes to the next field.

        Raises:
            MisplacedRowsError: a field would go beyond the block.
        """
        starts = self._position + _LENGTH
        nulls = self.skip(self.gather(_BIG_ENDIAN_LENGTH))
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
        if last != self.end and self._data[last : self.end].tobytes() != _TRAILER:
            raise MisplacedRowsError("the last row does not end where the block ends")

    def _find_markers(self, start: int) -> Positions:
        """Where the first bytes of a row are."""
        first = len(self._prefix) - len(ROW_MARKER)
        data = self._data[start : self.end]
        if len(data) < len(self._prefix):
            return numpy.empty(0, numpy.int64)
        likely = data[first : len(data) - 1] == ROW_MARKER[0]
        likely &= data[first + 1 :] == ROW_MARKER[1]
        found: Positions = numpy.flatnonzero(likely) + start
        prefix = self.gather(_PREFIX, found)
        expected = numpy.frombuffer(self._prefix, _PREFIX)[0]
        is_row: Mask = (prefix["fields"] == expected["fields"]) & (prefix["marker"] == expected["marker"])
        return found[is_row]

    def _count_out(self, start: int, fields: int) -> Positions:
        """The same, field after field."""
        view, position, starts = self._data.data, start, []
        while position < self.end and bytes(view[position : position + 2]) != _TRAILER:
            if bytes(view[position : position + len(self._prefix)]) != self._prefix:
                raise MisplacedRowsError("a row does not begin with its marker")
            starts.append(position)
            position += len(self._prefix)
            for _ in range(fields):
                if position + _LENGTH > self.end:
                    raise MisplacedRowsError("a row ends behind its block")
                position += _LENGTH + max(0, int.from_bytes(view[position : position + _LENGTH], signed=True))
        return numpy.array(starts, numpy.int64)


def validity(nulls: Mask) -> pyarrow.Buffer:
    """Arrow's bitmap of the values that are not NULL."""
    return pyarrow.py_buffer(numpy.packbits(~nulls, bitorder="little"))


def record(values: Sequence[numpy.dtype[Any]]) -> numpy.dtype[Any]:
    """Adjacent fields with values of these types, each with its length, as ``length_in_record`` has it."""
    names, formats, offsets, position = [], [], [], 0
    for number, value in enumerate(values):
        names += [f"length{number}", f"value{number}"]
        formats += [numpy.dtype("<i4"), value]
        offsets += [position, position + _LENGTH]
        position += _LENGTH + value.itemsize
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": position})


def length_in_record(length: int) -> int:
    """A length as ``record`` reads it: comparing is faster than bringing the bytes of every row into order."""
    return int.from_bytes(length.to_bytes(_LENGTH, "big", signed=True), "little", signed=True)


def _every_second(rows: int) -> pyarrow.Array:
    pattern = pyarrow.py_buffer(b"\x55" * (rows // 4 + 1))
    return pyarrow.Array.from_buffers(pyarrow.bool_(), 2 * rows, [None, pattern])
