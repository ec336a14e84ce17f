"""Increments: what they read, and when all batches are evaluated instead."""

from __future__ import annotations

import shutil

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from midnight.configuration.tables import Table
from midnight.errors import BronzeError, QualityGateError
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from spark_jobs.gold.changes import read_silver_histories
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


def version(lake: LakePaths, t: Table) -> int:
    return DeltaTable(lake.silver_table(t.silver)).version()


def content_of(session: SparkSession, lake: LakePaths) -> dict[str, str]:
    """What identifies the content of each silver table for gold."""
    return {name: history.identity for name, history in read_silver_histories(session, lake.ledger).items()}


@pytest.fixture
def items(lake) -> IncrementalSource:
    source = IncrementalSource(lake, ITEMS)
    source.put(*[item(i, 10 * i) for i in range(1, 11)])
    source.ingest(1)
    return source


def test_an_increment_reads_neither_silver_nor_the_older_batches(sail_session, lake, items):
    run(sail_session, 1, items)
    shutil.rmtree(lake.batch("test", "public", "items", batch_id(1)))  # its rows cannot be read
    items.put(item(3, 201, "7"), item(11, 202))
    items.ingest(2)
    (entry,) = run(sail_session, 2, items)
    assert counts(entry) == {"inserted": 1, "updated": 1, "unchanged": 3}  # those within the cursor lag
    assert (entry.rows_in, entry.silver_before, entry.silver_after) == (5, 10, 11)
    assert entry.message == "incremental: rows with moved >= 80"


def test_an_empty_increment_and_its_repetition_change_nothing(sail_session, lake, items):
    run(sail_session, 1, items)
    content, written = content_of(sail_session, lake), version(lake, ITEMS)
    items.rows = {i: row for i, row in items.rows.items() if i < 5}  # deleted rows leave nothing to read
    items.table = ITEMS.model_copy(update={"cursor_lag": 0})
    items.ingest(2)
    items.table = ITEMS
    assert items.batches[-1].rows == 0
    shutil.rmtree(lake.batch("test", "public", "items", batch_id(2)))
    for _ in range(2):
        (entry,) = run(sail_session, 2, items)
        assert (counts(entry), entry.rows_in, entry.silver_after, entry.batch_id) == ({}, 0, 10, batch_id(2))
    assert content_of(sail_session, lake) == content, "gold is not built again"
    assert version(lake, ITEMS) == written


def test_the_same_increment_again_and_an_older_one_change_nothing(sail_session, lake, items):
    run(sail_session, 1, items)
    for batch in (2, 3):
        items.put(item(1, 100 * batch, str(batch)), item(10 + batch, 100 * batch, "x"))
        items.ingest(batch)
        run(sail_session, batch, items)
    before, content = read_rows(lake.silver_table("items")), content_of(sail_session, lake)
    (again,) = run(sail_session, 3, items)
    assert counts(again) == {"unchanged": 1, "quarantined": 2}
    newest = items.batches.pop()
    (older,) = run(sail_session, 2, items)
    assert older.status == "skipped"
    items.batches.append(newest)
    assert read_rows(lake.silver_table("items")) == before
    assert content_of(sail_session, lake) == content
    assert quarantine_rules(lake, ITEMS, 3) == [
        ("cast_v", f'{{"id":"{i}","v":"x","w":"a","moved":"{moved}"}}') for i, moved in ((12, 200), (13, 300))
    ]


