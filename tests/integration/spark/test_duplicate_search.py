"""Duplicates of many rows are found without holding all their keys in memory."""

from __future__ import annotations

from unittest import mock

import pytest

from spark_jobs.silver import batch_rows
from spark_jobs.silver.batch_rows import BatchRows
from spark_jobs.silver.run import build_silver
from spark_jobs.transforms import keys
from tests.support.sealed_batches import document, seal, table

KEYS = {
    "integer": [*range(20)],
    "text": [f"k{n}" for n in range(20)],
    "double precision": [n / 4 for n in range(20)],
}


@pytest.fixture(autouse=True)
def _many_rows(monkeypatch):
    monkeypatch.setattr(batch_rows, "SORT_WITHOUT_LOOKING_ROWS", 0)
    monkeypatch.setattr(keys, "KEYS_COUNTED_AT_ONCE", 3)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("duplicate", [None, "first", "last"])
def test_a_duplicate_is_found_in_any_part_of_the_keys(sail_session, lake, kind, duplicate):
    values = KEYS[kind]
    zero = [-0.0] if kind == "double precision" else []
    more = {None: [], "first": values[:1], "last": [values[-1], *zero]}[duplicate]
    given = table("items", {"id": kind, "v": "integer"}, key=["id"])
    rows = [{"id": value, "v": number} for number, value in enumerate([*values, *more])]
    with mock.patch.object(BatchRows, "_parts_of_keys", autospec=True, side_effect=BatchRows._parts_of_keys) as parts:
        (entry,) = build_silver(sail_session, document(lake, 1, (given, seal(lake, given, 1, rows))))
    assert (entry.inserted, entry.duplicates) == (20, len(more))
    assert parts.called
