from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.runtime import value_numbers
from spark_jobs.runtime.value_numbers import ValueNumbers

KINDS = [pa.int16(), pa.int64(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", tz="UTC")]
NEAR = st.none() | st.integers(-50, 50)
FAR = st.none() | st.integers(-32_768, 32_767)


def array(values: list[int | None], kind: pa.DataType) -> pa.Array:
    stored: Any = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return pa.array(values, stored).cast(kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(values=st.lists(NEAR, unique=True), column=st.lists(NEAR | FAR))
def test_a_table_and_a_hash_give_the_same_numbers(kind: pa.DataType, values, column):
    numbers = ValueNumbers(array(values, kind))
    assert numbers.is_table == any(value is not None for value in values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value_numbers, "_MOST_PLACES", 0)
        hashed = ValueNumbers(array(values, kind))
    assert not hashed.is_table
    wanted = [values.index(value) if value in values else None for value in column]
    assert numbers.of(array(column, kind)).to_pylist() == wanted
    assert hashed.of(array(column, kind)).to_pylist() == wanted


def test_values_that_lie_far_apart_need_no_memory_for_what_is_between():
    lowest, highest = -(2**63), 2**63 - 1
    numbers = ValueNumbers(pa.array([highest, lowest, None]))
    assert not numbers.is_table
    assert numbers.of(pa.array([None, lowest, 0, highest])).to_pylist() == [2, 1, None, 0]


def test_extreme_values_are_not_among_near_ones():
    numbers = ValueNumbers(pa.array([1, 2]))
    assert numbers.is_table
    assert numbers.of(pa.array([-(2**63), 2**63 - 1, 0, 3, 2, None])).to_pylist() == [None] * 4 + [1, None]
