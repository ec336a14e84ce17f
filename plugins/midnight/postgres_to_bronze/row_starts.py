"""Where the rows of a block of COPY's binary format begin; no loop over rows or values.

Where a row begins follows only from the lengths of all fields before it, one after the other. So numpy finds what looks
like the beginning of a row: the number of fields and the lengths of the first ones, or a constant. Only when all fields
have been read is it proved that every row ends where the next one begins. If a value looks like the beginning of a row,
the lengths of the fields show what is a row; if a row begins otherwise, the rows are counted out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from midnight.postgres_to_bronze.copy_columns import FIXED_FORMS, ROW_MARKER, CopyLayout

Data = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]
Positions = numpy.ndarray[Any, numpy.dtype[numpy.int64]]
Mask = numpy.ndarray[Any, numpy.dtype[numpy.bool_]]

# A block ends with so many bytes that do not belong to it: reading a field of the last row may touch them.
PADDING = 256
TRAILER = b"\xff\xff"
LENGTH_BYTES = 4
NULL_LENGTH = -1
BIG_ENDIAN_LENGTH = numpy.dtype(">i4")
_WORD = numpy.dtype("<u2")
_MOST_LENGTHS = 3  # of the first fields of a row; with each one a value looks less likely the same


class MisplacedRowsError(ValueError):
    """Rows do not end where the next ones begin."""


class _Part(NamedTuple):
    """A number at a fixed place of each row, and the values that it may have."""

    place: int
    form: str
    values: tuple[int, ...]


class RowStarts:
    """Finds the rows of one table.

    Args:
        layout: of the rows.
    """

    def __init__(self, layout: CopyLayout) -> None:
        self.size = len(layout.row_start)
        self._layout = layout
        parts = _parts(layout)
        self._values = {f"part{number}": part.values for number, part in enumerate(parts)}
        self._record = numpy.dtype(
            {"names": [*self._values], "formats": [p.form for p in parts], "offsets": [p.place for p in parts]}
        )
        # The length of the first field begins with a zero.
        self._telling = self.size - len(ROW_MARKER) if layout.constant else 0
        first, second, third = (layout.row_start + b"\0")[self._telling :][:3]
        self._first_word, self._second_word = first | second << 8, second | third << 8

    def find(self, data: Data, start: int, end: int) -> Positions:
        """Where bytes look like the beginning of a row: all rows, and perhaps values.

        Args:
            data: of a block, with its padding.
            start: of the first row.
            end: of the last row and the trailer.
        """
        words = data[: end & ~1].view(_WORD)
        # Wherever a row begins, its first or its second and third telling byte are an aligned word.
        likely = words == self._first_word
        likely |= words == self._second_word
        found: Positions = numpy.flatnonzero(likely)
        starts: Positions = 2 * found - self._telling - (words[found] != self._first_word)
        starts = starts[(starts >= start) & (starts <= end - self._record.itemsize)]
        read = gather(data, self._record, starts)
        is_start: Mask = numpy.ones(len(starts), numpy.bool_)
        for name, values in self._values.items():
            is_expected: Mask = read[name] == values[0]
            for other in values[1:]:
                is_expected |= read[name] == other
            is_start &= is_expected
        return starts[is_start]

    def follow(self, data: Data, end: int, found: Positions) -> Positions:
        """Those of the found positions at which the fields of the row before end. Arguments as of ``find``."""
        ends = found + self.size
        for _ in self._layout.columns:
            ends += numpy.maximum(gather(data, BIG_ENDIAN_LENGTH, ends).astype(numpy.int64), 0) + LENGTH_BYTES
            numpy.minimum(ends, end, out=ends)  # of what is not a row
        is_row = numpy.ones(len(found), numpy.bool_)
        rows = numpy.flatnonzero(ends[:-1] != found[1:])
        next_rows = numpy.searchsorted(found, ends[rows])
        after = 0
        for row, next_row in zip(rows.tolist(), next_rows.tolist(), strict=True):
            if row >= after:  # else it was found inside of a row
                is_row[row + 1 : next_row] = False
                after = next_row
        return found[is_row]

    def count_out(self, data: Data, start: int, end: int) -> Positions:
        """The rows, field after field. Arguments as of ``find``.

        Raises:
            MisplacedRowsError: the block is not in this format.
        """
        view, position, starts, row_start = data.data, start, [], self._layout.row_start
        while position < end and bytes(view[position : position + 2]) != TRAILER:
            if bytes(view[position : position + self.size]) != row_start:
                raise MisplacedRowsError("a row does not begin with its number of fields")
            starts.append(position)
            position += self.size
            for _ in self._layout.columns:
                if position + LENGTH_BYTES > end:
                    raise MisplacedRowsError("a row ends behind its block")
                length = int.from_bytes(view[position : position + LENGTH_BYTES], signed=True)
                position += LENGTH_BYTES + max(0, length)
        return numpy.array(starts, numpy.int64)


def gather(data: Data, kind: numpy.dtype[Any], position: Positions) -> numpy.ndarray[Any, Any]:
    """A record of at most ``PADDING`` bytes from each of the positions on."""
    windows: numpy.ndarray[Any, Any] = numpy.ndarray(
        (data.nbytes - kind.itemsize + 1,), dtype=f"V{kind.itemsize}", buffer=data, strides=(1,)
    )
    return windows[position].view(kind)


def length_in_record(length: int) -> int:
    """A length as a little-endian number: comparing is faster than bringing the bytes of every row into order."""
    return int.from_bytes(length.to_bytes(LENGTH_BYTES, "big", signed=True), "little", signed=True)


def _parts(layout: CopyLayout) -> list[_Part]:
    """With which each row begins: behind a field that may be null, fields are at no fixed place."""
    start = layout.row_start
    parts = [_Part(0, "<i2", (int.from_bytes(start[:2], "little", signed=True),))]
    if layout.constant:
        parts.append(_Part(2, "<i8", (int.from_bytes(start[2:], "little", signed=True),)))
        return parts
    place = len(start)
    for column in layout.columns[:_MOST_LENGTHS]:
        if column.wire not in FIXED_FORMS:
            break
        size = numpy.dtype(FIXED_FORMS[column.wire]).itemsize
        expected = length_in_record(size)
        parts.append(_Part(place, "<i4", (expected, NULL_LENGTH) if column.bronze.nullable else (expected,)))
        if column.bronze.nullable:
            break
        place += LENGTH_BYTES + size
    return parts
