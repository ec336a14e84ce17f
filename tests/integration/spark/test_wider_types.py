"""A source column that became wider than its type in the table's file, which silver keeps."""

from __future__ import annotations

from typing import Any

from midnight.lake.paths import LakePaths
from tests.support.sealed_batches import counts, silver_rows, table


def test_a_value_of_a_wider_type_that_does_not_fit_goes_to_quarantine(apply: Any, lake: LakePaths) -> None:
    pieces = table("line", {"id": "integer", "pieces": "integer"}, key=["id"])
    rows = [{"id": 1, "pieces": 5}, {"id": 2, "pieces": 3_000_000_000}]
    entries = apply((pieces, rows), columns={"id": "integer", "pieces": "bigint"})
    assert counts(entries["line"]) == {"inserted": 1, "quarantined": 1}
    assert silver_rows(lake, pieces) == [{"id": 1, "pieces": 5}]
