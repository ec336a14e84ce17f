"""COPY's text format to exact Arrow columns; what does not fit stops with an example.

The text format costs the server a sixth less than CSV. Its fields hold neither tab nor line end (they are escaped), so
that Arrow's CSV reader can split them without looking for quotes; only values with a backslash are worked on again.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Sequence

import numpy
import pyarrow  # noqa: TID253  # no DAG file imports this module
import pyarrow.compute as pc  # noqa: TID253
from pyarrow import csv  # noqa: TID253

from midnight.column_types import to_arrow
from midnight.errors import ValueNotRepresentableError
from midnight.postgres_to_bronze.table_plan import ColumnPlan

# Arrow drops a byte order mark at the start of its input, which would eat one that belongs to the first value.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_EXAMPLE = 80
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MASKED = "a value (masked)"
Buffer = bytes | memoryview


class CopyBlocks:
    """Parses blocks of whole lines of one table.

    Args:
        table: qualified name, for messages.
        columns: in the order of the COPY query.
    """

    def __init__(self, table: str, columns: Sequence[ColumnPlan]) -> None:
        self.table = table
        self.columns = tuple(columns)
        self._masked = any(column.masked for column in columns)
        self.schema = pyarrow.schema([(c.bronze.name, to_arrow(c.bronze.stored_as)) for c in columns])
        self._parsed_types = {
            c.bronze.name: _parsed_type(c, field.type) for c, field in zip(self.columns, self.schema, strict=True)
        }

    def parse(self, block: Buffer) -> pyarrow.Table:
        """Whole lines to a table of ``schema``. Releases the interpreter lock for most of the time.

        Args:
            block: starts with ``BYTE_ORDER_MARK``; nothing of it is used any more when this returns.

        Raises:
            ValueNotRepresentableError: a value does not fit its column exactly.
        """
        try:
            parsed = _read_lines(block, self._parsed_types)
        except pyarrow.ArrowInvalid as error:
            raise self._unfit(block, error) from (None if self._masked else error)
        escapes = _has_escapes(block, parsed)
        if not escapes and parsed.schema.equals(self.schema):
            return parsed
        return pyarrow.table([self._convert(parsed, c, escapes) for c in self.columns], schema=self.schema)

    def _convert(self, parsed: pyarrow.Table, column: ColumnPlan, escapes: bool) -> pyarrow.ChunkedArray:
        values, target = parsed[column.bronze.name], self.schema.field(column.bronze.name).type
        if values.type == target:
            is_text = escapes and pyarrow.types.is_string(target)
            return pyarrow.chunked_array([unescape(c) for c in values.chunks], type=target) if is_text else values
        if pyarrow.types.is_decimal(target):
            try:
                return text_to_decimal(values, target)
            except ValueOutOfRangeError as error:
                raise self._refuse(column, error.example) from (None if column.masked else error)
        return pyarrow.chunked_array([_decode_hex(chunk) for chunk in values.chunks], type=target)

    def _unfit(self, block: Buffer, error: pyarrow.ArrowInvalid) -> ValueNotRepresentableError:
        """Which column, and an example: Arrow names the column by number, and not always the value."""
        number = re.search(r"CSV column #(\d+)", str(error))
        if number is None:
            reason = "masked columns: the reason is not shown" if self._masked else error
            return ValueNotRepresentableError(
                f"{self.table}: the rows that PostgreSQL sent cannot be parsed ({reason}); please report this"
            )
        column = self.columns[int(number[1])]
        name, target = column.bronze.name, self._parsed_types[column.bronze.name]
        as_bytes: dict[str, pyarrow.DataType] = dict.fromkeys(self._parsed_types, pyarrow.binary())
        values = _read_lines(block, as_bytes, only=name)[name]
        if pyarrow.types.is_string(target):
            example = next(v for v in values.to_pylist() if v is not None and not _is_utf8(v))
            shown = _MASKED if column.masked else repr(example[:_LONGEST_EXAMPLE])
            return ValueNotRepresentableError(
                f"{self.table}: column {column.bronze.source!r} holds {shown}, which is not UTF-8; "
                "correct the value in the source (its database encoding does not check text)"
            )
        example = _first_unfit(values, lambda texts: _read_lines("\n".join([*texts, ""]).encode(), {name: target}))
        return self._refuse(column, example)

    def _refuse(self, column: ColumnPlan, example: str) -> ValueNotRepresentableError:
        shown = repr(example if len(example) <= _LONGEST_EXAMPLE else f"{example[:_LONGEST_EXAMPLE]}…")
        if column.masked:
            shown = _MASKED
        stored_as = column.bronze.stored_as
        cure = "bronze_type: text"
        if stored_as.startswith("numeric") and example.lstrip("-")[:1].isdigit():
            cure += ", or a numeric(p,s) with room for it"
        return ValueNotRepresentableError(
            f"{self.table}: column {column.bronze.source!r} ({column.bronze.postgres_type}) holds {shown}, which "
            f"bronze cannot hold exactly as {stored_as}; correct the value in the source or add to the column {cure}"
        )


class ValueOutOfRangeError(ValueError):
    """A text that is no value of the wanted type.

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
        raise ValueOutOfRangeError(_first_unfit(values, lambda texts: pc.cast(pyarrow.array(texts), target))) from error


def _parsed_type(column: ColumnPlan, target: pyarrow.DataType) -> pyarrow.DataType:
    """Type in which Arrow's CSV reader gives the column; others are converted after it."""
    if column.checked_scale or pyarrow.types.is_binary(target):
        return pyarrow.string()
    return target


def _read_lines(block: Buffer, types: dict[str, pyarrow.DataType], only: str | None = None) -> pyarrow.Table:
    r"""Fields as COPY writes them, not unescaped: NULL is ``\N``, and a text ``\N`` is ``\\N``."""
    return csv.read_csv(
        pyarrow.BufferReader(pyarrow.py_buffer(block)),
        read_options=csv.ReadOptions(
            column_names=list(types), block_size=memoryview(block).nbytes + 1, use_threads=False
        ),
        parse_options=csv.ParseOptions(
            delimiter="\t", quote_char=False, double_quote=False, escape_char=False, ignore_empty_lines=False
        ),
        convert_options=csv.ConvertOptions(
            column_types=types,
            include_columns=None if only is None else [only],
            null_values=["\\N"],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
        ),
    )


def _has_escapes(block: Buffer, parsed: pyarrow.Table) -> bool:
    """Whether there are more backslashes than those of the NULLs."""
    backslashes = numpy.count_nonzero(numpy.frombuffer(block, numpy.uint8) == ord("\\"))
    return bool(backslashes != sum(column.null_count for column in parsed.columns))


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


def _decode_hex(values: pyarrow.Array) -> pyarrow.Array:
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


def _realign(validity: pyarrow.Buffer, values: pyarrow.Array) -> pyarrow.Buffer:
    """The validity bits from the array's first value on."""
    if values.offset == 0:
        return validity
    return pyarrow.py_buffer(numpy.packbits(pc.is_valid(values).to_numpy(zero_copy_only=False), bitorder="little"))


def _first_unfit(values: pyarrow.ChunkedArray, convert: Callable[[list[str]], object]) -> str:
    """The first text that ``convert`` refuses, found by halving."""
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
