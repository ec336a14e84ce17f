"""The canonical form of a value and its hash, from the Arrow columns of bronze.

| form | types | hashed | as PostgreSQL's |
|---|---|---|---|
| integer | integers, oid, boolean; days or microseconds since 1970 | 64 bits | hashint8extended |
| float | real, double precision | 64 bits; zero, which has a sign, and NaN as text | hashfloat8extended |
| numeric | numeric, money | groups of four digits, weight and sign, no trailing zeros | hash_numeric_extended |
| text | text, and what bronze holds as text | UTF-8 bytes | hashtextextended |
| bytes | bytea | bytes | hash_array_extended |

Texts and bytes longer than ``LONGEST_HASHED`` are hashed by the hexadecimal text of their SHA-256 (of PostgreSQL 10, of
their MD5). The seed is the hash
of the row's key: so a value that moved to another row changes the sum of the hashes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc

from midnight.reconciliation.hashing import Hashing
from midnight.reconciliation.lookup3 import Hashes, Integers, hash_bytes, hash_float64, hash_int64, hash_slices

Form = Literal["integer", "float", "numeric", "text", "bytes"]
SEEDED = Hashing()
Mask: TypeAlias = "numpy.ndarray[Any, numpy.dtype[numpy.bool_]]"

LONGEST_HASHED = 4_096  # bytes
_ALL_BITS = 0xFFFFFFFFFFFFFFFF
_GROUP = 10_000
_PLAIN_DIGITS = 18  # of a 64-bit integer
_LIMBS = 5  # of 32 bits, for 41 digits: 38, and zeros up to a multiple of four behind the decimal point


@dataclass(frozen=True)
class HashedColumn:
    """Hashes of a column's values; those of nulls are zero."""

    hashes: Hashes
    is_set: Mask | None


def hash_column(values: pyarrow.Array, form: Form, seeds: Hashes | int, hashing: Hashing = SEEDED) -> HashedColumn:
    """Hash the values of a column.

    Args:
        values: as in the Parquet file.
        form: of the column.
        seeds: one for each row, or one for all.
        hashing: of the server.
    """
    is_set = None if not values.null_count else pc.is_valid(values).to_numpy(zero_copy_only=False)
    hashes = _hash(values, form, seeds if hashing.seeded else 0, hashing)
    if not hashing.seeded:
        hashes = mix_plain(hashes, seeds)
    if is_set is not None:
        hashes[~is_set] = 0
    return HashedColumn(hashes, is_set)


def mix_plain(hashes: Hashes, seeds: Hashes | int) -> Hashes:
    """Combine hashes of 32 bits with seeds, as ``source_forms`` does for PostgreSQL 10."""
    seed = numpy.uint64(seeds & _ALL_BITS) if isinstance(seeds, int) else seeds
    return as_plain(hash_int64((as_plain(hashes) ^ seed).view(numpy.int64), 0))


def as_plain(hashes: Hashes) -> Hashes:
    """The lower 32 bits as ``integer``, cast to ``bigint``."""
    return hashes.astype(numpy.uint32).view(numpy.int32).astype(numpy.int64).view(numpy.uint64)


def _hash(values: pyarrow.Array, form: Form, seeds: Hashes | int, hashing: Hashing) -> Hashes:
    if form == "integer":
        return hash_int64(integers(values), seeds)
    if form == "float":
        return _hash_floats(values, seeds)
    if form == "numeric":
        return _hash_decimals(values, seeds, hashing)
    return _hash_texts(values, form, seeds, hashing)


def integers(values: pyarrow.Array) -> Integers:
    """The 64-bit integers of the form ``integer``; zero for nulls."""
    kind = values.type
    if pyarrow.types.is_boolean(kind):
        values = values.cast(pyarrow.int8())
    elif pyarrow.types.is_date32(kind):
        values = values.view(pyarrow.int32())
    elif pyarrow.types.is_timestamp(kind):
        values = values.view(pyarrow.int64())
    filled = pc.fill_null(values, 0) if values.null_count else values
    numbers: Integers = filled.to_numpy(zero_copy_only=False).astype(numpy.int64, copy=False)
    return numbers


def _hash_floats(values: pyarrow.Array, seeds: Hashes | int) -> Hashes:
    filled = pc.fill_null(values, 1.0) if values.null_count else values
    numbers = filled.to_numpy(zero_copy_only=False).astype(numpy.float64)
    hashes = hash_float64(numbers, seeds)
    special = numpy.flatnonzero((numbers == 0) | numpy.isnan(numbers))
    if len(special):
        chosen = numbers[special]
        texts = numpy.where(numpy.isnan(chosen), "NaN", numpy.where(numpy.signbit(chosen), "-0", "0"))
        some = seeds if isinstance(seeds, int) else seeds[special]
        hashes[special] = hash_bytes(pyarrow.array(texts.tolist(), pyarrow.string()), some)
    return hashes


