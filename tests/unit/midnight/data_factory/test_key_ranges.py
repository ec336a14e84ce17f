"""Ranges of a key: they cover every row once whatever the cuts are, and cut where the rows are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import LARGEST_PARAMETERS, copy_parameters
from midnight.data_factory.key_ranges import KeySpan, key_cuts, range_conditions
from midnight.errors import ConfigurationError
from midnight.lake.paths import LakePaths


def table(kind: str = "bigint", **fields) -> Table:
    columns = [{"name": "id", "type": kind}, {"name": "name", "type": "text"}]
    return Table(**{"schema": "public", "table": "t", "silver": "t", "key": ("id",), "columns": columns, **fields})


def holds(condition: str, key: int | None) -> bool:
    """Whether a condition holds in SQL, by Python."""
    if key is None:
        return "IS NULL" in condition
    text = condition.replace('source_row."id" IS NULL', "False").replace('source_row."id"', str(key))
    return eval(text.replace("AND", "and").replace("OR", "or"), {})  # noqa: S307 - our own condition


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=5, unique=True).map(sorted), st.integers(-1001, 1001))
def test_every_key_is_in_one_range(cuts, key):
    conditions = range_conditions(table(), cuts)
    assert sum(holds(condition, key) for condition in conditions) == 1
    assert [holds(condition, None) for condition in conditions] == [True, *[False] * len(cuts)]


SPANS = st.lists(
    st.builds(
        lambda low, width, rows: KeySpan(low, low + width, rows),
        st.integers(-(2**62), 2**62),
        st.integers(0, 2**40),
        st.integers(1, 10**6),
    ),
    min_size=1,
    max_size=6,
)


@given(SPANS, st.integers(2, 16))
def test_cuts_are_ascending_and_inside_the_keys(spans, parts):
    cuts = key_cuts(spans, parts)
    assert cuts == sorted(set(cuts))
    assert len(cuts) < parts
    assert all(min(s.smallest for s in spans) < cut <= max(s.largest for s in spans) for cut in cuts)


def test_cuts_follow_the_rows():
    assert key_cuts([KeySpan(0, 99, 100)], 4) == [25, 50, 75]
    assert key_cuts([KeySpan(0, 9, 50), KeySpan(1_000_000, 1_000_009, 50)], 2) == [10]
    assert key_cuts([KeySpan(0, 9, 30), KeySpan(1000, 1099, 10)], 4) == [4, 7, 10]
    assert key_cuts([KeySpan(7, 7, 1000)], 8) == []
    assert key_cuts([], 8) == []


@pytest.mark.parametrize("other", [{"kind": "text"}, {"key": ()}, {"key": ("name",)}])
def test_only_an_integer_in_the_first_place_of_the_key_is_cut(other):
    with pytest.raises(ValueError, match="has no integer as the first column"):
        range_conditions(table(**other), [1])
    assert range_conditions(table(**other), []) == [""]


def test_a_request_above_data_factorys_limit_is_refused_before_it_is_sent():
    tables = [table(table=f"t{number}", silver=f"t{number}") for number in range(1500)]
    with pytest.raises(ConfigurationError, match=r"the copies of group 'main' take \d+ KB, but Data Factory accepts"):
        copy_parameters(LakePaths.in_account("lake"), "shop", tables, "b1")
    few = copy_parameters(LakePaths.in_account("lake"), "shop", tables[:900], "b1")
    assert len(str(few)) < LARGEST_PARAMETERS


def test_ranges_above_data_factorys_limit_become_fewer():
    """The first run has no ranges; when the tables have grown, a later one must not fail because of them."""
    columns = [{"name": "id", "type": "bigint"}, *({"name": f"column_{n:03}", "type": "text"} for n in range(300))]
    tables = [table(table=name, silver=name, columns=columns) for name in ("wide", "wider")]
    cuts = {"public.wide": range(1000, 128_000, 1000), "public.wider": range(1000, 9000, 1000)}
    parameters = copy_parameters(LakePaths.in_account("lake"), "shop", tables, "b1", cuts=cuts)
    assert len(json.dumps(parameters)) <= LARGEST_PARAMETERS
    copies = {name: [copy for copy in parameters["tables"] if copy["table"] == name] for name in ("wide", "wider")}
    assert len(copies["wider"]) == 9, "the table with the most ranges gets fewer"
    assert 9 <= len(copies["wide"]) < 128
    for found in copies.values():
        conditions = [copy["query"].partition(" WHERE ")[2] for copy in found]
        assert [sum(holds(c, key) for c in conditions) for key in (None, -1, 0, 999, 1000, 63_500, 10**9)] == [1] * 7
