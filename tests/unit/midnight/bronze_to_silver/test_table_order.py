"""The order of the tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze_to_silver.table_order import group_by_references, has_independent_rows, referenced_tables
from tests.support.batch_chains import table


def test_tables_come_after_the_tables_that_they_reference():
    tables = [
        table("flights", ("airlines", "planes")),
        table("planes", ("makers",)),
        table("airlines"),
        table("makers"),
    ]
    assert [[t.silver for t in group] for group in group_by_references(tables)] == [
        ["airlines"], ["makers"], ["planes"], ["flights"],
    ]  # fmt: skip


def test_a_cycle_is_one_group_and_a_table_that_is_not_given_is_ignored():
    tables = [table("a", ("b",)), table("b", ("c",)), table("c", ("a", "elsewhere")), table("d", ("d", "b"))]
    assert [[t.silver for t in group] for group in group_by_references(tables)] == [["a", "b", "c"], ["d"]]


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_every_table_comes_once_and_never_before_a_table_that_it_references(edges):
    names = [f"t{i}" for i in range(len(edges))]
    tables = [table(n, tuple(dict.fromkeys(f"t{e}" for e in out))) for n, out in zip(names, edges, strict=True)]
    groups = [[t.silver for t in group] for group in group_by_references(tables)]
    assert sorted(name for group in groups for name in group) == sorted(names)
    place = {name: i for i, group in enumerate(groups) for name in group}
    assert all(place[r] <= place[t.silver] for t in tables for r in referenced_tables(t) if r in place)


def test_which_tables_have_independent_rows():
    assert has_independent_rows(table("t", ("p",)), [table("t")])
    assert not has_independent_rows(table("t", ("t",)), [table("t")])
    assert not has_independent_rows(table("t"), [table("t"), table("u")])
    unique = table("t", checks=[{"rule": "unique", "columns": ["v"], "on_failure": "warn"}])
    assert not has_independent_rows(unique, [unique])
