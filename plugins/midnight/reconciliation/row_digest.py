"""Order-independent digests of rows: one number per column and key bucket, which can be added and subtracted.

Each value gives a 64-bit number that depends on the value, its column and the key of its row. A digest is the sum of
these numbers modulo 2**64, for each column and each of ``BUCKETS`` parts of the keys. So the digest of a table after a
change is the digest before, minus that of the rows that left, plus that of the rows that joined; and a changed value, a
lost or doubled row, swapped columns or values swapped between two rows change it, except with a probability of 2**-64.

This module is sent to the engine's workers as it is, so it imports nothing of Midnight.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

BUCKETS = 64
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_ODD, _HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_NULL = np.uint64(0x5851F42D4C957F2D)
_CHUNK = 65_536  # rows whose numbers stay in the processor's cache
_LONG_TEXT = 256  # bytes; longer values are hashed one by one


@dataclass(frozen=True)
class DigestPlan:
    """What is digested.

    Args:
        columns: names and canonical Arrow types (``canonical_type``), in any order.
        key: names of columns that identify a row; empty: the complete row identifies it, and a swap of values between
            two rows shows in the sum over complete rows alone.
    """

    columns: tuple[tuple[str, pa.DataType], ...]
    key: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]


def canonical_type(kind: pa.DataType) -> pa.DataType:
    """The Arrow type in which values of a type are compared; readers differ in how they present the same values."""
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    if pa.types.is_decimal(kind):
        return pa.decimal128(38, kind.scale)
    if pa.types.is_boolean(kind) or pa.types.is_date(kind):
        return pa.bool_() if pa.types.is_boolean(kind) else pa.date32()
    return pa.large_binary()


def sums_of(rows: pa.RecordBatch | pa.Table, plan: DigestPlan) -> np.ndarray[Any, Any]:
    """The digest of some rows.

    Args:
        rows: with at least the columns of the plan.
        plan: what to digest.

    Returns:
        ``uint64`` of shape (BUCKETS, 2 + columns): the number of rows, the sum over complete rows, and one per column.
    """
    total = np.zeros((BUCKETS, 2 + len(plan.columns)), np.uint64)
    for start in range(0, rows.num_rows, _CHUNK):
        part = rows.slice(start, _CHUNK)
        arrays = [canonical(part.column(name), kind) for name, kind in plan.columns]
        keys, identities = row_numbers(arrays, plan)
        values = [row_values(array, name, keys, plan) for array, name in zip(arrays, plan.names, strict=True)]
        total += _sum_buckets(identities, values)
    return total


def keep_columns(sums: np.ndarray[Any, Any], plan: DigestPlan, other: DigestPlan) -> np.ndarray[Any, Any]:
    """The digest of some columns from that of more; the sums over complete rows are of no use any more.

    Args:
        sums: of ``plan``.
        plan: all columns.
        other: some of its columns, and the same key.
    """
    return sums[:, [0, 1, *(2 + plan.names.index(name) for name in other.names)]]


def add_all(sums: Iterable[np.ndarray[Any, Any]], columns: int) -> np.ndarray[Any, Any]:
    """The sum of digests; of none, that of no rows."""
    total = np.zeros((BUCKETS, 2 + columns), np.uint64)
    for each in sums:
        total += each
    return total


def row_numbers(arrays: Sequence[pa.Array], plan: DigestPlan) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What the numbers of a row's values depend on (0 without a key), and what identifies the row (by this its bucket).

    Args:
        arrays: of canonical types, one per column of the plan.
        plan: its key.
    """
    if plan.key:
        keys = key_numbers(arrays, plan.names, plan.key)
        return keys, keys
    return np.zeros(len(arrays[0]) if arrays else 0, np.uint64), key_numbers(arrays, plan.names, plan.names)


def key_numbers(arrays: Sequence[pa.Array], names: Sequence[str], key: Sequence[str]) -> np.ndarray[Any, Any]:
    """One number per row that depends on some columns only. Zero and negative zero are the same key.

    Args:
        arrays: of canonical types.
        names: of the arrays.
        key: the columns.
    """
    rows = len(arrays[0]) if arrays else 0
    numbers = np.zeros(rows, np.uint64)
    for name in key:
        bits = value_bits(arrays[list(names).index(name)], signed_zero=False)
        numbers = _mix(numbers * _HIGH + bits + seed(name))
    return numbers


def row_values(array: pa.Array, name: str, keys: np.ndarray[Any, Any], plan: DigestPlan) -> np.ndarray[Any, Any]:
    """The numbers of a column's values, which depend on value, column and key.

    Zero and negative zero are different values, except in columns that identify the row. The number of null is that of
    some value of 64 bits, another one for each column and key.
    """
    numbers = _mix(value_bits(array, signed_zero=name not in (plan.key or plan.names)) * _ODD + keys + seed(name))
    if array.null_count:
        nulls = array.is_null().to_numpy(zero_copy_only=False)
        numbers[nulls] = _mix(numbers[nulls])
    return numbers


