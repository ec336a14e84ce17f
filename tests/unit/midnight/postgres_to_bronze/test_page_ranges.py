"""Ranges of pages: each page of every partition is in exactly one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.postgres_to_bronze import page_ranges
from midnight.postgres_to_bronze.catalogue import Leaf
from midnight.postgres_to_bronze.page_ranges import ctid_ranges


@given(
    pages=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    connections=st.integers(1, 4),
    smallest=st.integers(1, 20),
)
def test_ranges_cover_each_page_once(pages, connections, smallest):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", smallest)
        leaves = [Leaf(oid=1, schema_name="s", name="t", kind="table", pages=p, heap=True) for p in pages]
        ranges = ctid_ranges(leaves, connections)
    cuts = [int(part.split("< '(")[1].split(",")[0]) for part in ranges if "<" in part]
    assert sorted(set(cuts)) == cuts
    assert all(0 < cut < max(pages) for cut in cuts)
    assert len(cuts) + 1 == len(ranges)
    assert [f"ctid >= '({c},0)'::tid" for c in cuts] == [r.split(" AND ")[0] for r in ranges[1:]]
    assert connections == 1 or len(ranges) <= 2 * connections * 4 + 1
