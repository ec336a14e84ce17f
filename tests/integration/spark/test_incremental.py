"""Incremental tables: silver is what the batches since the last whole table say, however it gets there."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any
from unittest import mock

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.configuration.tables import Table
from midnight.errors import BronzeError, QualityGateError
from midnight.lake.ledger import LedgerEntry, read_ledger
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from spark_jobs.bronze_to_silver import bronze_to_silver
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver_to_gold import silver_contents
from tests.support.incremental_source import IncrementalSource
from tests.support.sealed_batches import (
    batch_id,
    counts,
    document,
    in_order,
    quarantine_rules,
    read_rows,
    seal,
    silver_rows,
    table,
)
from tests.support.silver_model import SilverModel

INCREMENTAL = {
    "mode": "incremental",
    "cursor": "moved",
    "cursor_lag": 20,
    "full_snapshot_interval_days": 0,
    "key": ["id"],
}
ITEMS = table(
    "items",
    {
        "id": "integer",
        "v": {"type": "text", "cast": "integer"},
        "w": {"type": "text", "nulls": "drop_row"},
        "moved": {"type": "integer", "drop": True},
    },
    checks=[{"rule": "range", "column": "v", "max": 50}],
    **INCREMENTAL,
)
# Whose rows depend on other rows: of its own, and of items.
NOTES = table(
    "notes",
    {"id": "integer", "item": "integer", "u": "integer", "moved": {"type": "integer", "drop": True}},
    checks=[
        {"rule": "foreign_key", "columns": ["item"], "table": "items", "references": ["id"]},
        {"rule": "unique", "columns": ["u"]},
    ],
    **INCREMENTAL,
)


def run(
    session: Any, night: int, *sources: IncrementalSource, rebuild: bool = False, **options: Any
) -> list[LedgerEntry]:
    """Bring the tables to silver, from what ``plan_run`` would choose: the chain, or all for a rebuild."""
    works = []
    for source in sources:
        last_whole = max(i for i, m in enumerate(source.batches) if m.mode == "snapshot")
        works.append((source.table, source.batches if rebuild else source.batches[last_whole:]))
    entries = bronze_to_silver(session, document(sources[0].lake, night, *works, rebuild=rebuild), **options)
    return sorted(entries, key=lambda entry: [s.table.silver for s in sources].index(entry.table))


def item(i: int, moved: int | None, v: str | None = "1", w: str | None = "a") -> dict[str, Any]:
    return {"id": i, "v": v, "w": w, "moved": moved}


writes = st.tuples(
    st.sampled_from(["write", "late", "too late", "silent", "null", "delete"]),
    st.integers(1, 5),
    st.sampled_from(["1", "2", "51", "x", None]),
    st.sampled_from(["a", "b", None]),
    st.integers(1, 6),
)
nights = st.lists(
    st.tuples(
        st.lists(writes, max_size=6), st.booleans(), st.sampled_from(["runs", "runs", "runs", "is missing", "dies"])
    ),
    min_size=2,
    max_size=4,
)


def happen(night: int, number: int, write: tuple, items: IncrementalSource, notes: IncrementalSource) -> None:
    """One change of each table. The cursor is the hundredfold night and the number of the change."""
    what, i, v, w, u = write
    now = 100 * night + number
    if what == "delete":
        items.rows.pop(i, None)
        notes.rows.pop(u, None)
        return
    moved = {"late": 100 * (night - 1), "too late": 100 * (night - 2), "null": None}.get(what, now)
    if what == "silent":  # the value changes and the cursor stays
        moved = items.rows.get(i, {"moved": now})["moved"]
    items.put({"id": i, "v": v, "w": w, "moved": moved})
    notes.put({"id": u, "item": i, "u": len(v or ""), "moved": moved})


def die_after_the_first_table(session: Any, night: int, *sources: IncrementalSource) -> None:
    """Silver is written, and the ledger does not say so."""
    append = Ledger.append

    def dying(ledger: Ledger, entries: list[LedgerEntry]) -> None:
        if any(entry.status == "applied" for entry in entries):
            raise RuntimeError("killed")
        append(ledger, entries)

    with mock.patch.object(Ledger, "append", dying), pytest.raises(RuntimeError, match="killed"):
        run(session, night, *sources)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights, st.booleans())
def test_silver_is_what_the_batches_since_the_last_whole_table_say(sail_session, given_nights, ends_whole):
    with tempfile.TemporaryDirectory() as folder:
        lake = LakePaths.below(folder)
        sources = [IncrementalSource(lake, ITEMS), IncrementalSource(lake, NOTES)]
        models = {t.silver: SilverModel(t) for t in (ITEMS, NOTES)}
        brought_by: dict[int, int] = {}
        undisturbed = all(silver != "dies" for *_, silver in given_nights)
        for night, (changes, whole, silver) in enumerate([*given_nights, ([], ends_whole, "runs")], start=1):
            for number, write in enumerate(changes, start=1):
                happen(night, number, write, *sources)
            for source in sources:
                source.ingest(night, whole=whole)
            if silver == "is missing":
                continue
            if silver == "dies":
                die_after_the_first_table(sail_session, night, *sources)
                continue
            entries = run(sail_session, night, *sources)
            known: set[tuple] = set()
            for source, entry in zip(sources, entries, strict=True):
                model = models[source.table.silver]
                before = dict(model.rows)
                expected, _ = model.apply(night, list(source.seen.values()), {"items": known})
                known = {(values["id"],) for values, _ in model.rows.values()}
                found = counts(entry.verify())
                for name in ("inserted", "updated", "deleted") if undisturbed else ():
                    assert found.get(name, 0) == expected.get(name, 0), name
                assert silver_rows(lake, source.table) == in_order(values for values, _ in model.rows.values())
                if source.table is ITEMS:
                    changed = [k for k, row in model.rows.items() if k not in before or before[k][0] != row[0]]
                    brought_by |= {key[0]: source.read_in[key[0]] for key in changed}
            found_batches = {row["id"]: row["_midnight_batch_id"] for row in read_rows(lake.silver_table("items"))}
            assert not undisturbed or found_batches == {i: batch_id(brought_by[i]) for i in found_batches}
        assert not ends_whole or [source.seen for source in sources] == [source.rows for source in sources]
        nightly = [read_rows(lake.silver_table(t.silver)) for t in (ITEMS, NOTES)]
        run(sail_session, len(given_nights) + 1, *sources, rebuild=True)
        rebuilt = [read_rows(lake.silver_table(t.silver)) for t in (ITEMS, NOTES)]
        if all(silver == "runs" for *_, silver in given_nights):
            assert rebuilt == nightly
        else:  # a rebuild also applies the batch of a night that had no silver: it is the one that brought the row
            assert [silver_rows(lake, t) for t in (ITEMS, NOTES)] == [
                [{k: v for k, v in row.items() if not k.startswith("_midnight")} for row in rows] for rows in nightly
            ]
        assert all(entry.imbalance == "" for entry in read_ledger(lake.ledger))


def version(lake: LakePaths, t: Table) -> int:
    return DeltaTable(lake.silver_table(t.silver)).version()


def the_nights(session: Any, lake: LakePaths, last: int = 4) -> list[tuple[dict, dict, list, list]]:
    """A history with everything in it: per night the counts of both tables, and their silver."""
    items, notes = IncrementalSource(lake, ITEMS), IncrementalSource(lake, NOTES)
    result = []

    def night(number: int, **options: Any) -> None:
        if number > last:
            return
        for source in (items, notes):
            source.ingest(number, **options)
        entries = run(session, number, items, notes)
        result.append((*map(counts, entries), *(read_rows(lake.silver_table(t.silver)) for t in (ITEMS, NOTES))))

    items.put(*[item(i, 10 * i) for i in range(1, 7)])
    notes.put(*[{"id": i, "item": i, "u": i, "moved": 10 * i} for i in range(1, 7)])
    night(1)
    # 1 changes, 2 becomes dirty, 3 is dropped, 7 is new; 6 is deleted, which nobody sees; 4 changes without its cursor.
    items.put(item(1, 201, "2"), item(2, 202, "x"), item(3, 203, "1", None), item(7, 204), item(4, 1, "9"))
    del items.rows[6]
    notes.put({"id": 7, "item": 7, "u": 1, "moved": 205})
    night(2)
    items.put(item(2, 301, "3"))  # clean again
    night(3, files=2)
    night(4, whole=True)
    return result


HISTORY = [
    ({"inserted": 6}, {"inserted": 6}),
    # Of notes two lose their item, and the new one repeats a value.
    (
        {"inserted": 1, "updated": 1, "unchanged": 1, "deleted": 2, "dropped": 1, "quarantined": 1},
        {"unchanged": 4, "deleted": 2, "duplicates": 3, "quarantined": 3},
    ),
    (
        {"inserted": 1, "unchanged": 2, "dropped": 1},
        {"inserted": 1, "unchanged": 4, "duplicates": 4, "quarantined": 2},
    ),
    ({"unchanged": 4, "updated": 1, "deleted": 1, "dropped": 1}, {"unchanged": 4, "deleted": 1, "quarantined": 3}),
]


@pytest.fixture(scope="module")
def on_sail(sail_session, tmp_path_factory) -> list[tuple]:
    return the_nights(sail_session, LakePaths.below(str(tmp_path_factory.mktemp("sail"))))


def test_what_a_history_does(on_sail):
    assert [night[:2] for night in on_sail] == HISTORY
    batches = {row["id"]: row["_midnight_batch_id"] for row in on_sail[-1][2]}
    assert batches == {i: batch_id(night) for i, night in {1: 2, 2: 3, 4: 4, 5: 1, 7: 2}.items()}


@pytest.mark.spark
def test_apache_spark_does_the_same(on_sail, spark_session, lake):
    assert the_nights(spark_session, lake, last=2) == on_sail[:2]


@pytest.fixture
def items(lake) -> IncrementalSource:
    source = IncrementalSource(lake, ITEMS)
    source.put(*[item(i, 10 * i) for i in range(1, 11)])
    source.ingest(1)
    return source


def test_an_increment_reads_neither_the_table_nor_what_it_does_not_mention(sail_session, lake, items):
    run(sail_session, 1, items)
    shutil.rmtree(lake.batch("test", "public", "items", batch_id(1)))  # its rows are not there to be read
    items.put(item(3, 201, "7"), item(11, 202))
    items.ingest(2)
    (entry,) = run(sail_session, 2, items)
    assert counts(entry) == {"inserted": 1, "updated": 1, "unchanged": 3}  # those within the overlap
    assert (entry.rows_in, entry.silver_before, entry.silver_after) == (5, 10, 11)
    assert entry.message == "incremental: rows with moved from 80 on"


def test_an_empty_increment_and_one_that_comes_twice_change_nothing(sail_session, lake, items):
    run(sail_session, 1, items)
    content, written = silver_contents(sail_session, lake.ledger), version(lake, ITEMS)
    items.rows = {i: row for i, row in items.rows.items() if i < 5}  # deleted rows leave nothing to read
    items.table = ITEMS.model_copy(update={"cursor_lag": 0})
    items.ingest(2)
    items.table = ITEMS
    assert items.batches[-1].rows == 0
    shutil.rmtree(lake.batch("test", "public", "items", batch_id(2)))
    for _ in range(2):
        (entry,) = run(sail_session, 2, items)
        assert (counts(entry), entry.rows_in, entry.silver_after, entry.batch_id) == ({}, 0, 10, batch_id(2))
    assert silver_contents(sail_session, lake.ledger) == content, "gold is not built again"
    assert version(lake, ITEMS) == written


def test_the_same_increment_again_and_an_older_one_change_nothing(sail_session, lake, items):
    run(sail_session, 1, items)
    for night in (2, 3):
        items.put(item(1, 100 * night, str(night)), item(10 + night, 100 * night, "x"))
        items.ingest(night)
        run(sail_session, night, items)
    before, content = read_rows(lake.silver_table("items")), silver_contents(sail_session, lake.ledger)
    (again,) = run(sail_session, 3, items)
    assert counts(again) == {"unchanged": 1, "quarantined": 2}
    newest = items.batches.pop()
    (older,) = run(sail_session, 2, items)
    assert older.status == "skipped"
    items.batches.append(newest)
    assert read_rows(lake.silver_table("items")) == before
    assert silver_contents(sail_session, lake.ledger) == content
    assert quarantine_rules(lake, ITEMS, 3) == [
        ("cast_v", f'{{"id":"{i}","v":"x","w":"a","moved":"{moved}"}}') for i, moved in ((12, 200), (13, 300))
    ]


def test_a_night_after_one_that_a_check_stopped_has_both(sail_session, lake, items):
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


def test_other_rules_are_applied_to_all_rows_without_reading_the_source(sail_session, lake, items):
    items.put(item(1, 50, "40"))
    items.ingest(2, whole=True)
    run(sail_session, 2, items)
    items.put(item(2, 301, "2"))
    items.table = ITEMS.model_copy(update={"checks": (ITEMS.checks[0].model_copy(update={"max": 30}),)})
    assert items.ingest(3).mode == "incremental"
    (entry,) = run(sail_session, 3, items)
    assert (entry.deleted, entry.updated, entry.silver_after) == (1, 1, 9)
    assert entry.message == f"2 batches from {batch_id(2)} on judged together"


def test_silver_that_lost_rows_or_a_column_is_made_again_from_all_batches(sail_session, lake, items):
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


def test_an_increment_never_stands_for_the_whole_table(sail_session, lake, items):
    """Where the table has another key by now, or the batch with all rows is not among those given."""
    run(sail_session, 1, items)
    items.put(item(1, 201, "2"))
    items.ingest(2)
    before = read_rows(lake.silver_table("items"))
    other_key = ITEMS.model_copy(update={"key": ("w",)})
    plan = document(lake, 2, (other_key, items.batches))
    with pytest.raises(
        BronzeError, match=r"read with key \['id'\], while the table has \['w'\]; run midnight_pipeline"
    ):
        bronze_to_silver(sail_session, plan)
    with pytest.raises(BronzeError, match=f"continues batch {batch_id(1)}, which is not in bronze any more"):
        bronze_to_silver(sail_session, document(lake, 2, (ITEMS, items.batches[1:])))
    assert read_rows(lake.silver_table("items")) == before


def test_rows_that_depend_on_other_rows_are_judged_with_all_of_them(sail_session, lake):
    columns = {"id": "integer", "v": "integer", "moved": {"type": "integer", "drop": True}}
    unique = table("one_v", columns, checks=[{"rule": "unique", "columns": ["v"]}], **INCREMENTAL)
    reference = {"rule": "foreign_key", "columns": ["v"], "table": "tree", "references": ["id"]}
    tree = table("tree", columns, checks=[reference], **INCREMENTAL)
    values, parents = IncrementalSource(lake, unique), IncrementalSource(lake, tree)
    values.put(*[{"id": i, "v": i, "moved": 30 * i} for i in range(1, 5)])
    parents.put(*[{"id": i, "v": i - 1 or None, "moved": 30 * i} for i in range(1, 5)])
    for source in (values, parents):
        source.ingest(1)
    run(sail_session, 1, values, parents)
    values.put({"id": 9, "v": 1, "moved": 201})  # the value of a row that is not read again
    parents.put({"id": 9, "v": 2, "moved": 201}, {"id": 8, "v": 7, "moved": 202})  # a parent that is not, and none
    for source in (values, parents):
        assert source.ingest(2).rows < 4
    run(sail_session, 2, values, parents)
    assert silver_rows(lake, unique) == [{"id": i, "v": i} for i in range(1, 5)]
    assert [row["id"] for row in silver_rows(lake, tree)] == [1, 2, 3, 4, 9]


def test_masked_keys_find_their_rows(sail_session, lake):
    masked = table(
        "people",
        {"id": {"type": "text", "mask": "pseudonym"}, "v": "integer", "moved": {"type": "integer", "drop": True}},
        new_columns="fail",
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


def test_a_table_that_is_read_whole_again_loses_what_the_source_deleted(sail_session, lake, items):
    """Also the night after which somebody wrote ``mode: snapshot``."""
    run(sail_session, 1, items)
    items.put(item(11, 201))
    items.ingest(2)
    run(sail_session, 2, items)
    without = {"mode": "snapshot", "cursor": None, "cursor_lag": None, "full_snapshot_interval_days": 7}
    snapshot = ITEMS.model_copy(update=without)
    del items.rows[3]
    manifest = seal(lake, snapshot, 3, list(items.rows.values()))
    (entry,) = bronze_to_silver(sail_session, document(lake, 3, (snapshot, manifest)))
    assert counts(entry) == {"unchanged": 10, "deleted": 1}
