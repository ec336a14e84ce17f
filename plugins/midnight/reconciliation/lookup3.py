"""PostgreSQL's hash functions of 64 bits for whole columns, so that both sides of a comparison can hash alike.

They are those of hash indexes and hash partitions: Bob Jenkins' lookup3 (public domain, 2006) with a seed, in
``src/common/hashfn.c`` of PostgreSQL. Partitioned tables on disk depend on them, so that they stay the same in all
versions since 11; on a server of another byte order they give other numbers (``hashing``). No loop over rows.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
import pyarrow  # no DAG file imports this module

Hashes: TypeAlias = "numpy.ndarray[Any, numpy.dtype[numpy.uint64]]"
Words: TypeAlias = "numpy.ndarray[Any, numpy.dtype[numpy.uint32]]"
Integers: TypeAlias = "numpy.ndarray[Any, numpy.dtype[Any]]"

_START = 0x9E3779B9 + 3923095
_BLOCK = 12
_WINDOW = numpy.dtype("V12")
_PADDING = bytes(2 * _BLOCK)


def hash_int64(values: Integers, seeds: Hashes | int) -> Hashes:
    """``hashint8extended``, also of smaller integers, and of the microseconds of ``interval_hash_extended``.

    Args:
        values: integers of any size, without nulls.
        seeds: one for each, or one for all.
    """
    wide = values.astype(numpy.int64, copy=False)
    high = (wide >> 32).astype(numpy.uint32)
    numpy.invert(high, out=high, where=wide < 0)
    folded = wide.astype(numpy.uint32)
    folded ^= high
    a, b, c = _begin(len(folded), numpy.uint32(4), seeds)
    a += folded
    return _finish(a, b, c)


def hash_float64(values: numpy.ndarray[Any, numpy.dtype[numpy.float64]], seeds: Hashes | int) -> Hashes:
    """``hashfloat8extended`` of numbers other than zero and NaN."""
    words = numpy.ascontiguousarray(values, numpy.float64).view(numpy.uint32).reshape(-1, 2)
    a, b, c = _begin(len(words), numpy.uint32(8), seeds)
    a += words[:, 0]
    b += words[:, 1]
    return _finish(a, b, c)


def hash_bytes(values: pyarrow.Array, seeds: Hashes | int) -> Hashes:
    """``hashtextextended`` with collation "C", over the UTF-8 bytes.

    Args:
        values: text or bytes with 32-bit offsets; of a null the hash is undefined.
        seeds: as in ``hash_int64``.
    """
    offsets = numpy.frombuffer(values.buffers()[1], numpy.int32, len(values) + 1, 4 * values.offset)
    data = values.buffers()[2]
    first, last = int(offsets[0]), int(offsets[-1])
    raw = b"" if data is None else memoryview(data)[first:last]
    return hash_slices(b"".join([raw, _PADDING]), offsets[:-1] - first, numpy.diff(offsets), seeds)


def hash_slices(data: bytes, starts: Integers, lengths: Integers, seeds: Hashes | int) -> Hashes:
    """The same of parts of one buffer.

    Args:
        data: with at least 12 bytes behind the last part.
        starts: of each part.
        lengths: of each part, in bytes.
        seeds: as in ``hash_int64``.
    """
    rows = len(starts)
    blocks = lengths // _BLOCK
    if isinstance(seeds, int):
        seeds = numpy.full(rows, seeds & 0xFFFFFFFFFFFFFFFF, numpy.uint64)
    # Longest first: those with another block are always the first ones.
    order = numpy.argsort(-blocks, kind="stable") if rows and blocks.min() != blocks.max() else None
    if order is not None:
        starts, lengths, blocks, seeds = starts[order], lengths[order], blocks[order], seeds[order]
    a, b, c = _begin(rows, lengths.astype(numpy.uint32), seeds)
    windows: numpy.ndarray[Any, Any] = numpy.ndarray((len(data) - _BLOCK + 1,), _WINDOW, buffer=data, strides=(1,))
    position = starts.astype(numpy.int64)
    active = numpy.searchsorted(-blocks, -numpy.arange(1, int(blocks.max()) + 1 if rows else 1), side="right")
    for count in active.tolist():
        words = windows[position[:count]].view("<u4").reshape(-1, 3)
        a[:count] += words[:, 0]
        b[:count] += words[:, 1]
        c[:count] += words[:, 2]
        _mix(a[:count], b[:count], c[:count])
        position[:count] += _BLOCK
    _add_rest(windows[position].view("<u4").reshape(-1, 3), (lengths % _BLOCK).astype(numpy.int64), a, b, c)
    hashes = _finish(a, b, c)
    if order is None:
        return hashes
    result = numpy.empty_like(hashes)
    result[order] = hashes
    return result


# For 0 to 11 bytes that are left, which bits of the three words belong to the value.
_REST = numpy.array(
    [[(1 << 8 * max(0, min(4, size - 4 * word))) - 1 for word in range(3)] for size in range(_BLOCK)], numpy.uint32
)


def _add_rest(words: Words, sizes: Integers, a: Words, b: Words, c: Words) -> None:
    kept = words & _REST[sizes]
    a += kept[:, 0]
    b += kept[:, 1]
    c += kept[:, 2] << numpy.uint32(8)  # the lowest byte is reserved for the length


def _begin(rows: int, lengths: Words | numpy.uint32, seeds: Hashes | int) -> tuple[Words, Words, Words]:
    a = numpy.full(rows, _START & 0xFFFFFFFF, numpy.uint32)
    a += lengths
    b, c = a.copy(), a.copy()
    if isinstance(seeds, int):
        if seeds == 0:
            return a, b, c
        seeds = numpy.full(rows, seeds & 0xFFFFFFFFFFFFFFFF, numpy.uint64)
    unseeded = seeds == 0  # the server leaves out the mixing then
    plain = a.copy() if unseeded.any() else None
    a += (seeds >> numpy.uint64(32)).astype(numpy.uint32)
    b += seeds.astype(numpy.uint32)
    _mix(a, b, c)
    if plain is not None:
        for word in (a, b, c):
            word[unseeded] = plain[unseeded]
    return a, b, c


def _finish(a: Words, b: Words, c: Words) -> Hashes:
    for x, y, bits in ((c, b, 14), (a, c, 11), (b, a, 25), (c, b, 16), (a, c, 4), (b, a, 14), (c, b, 24)):
        numpy.bitwise_xor(x, y, out=x)
        numpy.subtract(x, _rotated(y, bits), out=x)
    result = b.astype(numpy.uint64)
    result <<= numpy.uint64(32)
    result |= c
    return result


def _mix(a: Words, b: Words, c: Words) -> None:
    """In place."""
    for x, y, z, bits in ((a, c, b, 4), (b, a, c, 6), (c, b, a, 8), (a, c, b, 16), (b, a, c, 19), (c, b, a, 4)):
        numpy.subtract(x, y, out=x)
        numpy.bitwise_xor(x, _rotated(y, bits), out=x)
        numpy.add(y, z, out=y)


def _rotated(word: Words, bits: int) -> Words:
    rotated = word << numpy.uint32(bits)
    rotated |= word >> numpy.uint32(32 - bits)
    return rotated
