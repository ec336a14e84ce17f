"""``numeric`` in COPY's binary format to decimals of up to 18 digits, for all rows of a column at once.

A number is a header and groups of four decimal digits: the first one counts 10,000 to the power of ``weight``, leading
and trailing groups of zeros are left out. Four groups at fixed powers are read as one word of 64 bits, wherever the
first group is; groups that the number does not have are masked out.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import numpy
import pyarrow  # no DAG file imports this module

from midnight.postgres_to_bronze.copy_block import Block, validity
from midnight.postgres_to_bronze.row_starts import Mask, Positions
from midnight.postgres_to_bronze.value_conversion import ValueOutOfRangeError
from midnight.postgres_to_bronze.value_examples import numeric_text

_HEADER = numpy.dtype(
    [("length", ">i4"), ("groups", ">i2"), ("weight", ">i2"), ("sign", "<u2"), ("scale", ">u2")]
)  # the length of the field comes before it
_WORD = numpy.dtype(">u8")
_NEGATIVE = 0x0040  # 0x4000 in network order; not a number and infinities have other signs
_GROUP = 10_000
_GROUPS_IN_WORD = 4


class NumericField:
    """The numbers of a block; the block goes to the next field.

    Args:
        block: at the field.
    """

    def __init__(self, block: Block) -> None:
        self._block, self._position = block, block.position
        self._header = block.gather(_HEADER)
        self._nulls = block.skip(self._header["length"])

    def with_nulls(self, rows: Mask) -> NumericField:
        """The same numbers, but null in these rows."""
        changed = copy.copy(self)
        changed._nulls = rows if self._nulls is None else rows | self._nulls
        return changed

    def decimals(self, groups: tuple[int, int], target: pyarrow.Decimal128Type) -> pyarrow.Array:
        """The numbers as decimals.

        Args:
            groups: of the type, before and after the decimal point (``copy_columns.numeric_groups``).
            target: their type.

        Raises:
            ValueOutOfRangeError: with the first number that does not fit exactly.
        """
        before, after = groups
        rows, sign = self._block.rows, self._header["sign"]
        present = self._header["groups"].astype(numpy.int64)
        weight = self._header["weight"].astype(numpy.int64)
        unset = present == 0  # zero, whatever its weight
        if self._nulls is not None:
            unset |= self._nulls
        if unset.any():
            present[unset], weight[unset] = 0, 0
        negative = sign == _NEGATIVE
        fits = (weight < max(before, 1)) & (present - weight <= after + 1) & ((sign == 0) | negative)
        self._check(fits)
        highest = max(int(weight.max()), 0) if rows else 0
        total = self._sum(present, weight, highest, after)
        beyond = 10 ** (4 * after - target.scale)  # digits of the last group behind the scale, which are zero
        if beyond > 1:
            whole = total // beyond  # numpy.divmod takes three times as long as both
            self._check(whole * beyond == total)
            total = whole
        self._check(total < 10**target.precision)
        numpy.negative(total, out=total, where=negative)
        data = numpy.empty((rows, 2), "<i8")
        data[:, 0], data[:, 1] = total, total >> 63
        bitmap = None if self._nulls is None else validity(self._nulls)
        return pyarrow.Array.from_buffers(target, rows, [bitmap, pyarrow.py_buffer(data)])

    def _sum(self, present: Positions, weight: Positions, highest: int, after: int) -> Positions:
        """The numbers without their signs, times 10,000 to the power of ``after``."""
        groups = highest + 1 + after
        masks = _masks(highest, after)
        key = (weight + after) * (groups + 1) + present
        first = self._position + 2 * (weight - highest) + _HEADER.itemsize
        total = numpy.zeros(self._block.rows, numpy.int64)
        for number in range(masks.shape[0]):
            word = self._block.gather(_WORD, first + 2 * _GROUPS_IN_WORD * number).astype(numpy.uint64)
            word &= masks[number].take(key)
            for slot in range(min(_GROUPS_IN_WORD, groups - _GROUPS_IN_WORD * number)):
                digits = (word >> (48 - 16 * slot)) & 0xFFFF
                total += digits.view(numpy.int64) * _GROUP ** (groups - 1 - _GROUPS_IN_WORD * number - slot)
        return total

    def _check(self, fits: Mask) -> None:
        if self._nulls is not None:
            fits = fits | self._nulls
        if not fits.all():
            example = numeric_text(self._block.field(int(self._position[numpy.argmin(fits)])))
            raise ValueOutOfRangeError(example, rows=~fits)


@lru_cache
def _masks(highest: int, after: int) -> numpy.ndarray[Any, numpy.dtype[numpy.uint64]]:
    """Per word, for each weight and number of groups, the groups that a number has."""
    groups = highest + 1 + after
    words = -(-groups // _GROUPS_IN_WORD)
    masks = numpy.zeros((words, (groups + 1) * (groups + 1)), numpy.uint64)
    for weight in range(-after, highest + 1):
        for present in range(groups + 1):
            for slot in range(groups):
                if weight - present < highest - slot <= weight:
                    word, place = divmod(slot, _GROUPS_IN_WORD)
                    masks[word, (weight + after) * (groups + 1) + present] |= numpy.uint64(0xFFFF << (48 - 16 * place))
    return masks
