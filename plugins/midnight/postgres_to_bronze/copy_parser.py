"""COPY's text format to exact Arrow columns; what does not fit stops the table with an example.

The text format costs the server a sixth less than CSV. Its fields hold neither tab nor line end (they are escaped), so
that Arrow's CSV reader can split them without looking for quotes; only values with a backslash are worked on again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy
import pyarrow  # no DAG file imports this module
from pyarrow import csv

from midnight.column_types import to_arrow
from midnight.errors import ValueNotRepresentableError
from midnight.postgres_to_bronze.table_plan import ColumnPlan
from midnight.postgres_to_bronze.value_conversion import (
    ValueOutOfRangeError,
    decode_hex,
    first_rejected,
    text_to_decimal,
    unescape,
)

# Arrow drops a byte order mark at the start of its input, which would eat one that belongs to the first value.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_EXAMPLE = 80
_MASKED = "a value (masked)"
Block = bytes | memoryview


class CopyParser:
    """Parses blocks of whole lines of one table. Thread-safe.

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

    def parse(self, block: Block) -> pyarrow.Table:
        """Whole lines to a table of ``schema``. Releases the interpreter lock for most of the time.

        Args:
            block: starts with ``BYTE_ORDER_MARK``; nothing of it is used any more when this returns.

        Raises:
            ValueNotRepresentableError: a value does not fit its column exactly.
        """
        try:
            parsed = _read_lines(block, self._parsed_types)
        except pyarrow.ArrowInvalid as error:
            raise self._rejected(block, error) from (None if self._masked else error)
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
                raise self._does_not_fit(column, error.example) from (None if column.masked else error)
        return pyarrow.chunked_array([decode_hex(chunk) for chunk in values.chunks], type=target)

    def _rejected(self, block: Block, error: pyarrow.ArrowInvalid) -> ValueNotRepresentableError:
        """Which column, and an example: Arrow names the column by number, and not always the value."""
        number = re.search(r"CSV column #(\d+)", str(error))
        if number is None:
            reason = "masked columns: the reason is not shown" if self._masked else error
            return ValueNotRepresentableError(
                f"{self.table}: the rows that PostgreSQL sent cannot be parsed ({reason}); hint: report this as a "
                "defect of Midnight"
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
                "hint: correct the value in the source (its database encoding does not check text)"
            )
        example = first_rejected(values, lambda texts: _read_lines("\n".join([*texts, ""]).encode(), {name: target}))
        return self._does_not_fit(column, example)

    def _does_not_fit(self, column: ColumnPlan, example: str) -> ValueNotRepresentableError:
        shown = repr(example if len(example) <= _LONGEST_EXAMPLE else f"{example[:_LONGEST_EXAMPLE]}…")
        if column.masked:
            shown = _MASKED
        stored_as = column.bronze.stored_as
        fix = "bronze_type: text"
        if stored_as.startswith("numeric") and example.lstrip("-")[:1].isdigit():
            fix += ", or a numeric(p,s) with room for it"
        return ValueNotRepresentableError(
            f"{self.table}: column {column.bronze.source!r} ({column.bronze.postgres_type}) holds {shown}, which "
            f"bronze cannot hold exactly as {stored_as}; hint: correct the value in the source or add to the column "
            f"{fix}"
        )


def _parsed_type(column: ColumnPlan, target: pyarrow.DataType) -> pyarrow.DataType:
    """Type in which Arrow's CSV reader returns the column; the others are converted afterwards."""
    if column.checked_scale or pyarrow.types.is_binary(target):
        return pyarrow.string()
    return target


def _read_lines(block: Block, types: dict[str, pyarrow.DataType], only: str | None = None) -> pyarrow.Table:
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


def _has_escapes(block: Block, parsed: pyarrow.Table) -> bool:
    """Whether there are more backslashes than those of the NULLs."""
    backslashes = numpy.count_nonzero(numpy.frombuffer(block, numpy.uint8) == ord("\\"))
    return bool(backslashes != sum(column.null_count for column in parsed.columns))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
