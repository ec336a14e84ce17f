"""Fields of COPY's binary format to exact Arrow values, for all rows of a column at once.

The forms are those of the types' send functions, which are the same since PostgreSQL 10: numbers in network order, days
and microseconds since 2000-01-01. What does not fit is named, never rounded or cut.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
import pyarrow  # no DAG file imports this module

from midnight.postgres_to_bronze.binary_numeric import NumericField
from midnight.postgres_to_bronze.copy_block import validity
from midnight.postgres_to_bronze.copy_columns import FIXED_FORMS, ColumnPlan, numeric_groups
from midnight.postgres_to_bronze.row_starts import Mask
from midnight.postgres_to_bronze.value_conversion import ValueOutOfRangeError, check_json, check_utf8, text_to_number
from midnight.postgres_to_bronze.value_examples import date_text, timestamp_text

Values = numpy.ndarray[Any, numpy.dtype[Any]]
Field: TypeAlias = pyarrow.Array | NumericField | tuple[Values, Mask | None]

FIXED_TYPES = {wire: numpy.dtype(form) for wire, form in FIXED_FORMS.items()}
# Spark, Parquet and Python have the years 1 to 9999; days and microseconds from 2000-01-01.
_FIRST_DAY, _LAST_DAY = -730_119, 2_921_939
_DAY_MICROSECONDS = 86_400_000_000
_FIRST_MICROSECOND, _LAST_MICROSECOND = _FIRST_DAY * _DAY_MICROSECONDS, (_LAST_DAY + 1) * _DAY_MICROSECONDS - 1
_EPOCH_DAYS = 10_957  # from 1970 to 2000


def convert(field: Field, column: ColumnPlan, target: pyarrow.DataType) -> pyarrow.Array:
    """A column as its type in bronze.

    Args:
        field: from the block.
        column: its plan.
        target: type in bronze.

    Raises:
        ValueOutOfRangeError: with the first value that does not fit exactly.
    """
    if isinstance(field, pyarrow.Array):
        if not pyarrow.types.is_binary(target):
            check_utf8(field)
        if column.wire == "json":
            check_json(field)
        return text_to_number(field, target) if column.wire == "number text" else field
    if isinstance(field, NumericField):
        return field.decimals(numeric_groups(column.bronze.stored_as) or (0, 0), target)
    values, nulls = field
    native = values.astype(values.dtype.newbyteorder("="))  # also contiguous
    if nulls is not None:
        native[nulls] = 0
    if column.wire == "date":
        _check_range(native, _FIRST_DAY, _LAST_DAY, date_text)
        native += _EPOCH_DAYS
    elif column.wire == "timestamp":
        has_zone = target.tz is not None
        _check_range(native, _FIRST_MICROSECOND, _LAST_MICROSECOND, lambda value: timestamp_text(value, has_zone))
        native += _EPOCH_DAYS * _DAY_MICROSECONDS
    elif column.wire == "bool":
        native = numpy.packbits(native, bitorder="little")
    elif column.wire == "oid":
        native = native.astype(numpy.int64)
    return _array(target, len(values), native, nulls)


def _check_range(values: Values, lowest: int, highest: int, text: Any) -> None:
    if len(values) and (values.min() < lowest or values.max() > highest):
        wrong = (values < lowest) | (values > highest)
        raise ValueOutOfRangeError(text(int(values[numpy.argmax(wrong)])), rows=wrong)


def _array(target: pyarrow.DataType, rows: int, data: Values, nulls: Mask | None) -> pyarrow.Array:
    bitmap = None if nulls is None else validity(nulls)
    return pyarrow.Array.from_buffers(target, rows, [bitmap, pyarrow.py_buffer(data)])
