"""Rows that the source has deleted, found by the list of keys of an increment."""

from __future__ import annotations

import pytest

from midnight.errors import ReconciliationError
from spark_jobs.silver.run import build_silver
from tests.support.incremental_source import IncrementalSource
from tests.support.incremental_tables import INCREMENTAL, ITEMS, item, run
from tests.support.sealed_batches import (
    batch_id,
    counts,
    document,
    quarantine_rules,
    read_rows,
    seal,
    silver_rows,
    table,
)
from tests.support.written_faults import damage

KEYS = ITEMS.model_copy(update={"deletes": "keys"})


@pytest.fixture
def items(lake) -> IncrementalSource:
    source = IncrementalSource(lake, KEYS)
    source.put(*[item(i, 10 * i) for i in range(1, 11)])
    source.ingest(1)
    return source


def ids(lake) -> list[int]:
    return [row["id"] for row in silver_rows(lake, KEYS)]


def test_a_deleted_row_leaves_silver_in_the_same_run(sail_session, lake, items):
    run(sail_session, 1, items)
    del items.rows[2], items.rows[9]
    items.put(item(3, 201, "7"), item(11, 202))
    items.ingest(2)
    (entry,) = run(sail_session, 2, items)
    assert counts(entry) == {"inserted": 1, "updated": 1, "unchanged": 2, "deleted": 2}
    assert entry.changed == "rows"
    assert ids(lake) == [1, 3, 4, 5, 6, 7, 8, 10, 11]


def test_a_run_without_rows_still_deletes(sail_session, lake, items):
    items.table = KEYS.model_copy(update={"cursor_lag": 0})
    run(sail_session, 1, items)
    del items.rows[10], items.rows[1]
    items.ingest(2)
    assert items.batches[-1].rows == 0
    (entry,) = run(sail_session, 2, items)
    assert (counts(entry), ids(lake)) == ({"deleted": 2}, list(range(2, 10)))
    items.ingest(3)
    (entry,) = run(sail_session, 3, items)
    assert (counts(entry), entry.changed) == ({}, "nothing")


def test_only_the_newest_list_counts_and_a_row_that_is_back_is_there_again(sail_session, lake, items):
    run(sail_session, 1, items)
    kept = items.rows.pop(2), items.rows.pop(10)
    items.put(item(11, 201))
    items.ingest(2)
    run(sail_session, 2, items)
    assert ids(lake) == [1, *range(3, 10), 11]
    items.put(*kept)  # neither has a new cursor value
    del items.rows[11]
    items.ingest(3)
    (entry,) = run(sail_session, 3, items)
    assert entry.message == f"3 batches since {batch_id(1)} evaluated together"
    assert counts(entry) == {"inserted": 2, "unchanged": 8, "duplicates": 2, "deleted": 1, "obsolete": 1}
    assert ids(lake) == list(range(1, 11))


def test_several_increments_at_once(sail_session, lake, items):
    run(sail_session, 1, items)
    items.put(item(11, 201), item(12, 202))
    items.ingest(2)
    del items.rows[11], items.rows[1]
    items.put(item(13, 301))
    items.ingest(3)
    (entry,) = run(sail_session, 3, items)
    assert counts(entry) == {"inserted": 2, "unchanged": 3, "duplicates": 1, "obsolete": 1, "deleted": 1}
    assert ids(lake) == [*range(2, 11), 12, 13]


def test_a_quarantined_row_that_is_deleted_is_not_in_the_next_evaluation(sail_session, lake, items):
    items.put(item(3, 201, "x"))
    run(sail_session, 1, items)
    items.ingest(2)
    run(sail_session, 2, items)
    assert len(quarantine_rules(lake, KEYS, 2)) == 1
    del items.rows[3]
    items.ingest(3)
    (entry,) = run(sail_session, 3, items, rebuild=True)
    assert (entry.quarantined, entry.obsolete, quarantine_rules(lake, KEYS, 3)) == (0, 1, [])
    assert 3 not in ids(lake)


def test_rows_win_over_the_list_of_their_own_batch(sail_session, lake, items):
    """Data Factory reads a row that was inserted after it had read the keys."""
    run(sail_session, 1, items)
    items.put(item(11, 201))
    late = dict(items.rows)
    items.list_of_keys = [row for key, row in late.items() if key not in (2, 11)]
    items.ingest(2)
    (entry,) = run(sail_session, 2, items)
    assert (counts(entry)["deleted"], ids(lake)) == (1, [1, *range(3, 12)])
    items.table = KEYS
    items.ingest(3)  # the same list, without a row of 11
    del items.rows[2], items.rows[11]
    items.ingest(4)
    (entry,) = run(sail_session, 4, items)
    assert ids(lake) == [1, *range(3, 11)]


