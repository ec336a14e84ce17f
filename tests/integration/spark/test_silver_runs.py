"""Several runs: silver, quarantine and ledger after changes, repetitions and failures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from midnight.configuration.checks import ForeignKey
from midnight.configuration.tables import Table
from midnight.errors import BronzeError, LakeError, QualityGateError
from midnight.lake.column_figures import ColumnFigures
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger
from spark_jobs.silver.run import build_silver
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

ITEMS = table(
    "items",
    {"id": "integer", "name": "text", "n": {"type": "text", "cast": "integer"}},
    key=["id"],
    null_values=["NA"],
    checks=[{"rule": "range", "column": "n", "max": 100}],
)
FIRST = [{"id": i, "name": f"item {i}", "n": str(i)} for i in range(1, 11)]
SECOND = [
    *FIRST[2:8],  # 1 and 2 are deleted
    {"id": 9, "name": "changed", "n": "9"},
    {"id": 10, "name": "item 10", "n": "1000"},  # was clean
    {"id": 11, "name": None, "n": "NA"},
]


@pytest.fixture
def apply(sail_session, lake):
    def run(t: Table, number: int, rows: Sequence[Mapping[str, Any]] | None = None, **options: Any) -> LedgerEntry:
        (entry,) = build_silver(sail_session, document(lake, number, (t, seal(lake, t, number, rows or [], **options))))
        return entry

    return run


def commits(path: str) -> int:
    return DeltaTable(path).version() + 1


def test_only_changes_are_written_and_rows_have_the_batch_that_changed_them(apply, lake):
    assert counts(apply(ITEMS, 1, FIRST)) == {"inserted": 10}
    entry = apply(ITEMS, 2, SECOND)
    assert counts(entry) == {"inserted": 1, "updated": 1, "unchanged": 6, "deleted": 3, "quarantined": 1}
    assert (entry.rows_in, entry.silver_before, entry.silver_after) == (9, 10, 8)
    by_batch = {row["id"]: row["_midnight_batch_id"] for row in read_rows(lake.silver_table("items"))}
    assert by_batch == {i: batch_id(1) for i in range(3, 9)} | {9: batch_id(2), 11: batch_id(2)}
    assert quarantine_rules(lake, ITEMS, 2) == [("range_n", '{"id":"10","name":"item 10","n":"1000"}')]
    operations = [commit["operation"] for commit in DeltaTable(lake.silver_table("items")).history()]
    assert operations[0] == "WRITE"  # of single files


def test_the_ledger_has_the_nulls_of_silver_and_the_distinct_values_that_were_written(apply, lake):
    """Also after an interrupted run, whose nulls no entry has."""

    def nulls():
        rows = read_rows(lake.silver_table("items"))
        return {name: sum(row[name] is None for row in rows) for name in ("name", "n")}

    none_named = [{**row, "name": None} for row in FIRST]
    steps = [FIRST[:4] + none_named[4:], none_named[:2] + FIRST[2:8], SECOND, [*SECOND[1:], {"id": 12, "name": "NA"}]]
    for number, rows in enumerate(steps, start=1):
        entry = apply(ITEMS, number, rows)
        assert ColumnFigures.parse(entry.column_figures).nulls == nulls()
        assert entry.milliseconds > 0
        assert entry.bytes_in > 0
    assert nulls() == {"name": 2, "n": 2}
    again = apply(ITEMS, 5, [*SECOND[1:], {"id": 12, "name": "NA"}])
    assert (ColumnFigures.parse(again.column_figures), again.milliseconds) == (ColumnFigures(nulls()), 0)
    interrupted = again.model_copy(update={"attempt_at": datetime.now(UTC), "status": "started"})
    row = interrupted.model_dump() | {"attempt_at": interrupted.attempt_at}
    write_deltalake(lake.ledger, pa.Table.from_pylist([row]), mode="append")
    entry = apply(ITEMS, 6, [{"id": 3, "name": name, "n": "3"} for name in ("same", "same")])
    assert ColumnFigures.parse(entry.column_figures) == ColumnFigures(nulls(), {"name": 1})


def test_the_sign_of_a_zero_is_a_change(apply, lake):
    t = table("ratios", {"id": "integer", "ratio": "double precision"}, key=["id"])
    apply(t, 1, [{"id": 1, "ratio": -0.0}, {"id": 2, "ratio": float("nan")}, {"id": 3, "ratio": None}])
    entry = apply(t, 2, [{"id": 1, "ratio": 0.0}, {"id": 2, "ratio": float("nan")}, {"id": 3, "ratio": None}])
    assert counts(entry) == {"updated": 1, "unchanged": 2}
    assert str(next(row["ratio"] for row in silver_rows(lake, t) if row["id"] == 1)) == "0.0"


def test_duplicate_keys_are_a_warning_in_every_run(apply):
    """Also in a run without changes, but not with ``unique_key: false``."""
    twice = [{"id": 1, "name": "a", "n": "1"}, {"id": 1, "name": "b", "n": "2"}, {"id": 2, "name": "c", "n": "3"}]
    warning = "1 row was dropped because another row has the same key ['id']; hint: configure a key that is unique"
    for number, rows in ((1, twice), (2, twice), (3, [*twice, {"id": 3}])):
        entry = apply(ITEMS, number, rows)
        assert (entry.duplicates, entry.source_warnings.startswith(warning)) == (1, True)
    assert apply(ITEMS, 4, twice[1:]).source_warnings == ""
    expected = ITEMS.model_copy(update={"key_is_unique": False})
    entry = apply(expected, 5, twice)
    assert (entry.duplicates, entry.source_warnings) == (1, "")


def test_the_same_batch_again_changes_nothing(apply, lake):
    apply(ITEMS, 1, FIRST)
    apply(ITEMS, 2, SECOND)
    before, version = read_rows(lake.silver_table("items")), commits(lake.silver_table("items"))
    again = apply(ITEMS, 2, SECOND)
    assert counts(again) == {"unchanged": 8, "quarantined": 1}
    assert (read_rows(lake.silver_table("items")), commits(lake.silver_table("items"))) == (before, version)
    assert len(quarantine_rules(lake, ITEMS, 2)) == 1


def test_an_unchanged_batch_reads_no_row(sail_session, apply, lake):
    apply(ITEMS, 1, SECOND)
    manifest = seal(lake, ITEMS, 2, SECOND)
    shutil.rmtree(lake.batch("test", "public", "items", batch_id(2)))  # its rows cannot be read
    (entry,) = build_silver(sail_session, document(lake, 2, (ITEMS, manifest)))
    assert counts(entry) == {"unchanged": 8, "quarantined": 1}
    assert entry.batch_id == batch_id(2)
    assert entry.rows_by_check == {ITEMS.checks[0].label: 1}
    assert not Path(lake.silver_staging("items")).exists()
    assert (entry.quarantine_batch_id, len(quarantine_rules(lake, ITEMS, 1))) == (batch_id(1), 1)
    manifest = seal(lake, ITEMS, 3, SECOND)
    (again,) = build_silver(sail_session, document(lake, 3, (ITEMS, manifest)))
    assert (counts(again), again.quarantine_batch_id) == (counts(entry), batch_id(1))
    assert DeltaTable(lake.quarantine).version() == 0, "rows of the same content are not written again"


def test_new_rules_for_the_same_rows_are_applied(apply, lake):
    apply(ITEMS, 1, FIRST)
    stricter = ITEMS.model_copy(update={"checks": (ITEMS.checks[0].model_copy(update={"max": 5}),)})
    assert counts(apply(stricter, 2, FIRST)) == {"unchanged": 5, "deleted": 5, "quarantined": 5}


def test_an_older_batch_is_skipped(apply, lake):
    apply(ITEMS, 2, SECOND)
    before = read_rows(lake.silver_table("items"))
    entry = apply(ITEMS, 1, FIRST)
    assert (entry.status, counts(entry)) == ("skipped", {})
    assert batch_id(2) in entry.message
    assert read_rows(lake.silver_table("items")) == before


def test_deleted_silver_is_written_again(apply, lake):
    apply(ITEMS, 1, FIRST)
    shutil.rmtree(lake.silver_table("items"))
    assert counts(apply(ITEMS, 1, FIRST)) == {"inserted": 10}
    assert len(silver_rows(lake, ITEMS)) == 10


@pytest.mark.parametrize("files", [0, 1])
def test_an_empty_batch_empties_silver(apply, lake, files):
    assert counts(apply(ITEMS, 1, [], files=files)) == {}
    assert silver_rows(lake, ITEMS) == []
    apply(ITEMS, 2, FIRST, files=3)
    assert counts(apply(ITEMS, 3, [], files=files)) == {"deleted": 10}
    assert silver_rows(lake, ITEMS) == []


def test_a_failed_check_leaves_silver_unchanged_and_the_next_run_continues(apply, lake):
    strict = ITEMS.model_copy(update={"checks": (ITEMS.checks[0].model_copy(update={"on_failure": "fail"}),)})
    apply(strict, 1, FIRST)
    before, version = read_rows(lake.silver_table("items")), commits(lake.silver_table("items"))
    with pytest.raises(QualityGateError, match="range_n 1"):
        apply(strict, 2, SECOND)
    assert (read_rows(lake.silver_table("items")), commits(lake.silver_table("items"))) == (before, version)
    assert quarantine_rules(lake, strict, 2) == [("range_n", '{"id":"10","name":"item 10","n":"1000"}')]
    assert counts(apply(strict, 3, FIRST)) == {"unchanged": 10}


def test_columns_are_added_removed_and_change_their_type(apply, lake):
    apply(ITEMS, 1, FIRST)
    types = {"id": "integer", "name": "text", "n": "text", "added": "date"}
    entry = apply(ITEMS, 2, FIRST[:9], columns={**types, "extra": "integer"})
    assert counts(entry) == {"unchanged": 9, "deleted": 1}
    assert entry.message == "new columns ['added', 'extra']"
    assert set(silver_rows(lake, ITEMS)[0]) == {"id", "name", "n", "added", "extra"}
    # The table was rewritten with the new columns, but no row has changed since the first run.
    assert {row["_midnight_batch_id"] for row in read_rows(lake.silver_table("items"))} == {batch_id(1)}
    rows = [{**row, "extra": 5 if row["id"] == 3 else None} for row in FIRST[:9]]
    assert counts(apply(ITEMS, 3, rows, columns={**types, "extra": "bigint"})) == {"updated": 1, "unchanged": 8}
    assert [row["extra"] for row in silver_rows(lake, ITEMS)][:4] == [None, None, 5, None]
    assert counts(apply(ITEMS, 4, FIRST[:9])) == {"unchanged": 9}
    assert set(silver_rows(lake, ITEMS)[0]) == {"id", "name", "n"}


def test_a_removed_column_is_null_unless_it_is_required_to_evaluate_the_rows(apply, lake):
    apply(ITEMS, 1, FIRST)
    entry = apply(ITEMS, 2, FIRST, columns={"id": "integer", "n": "text"})
    assert counts(entry) == {"updated": 10}
    assert "columns ['name'] are missing in the batch" in entry.message
    with pytest.raises(BronzeError, match=r"no column \['id'\]"):
        apply(ITEMS, 3, FIRST, columns={"name": "text", "n": "text"})


def test_the_source_widens_a_type(apply, lake):
    """Silver keeps the configured type: a value that does not fit is quarantined, not changed."""
    small = table("small", {"id": "integer", "v": "smallint"}, key=["id"])
    apply(small, 1, [{"id": 1, "v": 7}])
    entry = apply(small, 2, [{"id": 1, "v": 7}, {"id": 2, "v": 70000}], columns={"id": "bigint", "v": "bigint"})
    assert counts(entry) == {"unchanged": 1, "quarantined": 1}
    assert quarantine_rules(lake, small, 2) == [("cast_v", '{"id":"2","v":"70000"}')]


def test_another_key_replaces_every_row(apply, lake):
    apply(ITEMS, 1, FIRST)
    other = ITEMS.model_copy(update={"key": ("name",)})
    assert counts(apply(other, 2, FIRST)) == {"inserted": 10, "deleted": 10}
    keyless = ITEMS.model_copy(update={"key": ()})
    assert counts(apply(keyless, 3, FIRST)) == {"inserted": 10, "deleted": 10}
    assert counts(apply(keyless, 4, FIRST[1:])) == {"unchanged": 9, "deleted": 1}


def test_a_column_filled_with_a_constant_can_be_null_later(apply, lake):
    filled = table("f", {"id": "integer", "v": {"type": "text", "nulls": {"fill": "?"}}}, key=["id"])
    apply(filled, 1, [{"id": i, "v": None} for i in range(9)])
    assert all(field.nullable for field in DeltaTable(lake.silver_table("f")).schema().fields)
    plain = table("f", {"id": "integer", "v": "text"}, key=["id"])
    rows = [{"id": i, "v": None if i == 0 else "?"} for i in range(9)]
    assert counts(apply(plain, 2, rows)) == {"updated": 1, "unchanged": 8}
    assert silver_rows(lake, plain)[0] == {"id": 0, "v": None}


def test_readers_get_delta_reader_1_writer_2(apply, lake):
    apply(ITEMS, 1, FIRST)
    apply(ITEMS, 2, SECOND)
    for path in (lake.silver_table("items"), lake.quarantine, lake.ledger):
        protocol = DeltaTable(path).protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)


def test_airflow_reads_the_ledger_without_spark(apply, lake):
    assert read_ledger(lake.ledger) == []
    applied = [apply(ITEMS, 1, FIRST), apply(ITEMS, 2, SECOND)]
    entries = read_ledger(lake.ledger)
    assert sorted(e.status for e in entries) == ["applied", "applied", "started", "started"]
    (latest,) = latest_entries(entries)
    assert latest == applied[1].model_copy(update={"attempt_at": latest.attempt_at})
    assert latest_entries(entries, "run-1")[0].inserted == 10
    difference = abs((latest.attempt_at - applied[1].attempt_at).total_seconds())
    assert difference < 0.001
    with pytest.raises(LakeError, match="cannot be read"):
        read_ledger("abfss://nowhere")


BATCHES = [
    FIRST,
    SECOND,
    [*SECOND[:7], {"id": 10, "name": "item 10", "n": "10"}],
    [*SECOND[1:7], {"id": 10, "name": "item 10", "n": "10"}, {"id": 3, "name": "back", "n": "x"}],
]


def test_a_rebuild_gives_the_same_as_the_regular_runs(sail_session, lake, tmp_path):
    owners = table("owners", {"id": "integer"}, key=["id"])
    reference = ForeignKey(rule="foreign_key", columns=("id",), table="owners", references=("id",))
    items = ITEMS.model_copy(update={"checks": (*ITEMS.checks, reference)})
    sealed: list[tuple] = []
    # Run 5 only reads the owners; that changes which items have one.
    for number, rows in enumerate([*BATCHES, None], start=1):
        owned = seal(lake, owners, number, [{"id": i} for i in range(1, 12) if (i + number) % 5])
        sealed.append((sealed[-1][0] if rows is None else seal(lake, items, number, rows), owned))
        build_silver(sail_session, document(lake, number, (items, sealed[-1][0]), (owners, owned)))
    tables = (items, owners)
    before = {t.silver: read_rows(lake.silver_table(t.silver)) for t in tables}
    quarantine = [{k: v for k, v in row.items() if k != "quarantined_at"} for row in read_rows(lake.quarantine)]
    assert before["items"], "the comparison is of rows"
    plan = document(lake, 5, (items, [s[0] for s in sealed[:4]]), (owners, [s[1] for s in sealed]), rebuild=True)

    versions = {t.silver: commits(lake.silver_table(t.silver)) for t in tables}
    entries = build_silver(sail_session, plan)
    assert {t.silver: read_rows(lake.silver_table(t.silver)) for t in tables} == before
    assert {t.silver: commits(lake.silver_table(t.silver)) for t in tables} == versions, "nothing to write"
    assert all(entry.updated == entry.inserted == entry.deleted == 0 for entry in entries)

    shutil.rmtree(lake.silver_table("items"))
    DeltaTable(lake.silver_table("owners")).update({"_midnight_batch_id": "'another'"}, predicate="id = 3")
    assert read_rows(lake.silver_table("owners")) != before["owners"]
    entries = build_silver(sail_session, plan)
    assert {t.silver: read_rows(lake.silver_table(t.silver)) for t in tables} == before
    after = [{k: v for k, v in row.items() if k != "quarantined_at"} for row in read_rows(lake.quarantine)]
    assert in_order([r | {"run_id": ""} for r in after]) == in_order([r | {"run_id": ""} for r in quarantine])
    assert not list((tmp_path / "lake/silver/_midnight/rebuild").iterdir())
    # The run after the rebuild finds nothing to change.
    again = build_silver(sail_session, document(lake, 5, (items, sealed[-1][0]), (owners, sealed[-1][1])))
    assert all(entry.unchanged == entry.silver_after for entry in again)


def test_a_rebuild_repairs_a_table_with_repeated_rows(sail_session, lake, apply):
    apply(ITEMS, 1, FIRST)
    before = silver_rows(lake, ITEMS)
    damaged = DeltaTable(lake.silver_table("items"))
    write_deltalake(damaged, damaged.to_pyarrow_table(), mode="append")
    sealed = seal(lake, ITEMS, 2, FIRST)
    (entry,) = build_silver(sail_session, document(lake, 2, (ITEMS, [sealed]), rebuild=True))
    assert (entry.deleted, entry.inserted, entry.silver_after) == (20, 10, 10)
    assert [row["id"] for row in silver_rows(lake, ITEMS)] == [row["id"] for row in before]


def test_a_rebuild_leaves_out_a_batch_that_a_check_stopped(sail_session, lake):
    strict = ITEMS.model_copy(update={"checks": (ITEMS.checks[0].model_copy(update={"on_failure": "fail"}),)})
    sealed = [seal(lake, strict, n, rows) for n, rows in enumerate((FIRST, SECOND), start=1)]
    with pytest.raises(QualityGateError, match="range_n 1"):
        build_silver(sail_session, document(lake, 2, (strict, sealed), rebuild=True))
    assert len(silver_rows(lake, strict)) == 10
    sealed.append(seal(lake, strict, 3, FIRST[1:]))
    (entry,) = build_silver(sail_session, document(lake, 3, (strict, sealed), rebuild=True))
    assert counts(entry) == {"unchanged": 9, "deleted": 1}
