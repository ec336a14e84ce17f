"""Compares columns in memory, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def equal_values(left: pa.Array, right: pa.Array) -> pa.Array:
    """For each place whether the values are the same, to the bit; null equals null.

    Args:
        left: values.
        right: as many values of the same type.

    Raises:
        pyarrow.ArrowNotImplementedError: values of this type cannot be compared.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(left.type):
        whole = pa.int64() if pa.types.is_float64(left.type) else pa.int32()
        left, right = left.view(whole), right.view(whole)
    equal = pc.equal(left, right)
    if not equal.null_count:
        return equal
    return pc.or_(pc.fill_null(equal, False), pc.and_(left.is_null(), right.is_null()))
