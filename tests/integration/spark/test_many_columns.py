"""Tables with more columns and checks than the nesting limit of a Spark Connect message."""

from __future__ import annotations

import pytest

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