def _hash_texts(values: pyarrow.Array, form: Form, seeds: Hashes | int, hashing: Hashing) -> Hashes:
    if pyarrow.types.is_large_string(values.type) or pyarrow.types.is_large_binary(values.type):
        values = values.cast(pyarrow.binary())
    longest = LONGEST_HASHED if hashing.utf8 or form == "bytes" else -1
    long = numpy.zeros(0, numpy.int64)
    if len(values):
        offsets = numpy.frombuffer(values.buffers()[1], numpy.int32, len(values) + 1, 4 * values.offset)
        long = numpy.flatnonzero(numpy.diff(offsets) > longest)
    if not len(long):
        return _as_array(hash_bytes(values, seeds), form)
    as_bytes = values.cast(pyarrow.binary())
    short = numpy.ones(len(values), numpy.bool_)
    short[long] = False
    kept = pc.if_else(pyarrow.array(short), as_bytes, pyarrow.scalar(b"", pyarrow.binary()))
    hashes = hash_bytes(kept, seeds)
    digests = [hashlib.new(hashing.long_digest, as_bytes[row].as_py() or b"").hexdigest() for row in long.tolist()]
    some = seeds if isinstance(seeds, int) else seeds[long]
    hashes = _as_array(hashes, form)
    hashes[long] = hash_bytes(pyarrow.array(digests, pyarrow.string()), some)
    return hashes


def _as_array(hashes: Hashes, form: Form) -> Hashes:
    """Bytes are hashed as an array of one element, since only arrays of bytes have a hash function everywhere."""
    return hashes + numpy.uint64(31) if form == "bytes" else hashes


def _hash_decimals(values: pyarrow.Array, seeds: Hashes | int, hashing: Hashing) -> Hashes:
    """As the server's ``numeric``: groups of four digits around the decimal point, without zeros at both ends."""
    kind: pyarrow.Decimal128Type = values.type
    words = numpy.frombuffer(values.buffers()[1], numpy.uint64, 2 * len(values), 16 * values.offset).reshape(-1, 2)
    negative = words[:, 1] >> numpy.uint64(63) == 1
    padding = -kind.scale % 4
    if kind.precision + padding <= _PLAIN_DIGITS:
        whole = words[:, 0].view(numpy.int64) if words.flags.c_contiguous else words[:, 0].astype(numpy.int64)
        groups = _groups_of_integers(numpy.abs(whole) * 10**padding, kind.precision + padding)
    else:
        groups = _groups_of_limbs(words, negative, 10**padding)
    count = groups.shape[1]
    filled = groups != 0
    first = filled.argmax(axis=1)
    last = count - 1 - filled[:, ::-1].argmax(axis=1)
    zero = ~filled.any(axis=1)
    lengths = 2 * (last - first + 1)
    lengths[zero] = 0
    if isinstance(seeds, int):
        seeds = numpy.full(len(values), seeds & _ALL_BITS, numpy.uint64)
    signed = numpy.where(negative & hashing.seeded, ~seeds, seeds)
    starts = 2 * (numpy.arange(len(values), dtype=numpy.int64) * count + first)
    hashes = hash_slices(groups.tobytes() + bytes(16), starts, lengths, signed)
    weights = (count - 1 - (kind.scale + padding) // 4 - first).astype(numpy.int64)
    hashes ^= weights.view(numpy.uint64)
    hashes[zero] = seeds[zero] - numpy.uint64(1)
    return hashes if hashing.seeded else numpy.where(negative, ~hashes, hashes)


def _groups_of_integers(numbers: Integers, digits: int) -> numpy.ndarray[Any, numpy.dtype[numpy.int16]]:
    count = -(-digits // 4)
    groups = numpy.empty((len(numbers), count), numpy.int16)
    for place in range(count - 1, -1, -1):
        numbers, rest = numpy.divmod(numbers, _GROUP)
        groups[:, place] = rest
    return groups


def _groups_of_limbs(words: Integers, negative: Mask, factor: int) -> numpy.ndarray[Any, numpy.dtype[numpy.int16]]:
    """The same of 128 bits in two's complement, times a factor: long division of 32 bits at a time."""
    low = numpy.where(negative, ~words[:, 0] + numpy.uint64(1), words[:, 0])
    carry = (negative & (words[:, 0] == 0)).astype(numpy.uint64)
    high = numpy.where(negative, ~words[:, 1] + carry, words[:, 1])
    half, mask = numpy.uint64(32), numpy.uint64(0xFFFFFFFF)
    limbs = [low & mask, low >> half, high & mask, high >> half]
    over = numpy.zeros(len(words), numpy.uint64)
    for place, limb in enumerate(limbs):
        product = limb * numpy.uint64(factor) + over
        limbs[place], over = product & mask, product >> half
    limbs.append(over)
    pairs = -(-(38 + 3) // 8)
    groups = numpy.empty((len(words), 2 * pairs), numpy.int16)
    for pair in range(pairs - 1, -1, -1):
        rest = numpy.zeros(len(words), numpy.uint64)
        for place in range(_LIMBS - 1, -1, -1):
            limbs[place], rest = numpy.divmod(rest << half | limbs[place], numpy.uint64(_GROUP * _GROUP))
        groups[:, 2 * pair], groups[:, 2 * pair + 1] = numpy.divmod(rest, numpy.uint64(_GROUP))
    return groups
