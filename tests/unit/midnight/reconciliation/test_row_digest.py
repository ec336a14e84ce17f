"""The digest of rows: independent of their order, additive, and different for any other value."""

from __future__ import annotations

import random
from decimal import Decimal

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from midnight.reconciliation import row_digest
from midnight.reconciliation.differences import Subject, differing_places, find_differences
from midnight.reconciliation.digest_states import describe_plan, make_state, parse_plan
from midnight.reconciliation.row_digest import DigestPlan, add_all, canonical_type, sums_of
from midnight.reconciliation.row_sources import TableState
from midnight.reconciliation.turns import is_in_turn
from tests.support.extreme_rows import VALUES

ARROW = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "numeric(5,0)": pa.decimal128(5, 0),
    "numeric(18,2)": pa.decimal128(18, 2),
    "numeric(38,0)": pa.decimal128(38, 0),
    "numeric(38,18)": pa.decimal128(38, 18),
    "numeric(38,38)": pa.decimal128(38, 38),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "timestamp without time zone": pa.timestamp("us"),
    "text": pa.string(),
    "bytea": pa.binary(),
}
STRATEGIES = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "double precision": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "text": st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    "bytea": st.binary(max_size=40),
    "numeric(38,18)": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}E-18")),
}


def plan_of(rows: pa.Table, *key: str) -> DigestPlan:
    return DigestPlan(tuple((field.name, canonical_type(field.type)) for field in rows.schema), key)


def extreme_table(seed: int, count: int = 200) -> pa.Table:
    chance = random.Random(seed)  # noqa: S311 - a test
    columns = {"id": pa.array(range(count), pa.int64())}
    for number, (kind, values) in enumerate(VALUES.items()):
        columns[f"c{number}"] = pa.array([chance.choice([*values, None]) for _ in range(count)], ARROW[kind])
    return pa.table(columns)


@pytest.mark.parametrize("key", [("id",), ()])
def test_order_chunks_and_representation_do_not_matter(key):
    rows = extreme_table(1)
    plan = plan_of(rows, *key)
    expected = sums_of(rows, plan)
    shuffled = rows.take(pa.array(np.random.default_rng(1).permutation(len(rows))))
    assert (sums_of(shuffled, plan) == expected).all()
    parts = [sums_of(batch, plan) for batch in shuffled.to_batches(max_chunksize=7)]
    assert (add_all(parts, len(plan.columns)) == expected).all()
    other = {pa.string(): pa.string_view(), pa.binary(): pa.large_binary(), pa.int16(): pa.int64()}
    other |= {pa.decimal128(5, 0): pa.decimal128(38, 0), pa.timestamp("us", "UTC"): pa.timestamp("us")}
    schema = pa.schema([(field.name, other.get(field.type, field.type)) for field in rows.schema])
    assert (sums_of(rows.cast(schema), plan) == expected).all()
    texts = rows.set_column(15, "c14", rows["c14"].dictionary_encode())
    assert (sums_of(texts, plan) == expected).all()


def test_a_digest_after_a_change_follows_from_the_changed_rows():
    before, after = extreme_table(1), extreme_table(2)
    rest = before.slice(50)
    plan = plan_of(before, "id")
    whole = pa.concat_tables([rest, after.slice(0, 50)])
    from_change = sums_of(before, plan) - sums_of(before.slice(0, 50), plan) + sums_of(after.slice(0, 50), plan)
    assert (from_change == sums_of(whole, plan)).all()


@pytest.mark.parametrize("kind", STRATEGIES)
@settings(max_examples=40)
@given(data=st.data())
def test_another_value_gives_another_digest(kind, data):
    pair = st.tuples(STRATEGIES[kind] | st.none(), STRATEGIES[kind] | st.none())
    left, right = data.draw(pair)
    tables = [pa.table({"id": [1], "v": pa.array([value], ARROW[kind])}) for value in (left, right)]
    plan = plan_of(tables[0], "id")
    same = left == right and str(left) == str(right)  # zero is not negative zero
    assert (sums_of(tables[0], plan) == sums_of(tables[1], plan)).all() == same


@pytest.mark.parametrize("key", ["id", ""])
def test_null_has_the_number_of_no_value_that_can_be_foreseen(key):
    null = int(row_digest._NULL)
    for kind, value in ((pa.int64(), null), (pa.decimal128(38, 18), Decimal(null).scaleb(-18))):
        rows = [pa.table({"id": [1], "v": pa.array([each], kind)}) for each in (value, None)]
        first, second = (sums_of(each, plan_of(each, *filter(None, [key]))) for each in rows)
        assert (first != second).any()


def test_long_and_similar_texts_differ():
    texts = ["a" * n for n in (0, 1, 7, 8, 9, 255, 256, 257, 5000)] + ["a" * 5000 + "b", "a" * 256 + "b"]
    texts += ["\0", "\0\0", "\0" * 8, "\0" * 9, " ", "é", "e\u0301"]
    rows = [pa.table({"id": [1], "v": [text]}) for text in texts]
    plan = plan_of(rows[0], "id")
    assert len({sums_of(row, plan).tobytes() for row in rows}) == len(texts)


@pytest.mark.parametrize("key", [("id",), ()])
def test_values_that_change_places_are_found(key):
    rows = pa.table({"id": [1, 2], "a": [5, 6], "b": [6, 5]})
    columns = pa.table({"id": [1, 2], "a": [6, 5], "b": [5, 6]})
    between_rows = pa.table({"id": [1, 2], "a": [6, 5], "b": [6, 5]})
    plan = plan_of(rows, *key)
    for other in (columns, between_rows):
        places = differing_places(sums_of(rows, plan), sums_of(other, plan), plan)
        assert places
        found, count = find_differences(Subject("written = read back", "t", plan), rows, other)
        assert found
        assert count >= len(key)


def test_a_key_that_occurs_twice_and_one_that_is_missing_are_named():
    rows = pa.table({"id": [1, 2, 3], "a": ["x", "y", "z"]})
    other = pa.table({"id": [1, 2, 2], "a": ["x", "y", "y"]})
    plan = plan_of(rows, "id")
    found, count = find_differences(Subject("written = read back", "t", plan), rows, other)
    assert {(each.kind, each.key) for each in found} == {("lost row", (("id", "3"),)), ("extra row", (("id", "2"),))}
    assert count == 2


def test_values_of_masked_columns_are_not_shown():
    rows, other = pa.table({"id": [1], "a": ["secret"]}), pa.table({"id": [1], "a": ["hidden"]})
    plan = plan_of(rows, "id")
    found, _ = find_differences(Subject("written = read back", "t", plan, {"a"}), rows, other)
    assert "masked" in str(found[0])
    assert not {"secret", "hidden"} & set(str(found[0]).split("'"))


def test_a_recorded_digest_is_only_used_for_the_same_columns():
    rows = extreme_table(1)
    plan = plan_of(rows, "id")
    state = make_state("t", "content", TableState(()), plan, sums_of(rows, plan))
    assert state.plan == plan
    assert (state.sums == sums_of(rows, plan)).all()
    assert parse_plan(describe_plan(plan).replace('"format": 2', '"format": 0')) is None


def test_each_table_has_its_turn_once_in_as_many_runs():
    turns = [[table for table in "abcdefgh" if is_in_turn(table, number, 5)] for number in range(30)]
    assert all(
        sorted(table for turn in turns[first : first + 5] for table in turn) == list("abcdefgh") for first in range(25)
    )
    assert not any(is_in_turn(table, number, 1) for table in "abc" for number in range(30))