def seed(name: str) -> np.uint64:
    """A number that depends on a column's name, without its case."""
    return np.uint64(int.from_bytes(hashlib.blake2b(name.casefold().encode(), digest_size=8).digest(), "little"))


def canonical(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """A column as one array of its canonical type."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == kind or (pa.types.is_decimal128(array.type) and array.type.scale == getattr(kind, "scale", None)):
        return array
    if kind == pa.large_binary() and not (pa.types.is_binary(array.type) or pa.types.is_binary_view(array.type)):
        array = array.cast(pa.large_string())
    return array.cast(kind, safe=not pa.types.is_timestamp(kind))


def value_bits(array: pa.Array, *, signed_zero: bool = True) -> np.ndarray[Any, Any]:
    """64 bits per value of a canonical array: different for different numbers and times, a hash for longer values."""
    kind = array.type
    if kind == pa.large_binary():
        bits = _bytes_bits(array)
    elif pa.types.is_decimal(kind):
        words = np.frombuffer(array.buffers()[1], np.uint64).reshape(-1, 2)[array.offset : array.offset + len(array)]
        bits = words[:, 0] + words[:, 1] * _HIGH
    elif pa.types.is_boolean(kind):
        bits = array.cast(pa.uint8()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64)
    elif pa.types.is_floating(kind):
        values = array.fill_null(0.0).to_numpy(zero_copy_only=False)
        bits = np.where(np.isnan(values), np.nan, values if signed_zero else values + 0.0).view(np.uint64)
    else:
        whole = array.cast(pa.int32()).cast(pa.int64()) if pa.types.is_date(kind) else array.cast(pa.int64())
        bits = whole.fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64)
    if array.null_count:
        bits = np.where(array.is_null().to_numpy(zero_copy_only=False), _NULL, bits)
    return bits


def _bytes_bits(array: pa.Array) -> np.ndarray[Any, Any]:
    """Hashes of texts or bytes, eight bytes at a time for all values together."""
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = offsets[1:] - offsets[:-1]
    if array.null_count:
        lengths = np.where(array.is_null().to_numpy(zero_copy_only=False), 0, lengths)
    bits = lengths.astype(np.uint64) * _HIGH
    if not len(bits) or not lengths.any():
        return _mix(bits)
    first, last = int(offsets[0]), int(offsets[-1])
    data = bytes(memoryview(array.buffers()[2])[first:last]) + bytes(8)
    words = np.ndarray((last - first + 1,), "<u8", data, strides=(1,))
    left = np.flatnonzero((lengths > 0) & (lengths <= _LONG_TEXT))
    for number in range(_LONG_TEXT // 8):
        left = left[lengths[left] > number * 8]
        if not len(left):
            break
        rest = lengths[left] - number * 8
        word = words[offsets[:-1][left] - first + number * 8]
        unused = (np.clip(8 - rest, 0, 8) * 8).astype(np.uint64)
        word = (word << unused) >> unused
        bits[left] = _mix(bits[left] * _ODD + word)
    for row in np.flatnonzero(lengths > _LONG_TEXT):
        start = int(offsets[row]) - first
        text = data[start : start + int(lengths[row])]
        bits[row] = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    return _mix(bits)


def _mix(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Spread the bits (the finalizer of splitmix64, which is invertible: different numbers stay different)."""
    mixed: np.ndarray[Any, Any] = numbers ^ (numbers >> _SHIFTS[0])
    mixed *= _FACTORS[0]
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _FACTORS[1]
    mixed ^= mixed >> _SHIFTS[2]
    return mixed


def buckets_of(keys: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The bucket of each row."""
    return (keys >> np.uint64(58)).astype(np.uint8)


def _sum_buckets(keys: np.ndarray[Any, Any], columns: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    buckets = buckets_of(keys)
    counts = np.bincount(buckets, minlength=BUCKETS)
    order = np.argsort(buckets, kind="stable")
    present = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[present]
    sums = np.zeros((BUCKETS, 2 + len(columns)), np.uint64)
    sums[:, 0] = counts
    whole = np.zeros(len(keys), np.uint64)
    for number, values in enumerate(columns):
        sums[present, 2 + number] = np.add.reduceat(values[order], starts)
        whole = _mix(whole * _HIGH + values)
    sums[present, 1] = np.add.reduceat(whole[order], starts)
    return sums


def in_buckets(
    batch: pa.RecordBatch, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]
) -> pa.RecordBatch:
    """Some columns of the rows in some buckets."""
    arrays = [canonical(batch.column(name), kind) for name, kind in plan.columns]
    chosen = np.isin(buckets_of(row_numbers(arrays, plan)[1]), np.array(buckets, np.uint8))
    return batch.select(list(columns)).filter(pa.array(chosen))
