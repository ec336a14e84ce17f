"""COPY's binary format to exact Arrow columns; what does not fit stops the table with an example.

The binary format costs the server less than text and needs neither parsing nor escapes: texts, JSON and bytes are
copied, numbers and times are the bytes of integers in network order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import pyarrow  # no DAG file imports this module

from midnight.column_types import to_arrow
from midnight.errors import ValueNotRepresentableError
from midnight.postgres_to_bronze.binary_numeric import NumericField
from midnight.postgres_to_bronze.binary_values import (
    FIXED_TYPES,
    Field,
    convert,
)
from midnight.postgres_to_bronze.copy_block import Block, record
from midnight.postgres_to_bronze.copy_columns import ColumnPlan, copy_layout
from midnight.postgres_to_bronze.replaced_values import ReplacedValues
from midnight.postgres_to_bronze.row_starts import (
    LENGTH_BYTES,
    NULL_LENGTH,
    PADDING,
    MisplacedRowsError,
    RowStarts,
    length_in_record,
)
from midnight.postgres_to_bronze.value_conversion import ValueOutOfRangeError

_LONGEST_EXAMPLE = 80
_MASKED = "a value (masked)"


class CopyParser:
    """Parses blocks of whole rows of one table. Thread-safe.

    Args:
        table: qualified name, for messages.
        columns: of the file, in its order.

    Attributes:
        replaced: the values that became null, of the blocks that name no other counter.
    """

    def __init__(self, table: str, columns: Sequence[ColumnPlan]) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.schema = pyarrow.schema([(c.bronze.name, to_arrow(c.bronze.stored_as)) for c in columns])
        self.replaced = ReplacedValues()
        layout = copy_layout(columns)
        self._row_starts, self._runs = RowStarts(layout), _runs(layout.columns)

    def parse(self, data: bytes | memoryview, replaced: ReplacedValues | None = None) -> pyarrow.Table:
        """Whole rows to a table of ``schema``. Releases the interpreter lock for most of the time.

        Args:
            data: ends with ``PADDING`` bytes that do not count; nothing of it is used any more when this returns.
            replaced: counts the values that become null; None: ``self.replaced`` does.

        Raises:
            ValueNotRepresentableError: a value does not fit its column exactly, which has to ``fail`` then.
        """
        fields = self._read_proved(data)
        arrays = []
        for column, target in zip(self.columns, self.schema.types, strict=True):
            try:
                arrays.append(convert(fields[column.bronze.name], column, target))
            except ValueOutOfRangeError as error:
                if not column.replace_by_null:
                    raise self._does_not_fit(column, error) from (None if column.masked else error)
                arrays.append((replaced or self.replaced).convert(fields[column.bronze.name], column, target))
        return pyarrow.table(arrays, schema=self.schema)

    def _read_proved(self, data: bytes | memoryview) -> dict[str, Field]:
        """The fields of all columns, where they are if every row ends where the next one begins."""
        try:
            block = Block(data, self._row_starts)
            for begin_again in (block.follow, block.count_out):
                try:
                    return self._read(block)
                except MisplacedRowsError:
                    begin_again()
            return self._read(block)
        except MisplacedRowsError as error:
            raise ValueNotRepresentableError(
                f"{self.table}: the rows that PostgreSQL sent cannot be read ({error}); hint: report this as a defect "
                "of Midnight"
            ) from error

    def _read(self, block: Block) -> dict[str, Field]:
        """The fields of all columns; converted only after it is proved that they are where they should be."""
        fields: dict[str, Field] = {}
        for run in self._runs:
            if run[0].wire in FIXED_TYPES:
                fields.update(_read_fixed(block, run))
            elif run[0].wire == "numeric":
                fields[run[0].bronze.name] = NumericField(block)
            else:
                kind = pyarrow.binary() if run[0].bronze.stored_as == "bytea" else pyarrow.string()
                fields[run[0].bronze.name] = block.take(kind)
        block.check_ends()
        return fields

    def _does_not_fit(self, column: ColumnPlan, error: ValueOutOfRangeError) -> ValueNotRepresentableError:
        example, name = error.example, column.bronze.source
        shown = repr(example if len(example) <= _LONGEST_EXAMPLE else f"{example[:_LONGEST_EXAMPLE]}…")
        if column.masked:
            shown = _MASKED
        if error.not_utf8:
            return ValueNotRepresentableError(
                f"{self.table}: column {name!r} holds {shown}, which is not UTF-8; hint: correct the value in the "
                "source (its database encoding does not check text), or add to the column on_unrepresentable: null"
            )
        stored_as = "JSON" if column.wire == "json" else column.bronze.stored_as
        fix = "bronze_type: text"
        if stored_as.startswith("numeric") and example.lstrip("-")[:1].isdigit():
            fix += ", or a numeric(p,s) with room for it"
        return ValueNotRepresentableError(
            f"{self.table}: column {name!r} ({column.bronze.postgres_type}) holds {shown}, which bronze cannot hold "
            f"exactly as {stored_as}; hint: correct the value in the source or add to the column {fix}, or "
            "on_unrepresentable: null"
        )


def _runs(columns: Sequence[ColumnPlan]) -> list[list[ColumnPlan]]:
    """Columns that are read together: adjacent ones of fixed size, as many as fit a record."""
    runs: list[list[ColumnPlan]] = []
    size = PADDING
    for column in columns:
        is_fixed = column.wire in FIXED_TYPES
        width = LENGTH_BYTES + FIXED_TYPES[column.wire].itemsize if is_fixed else PADDING
        if size + width > PADDING:
            runs.append([])
            size = 0
        runs[-1].append(column)
        size += width
    return runs


def _read_fixed(block: Block, run: Sequence[ColumnPlan]) -> dict[str, Field]:
    """Read the columns at once, up to the first one that has a NULL in this block; then those behind it."""
    kind = record([FIXED_TYPES[column.wire] for column in run])
    rows = block.gather(kind)
    fields: dict[str, Field] = {}
    before = 0  # bytes of the fields before this one
    for number, column in enumerate(run):
        lengths, values, size = rows[f"length{number}"], rows[f"value{number}"], FIXED_TYPES[column.wire].itemsize
        is_set = lengths == length_in_record(size)
        if is_set.all():
            fields[column.bronze.name] = values, None
            before += LENGTH_BYTES + size
            continue
        nulls = lengths == NULL_LENGTH
        if not (is_set | nulls).all():
            raise MisplacedRowsError("a field has another length than its type")
        fields[column.bronze.name] = values, nulls
        block.advance(numpy.where(nulls, before + LENGTH_BYTES, before + LENGTH_BYTES + size))
        rest = run[number + 1 :]
        return fields | _read_fixed(block, rest) if rest else fields
    block.advance(before)
    return fields
