from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.runtime.key_set import KeySet, is_exact_type
from tests.support.key_values import KEY_TYPES, KEY_VALUES


@st.composite
def rows_and_keys(draw: st.DrawFn) -> tuple[pa.Table, pa.Table]:
    """Rows and keys of one to three columns, nulls included."""
    kinds = draw(st.lists(st.sampled_from(KEY_TYPES), min_size=1, max_size=3))
    schema = pa.schema([(f"k{i}", kind) for i, kind in enumerate(kinds)])
    row = st.tuples(*[st.none() | st.sampled_from(KEY_VALUES[kind]) for kind in kinds])
    rows, keys = draw(st.lists(row, max_size=12)), draw(st.lists(row, max_size=6))
    return _table(rows, schema), _table(keys, schema)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@given(rows_and_keys())
def test_rows_with_a_key_of_the_set_get_its_number(given_rows: tuple[pa.Table, pa.Table]):
    rows, keys = given_rows
    numbers = KeySet(keys).numbers(rows).to_pylist()
    wanted = set(_tuples(keys))
    assert [number is not None for number in numbers] == [row in wanted for row in _tuples(rows)]
    same: dict[int, Any] = {}
    for row, number in zip(_tuples(rows), numbers, strict=True):
        if number is not None:
            assert same.setdefault(number, row) == row
    assert len(KeySet(keys)) == len(wanted)


@given(rows_and_keys())
def test_a_footer_never_rules_out_a_row_group_that_has_a_key(given_rows: tuple[pa.Table, pa.Table]):
    rows, keys = given_rows
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, row_group_size=3)
    file = pq.ParquetFile(buffer)
    wanted = set(_tuples(keys))
    for number in range(file.num_row_groups):
        has_a_key = any(row in wanted for row in _tuples(file.read_row_group(number)))
        possible = KeySet(keys).possible_in(file.metadata.row_group(number), range(len(keys.column_names)))
        assert len(possible) or not has_a_key


@given(rows_and_keys())
def test_the_keys_of_a_row_group_have_the_numbers_of_the_set(given_rows: tuple[pa.Table, pa.Table]):
    """Although only the keys between the bounds of its footer are compared."""
    rows, keys = given_rows
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, row_group_size=3)
    file, wanted = pq.ParquetFile(buffer), KeySet(keys)
    for number in range(file.num_row_groups):
        group = file.read_row_group(number).cast(rows.schema)
        possible = wanted.possible_in(file.metadata.row_group(number), range(len(keys.column_names)))
        found = wanted.numbers(group, possible)
        assert found.equals(wanted.numbers(group))


@pytest.mark.parametrize("kind", KEY_TYPES, ids=str)
def test_a_footer_rules_out_row_groups_beyond_the_keys(kind: pa.DataType):
    """For every type: otherwise a change would read the keys of all files."""
    lowest, *_, highest = sorted(KEY_VALUES[kind])
    buffer = io.BytesIO()
    pq.write_table(pa.table({"k": pa.array([lowest], kind)}), buffer)
    group = pq.ParquetFile(buffer).metadata.row_group(0)
    assert len(KeySet(pa.table({"k": pa.array([lowest, highest], kind)})).possible_in(group, [0])) == 1
    assert len(KeySet(pa.table({"k": pa.array([highest], kind)})).possible_in(group, [0])) == 0


def test_only_types_without_equal_values_of_different_bytes_are_exact():
    assert all(is_exact_type(kind) for kind in KEY_TYPES)
    assert not any(
        is_exact_type(kind) for kind in (pa.float32(), pa.float64(), pa.timestamp("ns"), pa.list_(pa.int8()))
    )
