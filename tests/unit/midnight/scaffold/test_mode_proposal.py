"""How `make init` proposes to load a large table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable, Leaf
from midnight.scaffold.source_survey import SourceTable
from midnight.scaffold.table_plan import plan_tables

COLUMNS = (
    CatalogueColumn("id", 1, "bigint", "bigint", "N", True),
    CatalogueColumn("updated_at", 2, "timestamp with time zone", "timestamp with time zone", "D", True),
)
HEAP = Leaf(oid=1, schema_name="public", name="orders", kind="table", pages=1, heap=True)
FOREIGN = replace(HEAP, kind="foreign table", heap=False)
LARGE = CatalogueTable(
    oid=1, schema_name="public", name="orders", kind="table", is_partition=False, rows=10**7, bytes=10**9, comment="",
    row_security=False, readable=True, columns=COLUMNS, primary_key=("id",), leaves=(HEAP,),
)  # fmt: skip
XMIN = "without an indexed time of change. mode: incremental with cursor: xmin reads only the changed rows"


def proposal(table: CatalogueTable = LARGE, key: tuple[str, ...] = ("id",), indexed: tuple[str, ...] = ("id",)) -> str:
    (plan,) = plan_tables([SourceTable(table, key=key, indexed=frozenset(indexed))], {})
    return plan.mode_comment


def test_a_large_table_with_an_indexed_time_of_change_gets_that_cursor():
    assert "an index on updated_at" in proposal(indexed=("id", "updated_at"))


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:1]])
def test_a_large_table_without_one_gets_xmin(columns):
    assert XMIN in proposal(replace(LARGE, columns=columns))


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (replace(LARGE, bytes=10**6), ("id",)),
        (LARGE, ()),
        (replace(LARGE, kind="view", leaves=()), ("id",)),
        (replace(LARGE, kind="partitioned table", leaves=(HEAP, FOREIGN)), ("id",)),
    ],
)
def test_nothing_is_proposed_for_what_cannot_or_need_not_be_incremental(table, key):
    assert proposal(table, key) == ""
