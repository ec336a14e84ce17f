"""Texts to exact Arrow values, for all rows of a column at once; what does not fit is named, never rounded or cut."""

from __future__ import annotations

import binascii
from collections.abc import Callable

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class ValueOutOfRangeError(ValueError):
    """A text is not a value of the wanted type.

    Args:
        example: the text.
    """

    def __init__(self, example: str) -> None:
        self.example = example
        super().__init__(example)


def text_to_decimal(values: pyarrow.ChunkedArray, target: pyarrow.Decimal128Type) -> pyarrow.ChunkedArray:
    """Numbers of any length as decimals. Arrow notices lost decimals, but not each overflow of the integer part.

    Raises:
        ValueOutOfRangeError: with the first number that does not fit exactly.
    """
    room = target.precision - target.scale
    exponents = pc.match_substring(values, "e", ignore_case=True)  # PostgreSQL writes none, others may
    if pc.any(exponents).as_py():
        raise ValueOutOfRangeError(pc.filter(values, exponents)[0].as_py())
    if (pc.max(pc.binary_length(values)).as_py() or 0) > room:
        whole = pc.replace_substring_regex(values, r"^-?0*|\..*$", "")
        too_long = pc.greater(pc.binary_length(whole), room)
        if pc.any(too_long).as_py():
            raise ValueOutOfRangeError(pc.filter(values, too_long)[0].as_py())
    try:
        return pc.cast(values, target)
    except pyarrow.ArrowInvalid as error:
        example = first_rejected(values, lambda texts: pc.cast(pyarrow.array(texts), target))
        raise ValueOutOfRangeError(example) from error


def unescape(values: pyarrow.Array) -> pyarrow.Array:
    """Texts without COPY's escapes (section COPY, "Text Format", of the PostgreSQL manual)."""
    escaped = pc.match_substring(values, "\\")
    if not pc.any(escaped).as_py():
        return values
    plain = pc.filter(values, escaped)
    plain = pc.replace_substring(plain, "\\\\", "\0")  # no text of PostgreSQL holds a NUL
    for letter, character in _ESCAPES.items():
        plain = pc.replace_substring(plain, f"\\{letter}", character)
    return pc.replace_with_mask(values, pc.fill_null(escaped, False), pc.replace_substring(plain, "\0", "\\"))


def decode_hex(values: pyarrow.Array) -> pyarrow.Array:
    r"""bytea's text form ``\\x00ff…`` to bytes, for all rows at once: each starts with the three bytes ``\\x``."""
    validity, offsets, data = values.buffers()
    ends = numpy.frombuffer(offsets, dtype=numpy.int32, count=len(values) + 1, offset=4 * values.offset)
    text = memoryview(data)[ends[0] : ends[-1]].tobytes() if data is not None else b""
    prefixes = numpy.zeros(len(values) + 1, dtype=numpy.int32)
    numpy.cumsum(3 * pc.is_valid(values).to_numpy(zero_copy_only=False).astype(numpy.int32), out=prefixes[1:])
    halves = (ends - ends[0] - prefixes) // 2
    content = binascii.unhexlify(text.replace(b"\\\\x", b""))
    return pyarrow.Array.from_buffers(
        pyarrow.binary(),
        len(values),
        [
            None if not values.null_count else _realign(validity, values),
            pyarrow.py_buffer(halves.astype(numpy.int32)),
            pyarrow.py_buffer(content),
        ],
    )


def first_rejected(values: pyarrow.ChunkedArray, convert: Callable[[list[str]], object]) -> str:
    """The first text for which ``convert`` raises ``ArrowInvalid``, found by halving; empty without any text.

    Args:
        values: texts or their bytes, one of which is rejected.
        convert: takes a list of texts.
    """
    texts = [v.decode() if isinstance(v, bytes) else v for v in values.to_pylist() if v is not None]
    good, bad = 0, len(texts)  # the first ``good`` can be converted, the first ``bad`` cannot
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(texts[good:middle])
            good = middle
        except pyarrow.ArrowInvalid:
            bad = middle
    return str(texts[good]) if texts else ""


def _realign(validity: pyarrow.Buffer, values: pyarrow.Array) -> pyarrow.Buffer:
    """The validity bits from the array's first value on."""
    if values.offset == 0:
        return validity
    return pyarrow.py_buffer(numpy.packbits(pc.is_valid(values).to_numpy(zero_copy_only=False), bitorder="little"))