def test_a_run_after_a_stopped_one_applies_both_batches(sail_session, lake, items):
    checks = (ITEMS.checks[0].model_copy(update={"on_failure": "fail"}),)
    items.table = ITEMS.model_copy(update={"checks": checks})
    run(sail_session, 1, items)
    items.put(item(1, 201, "99"), item(11, 150))
    items.ingest(2)
    with pytest.raises(QualityGateError, match="range_v 1"):
        run(sail_session, 2, items)
    assert len(silver_rows(lake, ITEMS)) == 10
    items.put(item(1, 301, "9"))
    items.ingest(3)
    (entry,) = run(sail_session, 3, items)
    assert {name: counts(entry)[name] for name in ("inserted", "updated")} == {"inserted": 1, "updated": 1}
    batches = {row["id"]: row["_midnight_batch_id"] for row in read_rows(lake.silver_table("items"))}
    assert (batches[1], batches[11], batches[2]) == (batch_id(3), batch_id(2), batch_id(1))


def test_of_a_key_in_several_increments_the_newest_row_counts(sail_session, lake, items):
    run(sail_session, 1, items)
    for batch, v in ((2, "7"), (3, "8"), (4, "9")):
        items.put(item(3, 200 + batch, v), item(10 + batch, 200 + batch))
        items.ingest(batch)
    (entry,) = run(sail_session, 4, items)
    assert (entry.message.partition(" ")[0], entry.rows_in, entry.silver_after) == ("incremental:", 12, 13)
    assert {name: counts(entry)[name] for name in ("inserted", "updated")} == {"inserted": 3, "updated": 1}
    assert {row["id"]: row["v"] for row in silver_rows(lake, ITEMS)}[3] == 9


@pytest.mark.parametrize("key", [["id"], ["id", "w"]])
def test_of_a_key_twice_in_an_increment_one_row_counts(sail_session, lake, items, key):
    given = ITEMS.model_copy(update={"key": tuple(key), "key_is_unique": False, "order_by": ("moved desc",)})
    items.table = given
    run(sail_session, 1, items)
    rows = [
        item(3, 301, "5"),
        item(3, 303, "7"),
        item(3, 302, "6"),
        item(12, 301, "1"),
        item(None, 301),
        item(None, 302),
    ]
    items.seen |= {("more", number): row for number, row in enumerate(rows)}
    items.rows |= {("more", number): row for number, row in enumerate(rows)}
    items.ingest(2)
    (entry,) = run(sail_session, 2, items)
    found = counts(entry)
    assert (found["duplicates"], found["quarantined"], found["inserted"], found["updated"]) == (2, 2, 1, 1)
    assert [row["v"] for row in silver_rows(lake, given) if row["id"] == 3] == [7]


def test_other_rules_are_applied_to_all_rows_without_reading_the_source(sail_session, lake, items):
    items.put(item(1, 50, "40"))
    items.ingest(2, full_reload=True)
    run(sail_session, 2, items)
    items.put(item(2, 301, "2"))
    items.table = ITEMS.model_copy(update={"checks": (ITEMS.checks[0].model_copy(update={"max": 30}),)})
    assert items.ingest(3).mode == "incremental"
    (entry,) = run(sail_session, 3, items)
    assert (entry.deleted, entry.updated, entry.silver_after) == (1, 1, 9)
    assert entry.message == f"2 batches since {batch_id(2)} evaluated together"


def test_silver_with_missing_rows_or_columns_is_computed_from_all_batches(sail_session, lake, items):
    run(sail_session, 1, items)
    expected = silver_rows(lake, ITEMS)
    DeltaTable(lake.silver_table("items")).delete("id < 4")
    items.put(item(5, 201, "1"))
    items.ingest(2)
    assert counts(run(sail_session, 2, items)[0])["inserted"] == 3
    assert silver_rows(lake, ITEMS) == expected
    shutil.rmtree(lake.silver_table("items"))
    items.ingest(3)
    assert counts(run(sail_session, 3, items)[0])["inserted"] == 10
    assert silver_rows(lake, ITEMS) == expected


