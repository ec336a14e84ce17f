"""``on_unrepresentable: null``: values that bronze cannot hold become null and are counted.

Nothing of this runs until a conversion has failed: a block without such a value costs what it costs without a policy.
"""

from __future__ import annotations

import threading

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc

from midnight.bronze.manifest import UnrepresentableValues
from midnight.postgres_to_bronze.binary_numeric import NumericField
from midnight.postgres_to_bronze.binary_values import Field, convert
from midnight.postgres_to_bronze.copy_columns import ColumnPlan
from midnight.postgres_to_bronze.row_starts import Mask
from midnight.postgres_to_bronze.value_conversion import ValueOutOfRangeError, rejected_values, text_to_number

LONGEST_EXAMPLE = 80


class ReplacedValues:
    """Counts the values that became null, by column. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, UnrepresentableValues] = {}

    def convert(self, field: Field, column: ColumnPlan, target: pyarrow.DataType) -> pyarrow.Array:
        """``binary_values.convert`` with null in place of each value that does not fit.

        Raises:
            ValueOutOfRangeError: a value does not fit, and which one is not known.
        """
        while True:
            try:
                return convert(field, column, target)
            except ValueOutOfRangeError as error:
                rows = error.rows if error.rows is not None else _unfit_numbers(field, target)
                if not rows.any():
                    raise
                self.add(column.bronze.name, int(rows.sum()), "" if column.masked else error.example)
                field = _with_nulls(field, rows)

    def add(self, column: str, values: int, example: str) -> None:
        """Count values of a column; the first example stays."""
        with self._lock:
            before = self._found.get(column)
            self._found[column] = UnrepresentableValues(
                column=column,
                values=values + (before.values if before else 0),
                example=before.example if before else shorten(example),
            )

    def include(self, other: ReplacedValues) -> None:
        """Add the counts of another counter."""
        for one in other.found:
            self.add(one.column, one.values, one.example)

    @property
    def found(self) -> tuple[UnrepresentableValues, ...]:
        """The counts, sorted by column."""
        return tuple(self._found[name] for name in sorted(self._found))


def shorten(example: str) -> str:
    """A value for a message."""
    return example if len(example) <= LONGEST_EXAMPLE else f"{example[:LONGEST_EXAMPLE]}…"


def _unfit_numbers(field: Field, target: pyarrow.DataType) -> Mask:
    """The rows of a column of numbers as text that the type cannot hold."""
    if not isinstance(field, pyarrow.Array):
        return numpy.zeros(0, numpy.bool_)
    if pyarrow.types.is_decimal(target):  # many may have too many digits
        room = target.precision - target.scale
        fits = pc.match_substring_regex(field, rf"^-?0*\d{{0,{room}}}(\.\d{{0,{target.scale}}}0*)?$")
        beyond: Mask = pc.invert(fits).fill_null(False).to_numpy(zero_copy_only=False)
        return beyond
    rejected = rejected_values(field, lambda some: text_to_number(some, target))
    rows: Mask = pc.is_in(field, rejected, skip_nulls=True).to_numpy(zero_copy_only=False)
    return rows


def _with_nulls(field: Field, rows: Mask) -> Field:
    if isinstance(field, NumericField):
        return field.with_nulls(rows)
    if isinstance(field, pyarrow.Array):
        return pc.if_else(pyarrow.array(rows), pyarrow.scalar(None, field.type), field)
    values, nulls = field
    return values, rows if nulls is None else rows | nulls