def test_a_soft_deleted_row_may_be_referenced(sail_session, lake):
    """By rows of other tables, and of its own, also after it has left the batches since the last full snapshot."""
    reference = {"rule": "foreign_key", "columns": ["boss"], "table": "staff", "references": ["id"]}
    columns = {"id": "integer", "boss": "integer", "moved": {"type": "integer", "drop": True}}
    staff = IncrementalSource(lake, table("staff", columns, checks=[reference], deletes="soft", **INCREMENTAL))
    desks = IncrementalSource(lake, table("desks", columns, checks=[reference], deletes="keys", **INCREMENTAL))
    staff.put(*[{"id": i, "boss": i - 1 or None, "moved": 10 * i} for i in range(1, 4)])
    desks.put({"id": 1, "boss": 1, "moved": 1}, {"id": 2, "boss": 3, "moved": 2})
    for number, full in ((1, True), (2, False), (3, True), (4, False)):
        if number == 2:
            del staff.rows[1]
        for source in (staff, desks):
            source.ingest(number, full_reload=full)
        entries = run(sail_session, number, staff, desks)
        assert [entry.quarantined for entry in entries] == [0, 0]
    found = {row["id"]: row["_midnight_deleted_batch_id"] for row in read_rows(lake.silver_table("staff"))}
    assert found == {1: batch_id(2), 2: None, 3: None}


SOFT = ITEMS.model_copy(update={"deletes": "soft", "reconcile": "digests"})


def marks(lake) -> dict[int, str | None]:
    return {row["id"]: row["_midnight_deleted_batch_id"] for row in read_rows(lake.silver_table("items"))}


def test_a_soft_deleted_row_is_marked_and_unmarked(sail_session, lake, items):
    items.table = SOFT
    run(sail_session, 1, items)
    kept = items.rows.pop(2), items.rows.pop(10)
    items.put(item(3, 201, "7"))
    items.ingest(2)
    (entry,) = run(sail_session, 2, items)
    assert counts(entry) == {"updated": 1, "unchanged": 2, "marked": 2}
    assert marks(lake) == {i: batch_id(2) if i in (2, 10) else None for i in range(1, 11)}
    items.put(kept[0])
    items.ingest(3)
    (entry,) = run(sail_session, 3, items)
    assert (entry.marked, entry.changed, entry.message[:11]) == (1, "rows", "incremental")
    assert marks(lake) == {i: batch_id(2) if i == 10 else None for i in range(1, 11)}
    items.ingest(4, full_reload=True)
    del items.rows[1]
    run(sail_session, 4, items)
    items.ingest(5, full_reload=True)
    (entry,) = run(sail_session, 5, items)
    assert counts(entry) == {"unchanged": 8, "marked": 1}
    assert marks(lake) == {i: {10: batch_id(2), 1: batch_id(5)}.get(i) for i in range(1, 11)}
    items.put(item(10, 501, "x"))  # it is back, and cannot be cast
    items.ingest(6)
    (entry,) = run(sail_session, 6, items)
    assert (entry.deleted, entry.quarantined, sorted(marks(lake))) == (1, 1, list(range(1, 10)))
    right = marks(lake)
    key, _ = damage(lake.silver_table("items"), "changed value", 1, columns=["_midnight_deleted_batch_id"])
    items.ingest(7)
    for found in (rf"column '_midnight_deleted_batch_id'.*id = '{key}'", "differed in an earlier run"):
        with pytest.raises(ReconciliationError, match=rf"{found}(.|\n)*midnight_rebuild"):
            run(sail_session, 7, items)
    run(sail_session, 8, items, rebuild=True)
    assert marks(lake) == right
    items.ingest(9)
    assert run(sail_session, 9, items)[0].status == "applied"


def test_soft_in_mode_snapshot(sail_session, lake):
    without = {"mode": "snapshot", "cursor": None, "cursor_lag": None, "full_snapshot_interval_days": 7}
    snapshot = SOFT.model_copy(update=without)
    for number, last in ((1, 3), (2, 2), (3, 4)):
        manifest = seal(lake, snapshot, number, [item(i, 0) for i in range(1, last + 1)])
        (entry,) = build_silver(sail_session, document(lake, number, (snapshot, manifest)))
        assert entry.marked == (1 if number == 2 else 0)
        if number == 2:
            assert marks(lake) == {1: None, 2: None, 3: batch_id(2)}
    assert (counts(entry), marks(lake)) == ({"inserted": 1, "updated": 1, "unchanged": 2}, dict.fromkeys(range(1, 5)))


def test_a_deleted_row_does_not_compete_with_others(sail_session, lake):
    """A ``unique`` value is free again when its row is deleted, marked or not."""
    columns = {"id": "integer", "v": "integer", "moved": {"type": "integer", "drop": True}}
    sources = []
    for deletes in ("keys", "soft"):
        rules = {**INCREMENTAL, "checks": [{"rule": "unique", "columns": ["v"]}], "deletes": deletes}
        source = IncrementalSource(lake, table(f"one_{deletes}", columns, **rules))
        source.put(*[{"id": i, "v": 10 * i, "moved": 10 * i} for i in range(1, 4)])
        source.ingest(1)
        sources.append(source)
    run(sail_session, 1, *sources)
    for source in sources:
        del source.rows[2]
        source.put({"id": 9, "v": 20, "moved": 90})
        source.ingest(2)
    hard, soft = run(sail_session, 2, *sources)
    assert (counts(hard)["inserted"], counts(hard)["deleted"], counts(hard)["obsolete"]) == (1, 1, 1)
    assert (counts(soft)["inserted"], counts(soft)["updated"]) == (1, 1)
    rows = [read_rows(lake.silver_table(source.table.silver)) for source in sources]
    found = [{row["id"]: row.get("_midnight_deleted_batch_id") for row in each} for each in rows]
    assert found == [{1: None, 3: None, 9: None}, {1: None, 2: batch_id(2), 3: None, 9: None}]
