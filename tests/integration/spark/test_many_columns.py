"""Tables with more columns and checks than the nesting limit of a Spark Connect message."""

from __future__ import annotations

from decimal import Decimal

import pytest

from midnight.lake.paths import LakePaths
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import counts, document, seal, silver_rows, table

COLUMNS = [f"c{number}" for number in range(60)]
CHECKS = [{"rule": "range", "name": f"r{i}", "column": c, "min": 0} for i, c in enumerate(COLUMNS)]


def apply_batches(session, lake, work, *rows_of_batches):
    entries = []
    for number, rows in enumerate(rows_of_batches, start=1):
        batch = seal(lake, work, number, rows)
        entries += build_silver(session, document(lake, number, (work, batch)))
    return [counts(entry) for entry in entries]


def row(number, **changes):
    return {**dict.fromkeys(COLUMNS, number), **changes}


@pytest.mark.parametrize("key", [["c0"], []], ids=["key", "no key"])
def test_a_wide_table_is_compared_with_its_second_batch(sail_session, key, lake):
    wide = table("wide", dict.fromkeys(COLUMNS, "integer"), key=key, checks=CHECKS)
    first, second = [row(1), row(2), row(3, c7=-1)], [row(1), row(2, c59=2, c58=9), row(4, c50=None)]
    expected = {"unchanged": 1, "updated": 1, "inserted": 1} if key else {"unchanged": 1, "inserted": 2, "deleted": 1}
    assert apply_batches(sail_session, lake, wide, first, second) == [{"inserted": 2, "quarantined": 1}, expected]
    assert [(r["c0"], r["c50"], r["c58"]) for r in silver_rows(lake, wide)] == [(1, 1, 1), (2, 2, 9), (4, None, 4)]


WIDE_TYPES = ("integer", "text", "double precision", "numeric(12,2)")
WIDE = {f"c{number}": WIDE_TYPES[number % 4] for number in range(150)}


def wide_row(number, **changes):
    values = {"integer": number, "text": f"t{number}", "double precision": number / 8, "numeric(12,2)": Decimal(number)}
    return {name: values[kind] for name, kind in WIDE.items()} | changes


@pytest.mark.spark
def test_150_columns_without_a_key_are_the_same_on_both_engines(sail_session, spark_session, tmp_path):
    """All columns identify a row: nulls, and zero next to negative zero, among those compared as a structure."""
    wide = table("wide", WIDE, key=[], duplicates="keep")
    first = [wide_row(0), wide_row(1), wide_row(2, c149=None), wide_row(3, c142=0.0), wide_row(4, c142=None)]
    second = [wide_row(0), wide_row(1, c149="new"), first[2], wide_row(3, c142=-0.0), first[4], first[4]]
    results = {}
    for engine, session in (("sail", sail_session), ("spark", spark_session)):
        lake = LakePaths.below(str(tmp_path / engine))
        entries = apply_batches(session, lake, wide, first, second)
        results[engine] = entries, sorted(silver_rows(lake, wide), key=str)
    assert results["spark"] == results["sail"]
    entries, rows = results["spark"]
    assert entries[1] == {"unchanged": 4, "inserted": 2, "deleted": 1}
    assert len(rows) == 6
