"""Rows that a batch repeats are not evaluated again: silver, quarantine and ledger are as if they were."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq
import pytest

from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry, read_ledger
from midnight.lake.paths import LakePaths
from spark_jobs.silver import batch_difference
from spark_jobs.silver.batch_rows import BatchRows
from spark_jobs.silver.run import build_silver
from tests.support.incremental_source import IncrementalSource
from tests.support.incremental_tables import INCREMENTAL
from tests.support.masked_tables import KEY
from tests.support.query_counts import counted_queries
from tests.support.sealed_batches import document, quarantine_rules, read_rows, seal, silver_rows, table

Rows = Sequence[Mapping[str, Any]]
# What only says when and how an entry was made.
HOW = {"attempt_at", "milliseconds"}

GROUPS = table("groups", {"id": "integer", "name": "text"}, key=["id"])
COLUMNS: dict[str, Any] = {
    "id": {"type": "text", "cast": "integer"},
    "name": {"type": "text", "null_values": ["NA"]},
    "n": {"type": "text", "cast": "integer"},
    "ratio": "double precision",
    "group": "integer",
    "must": {"type": "text", "nulls": "drop_row"},
}
CLEAN = table("items", COLUMNS, key=["id"], null_values=["-"])
RULES = table(
    "items",
    COLUMNS,
    key=["id"],
    null_values=["-"],
    checks=[
        {"rule": "range", "column": "n", "max": 100},
        {"rule": "not_null", "columns": ["name"], "on_failure": "warn"},
        {"rule": "foreign_key", "columns": ["group"], "table": "groups", "references": ["id"]},
        {"rule": "expression", "name": "positive", "sql": "n > 0", "on_failure": "warn"},
    ],
)
TWO_COLUMNS = table("items", COLUMNS | {"id": "integer"}, key=["id", "name"], null_values=[])
MASKED = table("items", COLUMNS | {"id": {"type": "text", "mask": "pseudonym"}}, key=["id"], new_columns="ignore")


def item(number: int, **values: Any) -> dict[str, Any]:
    row = {"id": f"{number}", "name": f"item {number}", "n": f"{number}", "ratio": 0.5, "group": 1, "must": "x"}
    return row | values


def items(first: int, last: int) -> list[dict[str, Any]]:
    return [item(number) for number in range(first, last + 1)]


FIRST = items(1, 20)
BAD = [
    item(30, n="1000"),
    item(31, n="word"),
    item(32, must=None),
    item(33, name="NA"),
    item(34, group=9),
    item(35, n="-1"),
]
SNAPSHOTS = {
    "updates, inserts and deletes": [FIRST, [*items(3, 18), item(19, n="7"), item(21), item(22)]],
    "in another order": [FIRST, [*reversed(FIRST)]],
    "a double that is only another zero": [[item(1, ratio=0.0), *items(2, 20)], [item(1, ratio=-0.0), *items(2, 20)]],
    "rejected rows stay, come and go": [
        [*FIRST, *BAD],
        [*FIRST, *BAD[:-1], item(36, n="2000")],
        [*FIRST, *BAD[2:], item(30)],
        [*FIRST, *BAD[2:], item(30)][1:],
    ],
    "a row is rejected for the first time": [FIRST, [item(1, n="word"), *items(2, 20)], FIRST],
    "a key twice": [FIRST, [*FIRST, item(5, name="second")], FIRST],
    "a new key that is an old one after trimming": [FIRST, [*FIRST, item(5, id=" 5 ", name="second")]],
    "a key is null": [FIRST, [*FIRST, item(0, id=None)], [*FIRST, item(0, id=None), item(0, id=None)]],
    "two keys that cannot be cast": [[*FIRST, item(0, id="x"), item(1, id="x")], [*FIRST[1:], item(0, id="x")]],
    "everything is deleted": [FIRST, [], FIRST],
    "everything has changed": [FIRST, [item(n, name="other") for n in range(1, 21)]],
}
TABLES = {"without rules": CLEAN, "with rules": RULES, "a key of two columns": TWO_COLUMNS, "a masked key": MASKED}


def typed(t: Table, rows: Rows) -> Rows:
    """The key as the source has it; there a text is not a number."""
    if t is not TWO_COLUMNS:
        return rows
    numbers = [None if row["id"] is None else row["id"].strip() for row in rows]
    return [row | {"id": n and int(n)} for row, n in zip(rows, numbers, strict=True) if n is None or n.isdecimal()]


def state(lake: LakePaths, t: Table, runs: int) -> list[Any]:
    entries = [entry for entry in read_ledger(lake.ledger) if entry.table == t.silver and entry.status == "applied"]
    found = [entry.model_dump(exclude=HOW) for entry in sorted(entries, key=lambda e: e.attempt_at)]
    rejected = [sorted(quarantine_rules(lake, t, number)) for number in range(1, runs + 1)]
    return [[repr(row) for row in read_rows(lake.silver_table(t.silver))], rejected, found]


@pytest.fixture
def apply_all(sail_session, tmp_path, monkeypatch):
    def run(name: str, t: Table, snapshots: Sequence[Rows], smallest: int, groups: Sequence[Rows] = ()) -> list[Any]:
        """What the lake has after snapshots, of which those with so many rows are compared with the one before."""
        monkeypatch.setattr(batch_difference, "SMALL_SNAPSHOT_ROWS", smallest)
        lake = LakePaths.below(f"{tmp_path}/{name}")
        for number, rows in enumerate(snapshots, 1):
            others = groups[number - 1] if groups else [{"id": 1, "name": "one"}]
            batches = [(GROUPS, seal(lake, GROUPS, number, others))]
            batches.append((t, seal(lake, t, number, typed(t, rows), files=min(3, len(rows)) or 1)))
            build_silver(sail_session, document(lake, number, *batches), KEY)
        return state(lake, t, len(snapshots))

    return run


@pytest.mark.parametrize("rules", TABLES)
@pytest.mark.parametrize("case", SNAPSHOTS)
def test_a_snapshot_of_which_only_the_changes_are_evaluated_gives_the_same(apply_all, case, rules):
    given, snapshots = TABLES[rules], SNAPSHOTS[case]
    found, expected = apply_all("changes", given, snapshots, 0), apply_all("all", given, snapshots, 10**9)
    for part, wanted in zip(found, expected, strict=True):
        assert part == wanted


@pytest.fixture
def evaluated(monkeypatch):
    """Numbers of rows that were evaluated."""
    found: list[int] = []
    original = BatchRows.evaluated

    def spy(rows: BatchRows, *arguments: Any, **options: Any) -> Any:
        found.append(rows.count)
        return original(rows, *arguments, **options)

    monkeypatch.setattr(BatchRows, "evaluated", spy)
    return found


def test_only_rows_that_changed_or_are_reported_are_evaluated(apply_all, evaluated):
    apply_all("changes", RULES, SNAPSHOTS["rejected rows stay, come and go"], 0)
    assert [rows for rows in evaluated if rows != 1] == [26, 6, 5, 4]


def test_rows_are_evaluated_again_if_what_they_reference_has_changed(apply_all, evaluated):
    groups = [[{"id": 1, "name": "one"}], [{"id": 2, "name": "two"}]]
    snapshots = [FIRST, [*FIRST[1:], item(21)]]
    found = apply_all("changes", RULES, snapshots, 0, groups)
    assert found[2][-1]["quarantined"] == 20
    assert found == apply_all("all", RULES, snapshots, 10**9, groups)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"checks": [{"rule": "expression", "name": "old", "sql": "n < year(current_date())"}]}, "the clock"),
        ({"checks": [{"rule": "unique", "columns": ["name"]}]}, "other rows"),
        ({"deletes": "soft"}, "rows that the snapshot does not have"),
        ({"reconcile": "digests"}, "all rows are compared"),
    ],
)
def test_all_rows_are_evaluated_if_the_outcome_depends_on_more_than_the_row(apply_all, evaluated, more, reason):
    given = CLEAN.model_copy(update=table("items", COLUMNS, key=["id"], **more).__dict__)
    apply_all("changes", given, [FIRST, [*FIRST[1:], item(21)]], 0)
    assert [rows for rows in evaluated if rows != 1] == [20, 20], reason


@pytest.fixture
def two_snapshots(sail_session, lake, monkeypatch, evaluated):
    """Applies two snapshots, the second after the files of the first have changed; returns the second's entry."""
    monkeypatch.setattr(batch_difference, "SMALL_SNAPSHOT_ROWS", 0)

    def run(change: Callable[[str], None] = lambda path: None) -> LedgerEntry:
        first = seal(lake, CLEAN, 1, FIRST)
        build_silver(sail_session, document(lake, 1, (CLEAN, first)))
        for path in first.all_paths(lake):
            change(path)
        second = seal(lake, CLEAN, 2, [*FIRST[1:], item(21)])
        (entry,) = build_silver(sail_session, document(lake, 2, (CLEAN, second)))
        return entry

    return run