def test_an_increment_never_replaces_the_table(sail_session, lake, items):
    """If the table has a new key, or the run document lacks the full snapshot."""
    run(sail_session, 1, items)
    items.put(item(1, 201, "2"))
    items.ingest(2)
    before = read_rows(lake.silver_table("items"))
    other_key = ITEMS.model_copy(update={"key": ("w",)})
    plan = document(lake, 2, (other_key, items.batches))
    with pytest.raises(
        BronzeError, match=r"read with key \['id'\], while the table has key \['w'\]; hint: run midnight_pipeline"
    ):
        build_silver(sail_session, plan)
    with pytest.raises(BronzeError, match=f"continues batch {batch_id(1)}, which is not in bronze any more"):
        build_silver(sail_session, document(lake, 2, (ITEMS, items.batches[1:])))
    assert read_rows(lake.silver_table("items")) == before


def test_dependent_rows_are_evaluated_with_all_batches(sail_session, lake):
    columns = {"id": "integer", "v": "integer", "moved": {"type": "integer", "drop": True}}
    unique = table("one_v", columns, checks=[{"rule": "unique", "columns": ["v"]}], **INCREMENTAL)
    reference = {"rule": "foreign_key", "columns": ["v"], "table": "tree", "references": ["id"]}
    tree = table("tree", columns, checks=[reference], **INCREMENTAL)
    values, nodes = IncrementalSource(lake, unique), IncrementalSource(lake, tree)
    values.put(*[{"id": i, "v": i, "moved": 30 * i} for i in range(1, 5)])
    nodes.put(*[{"id": i, "v": i - 1 or None, "moved": 30 * i} for i in range(1, 5)])
    for source in (values, nodes):
        source.ingest(1)
    run(sail_session, 1, values, nodes)
    values.put({"id": 9, "v": 1, "moved": 201})  # the value of a row that is not read again
    nodes.put(
        {"id": 9, "v": 2, "moved": 201}, {"id": 8, "v": 7, "moved": 202}
    )  # a reference to a row that is not, and one to no row
    for source in (values, nodes):
        assert source.ingest(2).rows < 4
    run(sail_session, 2, values, nodes)
    assert silver_rows(lake, unique) == [{"id": i, "v": i} for i in range(1, 5)]
    assert [row["id"] for row in silver_rows(lake, tree)] == [1, 2, 3, 4, 9]


def test_increments_match_rows_by_masked_keys(sail_session, lake):
    masked = table(
        "people",
        {"id": {"type": "text", "mask": "pseudonym"}, "v": "integer", "moved": {"type": "integer", "drop": True}},
        on_schema_change="freeze",
        **INCREMENTAL,
    )
    people, key = IncrementalSource(lake, masked), MaskingKey(bytes(range(32)))
    people.put(*[{"id": f"p{i}", "v": 1, "moved": 30 * i} for i in range(4)])
    people.ingest(1)
    run(sail_session, 1, people, masking_key=key)
    people.put({"id": "p1", "v": 2, "moved": 201}, {"id": "p9", "v": 1, "moved": 202})
    people.ingest(2)
    (entry,) = run(sail_session, 2, people, masking_key=key)
    assert counts(entry) == {"inserted": 1, "updated": 1, "unchanged": 1}
    found = {row["id"]: row["v"] for row in silver_rows(lake, masked)}
    assert found == {key.pseudonym(f"p{i}"): 2 if i == 1 else 1 for i in (0, 1, 2, 3, 9)}


def test_a_full_snapshot_deletes_what_the_source_has_deleted(sail_session, lake, items):
    """Also in the first run after a change to ``mode: snapshot``."""
    run(sail_session, 1, items)
    items.put(item(11, 201))
    items.ingest(2)
    run(sail_session, 2, items)
    without = {"mode": "snapshot", "cursor": None, "cursor_lag": None, "full_snapshot_interval_days": 7}
    snapshot = ITEMS.model_copy(update=without)
    del items.rows[3]
    manifest = seal(lake, snapshot, 3, list(items.rows.values()))
    (entry,) = build_silver(sail_session, document(lake, 3, (snapshot, manifest)))
    assert counts(entry) == {"unchanged": 10, "deleted": 1}
