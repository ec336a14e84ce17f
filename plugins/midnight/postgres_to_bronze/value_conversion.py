"""Texts to exact Arrow values, for all rows of a column at once; what does not fit is named, never rounded or cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc

from midnight.postgres_to_bronze.exact_json import NOT_JSON
from midnight.postgres_to_bronze.row_starts import Mask

_LONGEST_BYTES = 80


class ValueOutOfRangeError(ValueError):
    """A text is not a value of the wanted type.

    Args:
        example: the text.
        not_utf8: it is not a text at all; ``example`` shows its bytes.
        rows: in which rows such a value is, where that is known already.
    """

    def __init__(self, example: str, *, not_utf8: bool = False, rows: Mask | None = None) -> None:
        self.example, self.not_utf8, self.rows = example, not_utf8, rows
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


def text_to_number(values: pyarrow.Array, target: pyarrow.DataType) -> pyarrow.Array:
    """Numbers as PostgreSQL prints them as integers, floats or decimals.

    Raises:
        ValueOutOfRangeError: with the first number that does not fit exactly.
    """
    if pyarrow.types.is_decimal(target):
        return text_to_decimal(pyarrow.chunked_array([values]), target).combine_chunks()
    try:
        return pc.cast(values, target)
    except pyarrow.ArrowInvalid as error:
        texts = pyarrow.chunked_array([values])
        example = first_rejected(texts, lambda some: pc.cast(pyarrow.array(some), target))
        raise ValueOutOfRangeError(example) from error


def check_utf8(texts: pyarrow.Array) -> None:
    """Check texts of which only the bytes are known.

    Raises:
        ValueOutOfRangeError: with the first text that is not UTF-8.
    """
    try:
        texts.validate(full=True)
    except pyarrow.ArrowInvalid as error:
        values = texts.cast(pyarrow.binary()).to_pylist()
        rows = numpy.array([value is not None and not _is_utf8(value) for value in values], numpy.bool_)
        if not rows.any():
            raise
        example = str(values[numpy.argmax(rows)][:_LONGEST_BYTES])
        raise ValueOutOfRangeError(example, not_utf8=True, rows=rows) from error


def is_not_json(texts: pyarrow.Array) -> pyarrow.BooleanArray:
    """Which of the texts that ``exact_json`` has sent are not JSON."""
    likely = pc.starts_with(texts, NOT_JSON)
    return pc.match_substring_regex(texts, f"^{NOT_JSON}[[{{(]") if pc.any(likely).as_py() else likely


def check_json(texts: pyarrow.Array) -> None:
    """Check what ``exact_json`` has sent.

    Raises:
        ValueOutOfRangeError: with the first text that is not JSON.
    """
    other = is_not_json(texts)
    if pc.any(other).as_py():
        rows = other.fill_null(False).to_numpy(zero_copy_only=False)
        raise ValueOutOfRangeError(texts[int(numpy.argmax(rows))].as_py().removeprefix(NOT_JSON), rows=rows)


def rejected_values(values: pyarrow.Array, convert: Callable[[pyarrow.Array], object]) -> pyarrow.Array:
    """The different values that ``convert`` rejects, found by halving.

    Args:
        values: any; nulls are not rejected.
        convert: raises ``ArrowInvalid`` or ``ValueOutOfRangeError`` if it rejects one of the values that it gets.
    """
    found = []
    waiting = [pc.drop_null(pc.unique(values))]
    while waiting:
        part = waiting.pop()
        try:
            convert(part)
        except (pyarrow.ArrowInvalid, ValueOutOfRangeError):
            half = len(part) // 2
            waiting += [part[half:], part[:half]] if half else []
            found += [] if half else [part]
    return pyarrow.concat_arrays(found) if found else values[:0]


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


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