def shorten(path: str) -> None:
    pq.write_table(pq.read_table(path).slice(0, 3), path)


@pytest.mark.parametrize(("change", "rows"), [(shorten, [20, 18, 20]), (os.remove, [20, 20])])
def test_all_rows_are_evaluated_if_the_batch_before_is_not_what_silver_was_made_from(
    two_snapshots, evaluated, change, rows
):
    entry = two_snapshots(change)
    assert (entry.inserted, entry.deleted, entry.silver_after) == (1, 1, 20)
    assert evaluated == rows


ORDERS = table("orders", {"id": "integer", "v": "text", "moved": "integer"}, **INCREMENTAL)


def increment(source: IncrementalSource, session: Any, number: int) -> LedgerEntry:
    source.ingest(number)
    (entry,) = build_silver(session, document(source.lake, number, (ORDERS, source.batches)))
    return entry


def test_an_increment_that_only_repeats_rows_asks_nothing_of_the_engine(sail_session, lake):
    source = IncrementalSource(lake, ORDERS)
    source.put(*[{"id": i, "v": "a", "moved": i} for i in range(100)])
    increment(source, sail_session, 1)
    with counted_queries() as queries:
        entry = increment(source, sail_session, 2)
    assert source.batches[-1].rows == 21
    assert (entry.rows_in, entry.unchanged, entry.changed, entry.silver_after) == (21, 21, "nothing", 100)
    assert queries.executed == 0
    with counted_queries() as queries:  # the rows of an increment are repeated by the next
        entry = increment(source, sail_session, 3)
    assert (entry.rows_in, entry.unchanged, queries.executed) == (21, 21, 0)
    source.put({"id": 99, "v": "b", "moved": 99})
    entry = increment(source, sail_session, 4)
    assert (entry.rows_in, entry.updated, entry.unchanged) == (21, 1, 20)
    assert {row["v"] for row in silver_rows(lake, ORDERS)[-1:]} == {"b"}
