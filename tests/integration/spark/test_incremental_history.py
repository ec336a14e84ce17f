"""Incremental tables over several runs: silver is a function of the batches since the last full snapshot."""

from __future__ import annotations

import tempfile
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.lake.ledger import LedgerEntry, read_ledger
from midnight.lake.paths import LakePaths
from spark_jobs.silver.ledger import Ledger
from tests.support.incremental_histories import change, runs
from tests.support.incremental_source import IncrementalSource
from tests.support.incremental_tables import ITEMS, NOTES, item, run
from tests.support.sealed_batches import (
    batch_id,
    counts,
    in_order,
    read_rows,
    silver_rows,
)
from tests.support.silver_model import SilverModel


def die_after_the_first_table(session: Any, batch: int, *sources: IncrementalSource) -> None:
    """Silver is written, but not recorded in the ledger."""
    append = Ledger.append

    def dying(ledger: Ledger, entries: list[LedgerEntry]) -> None:
        if any(entry.status == "applied" for entry in entries):
            raise RuntimeError("killed")
        append(ledger, entries)

    with mock.patch.object(Ledger, "append", dying), pytest.raises(RuntimeError, match="killed"):
        run(session, batch, *sources)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs, st.booleans())
def test_silver_is_a_function_of_the_batches_since_the_last_full_snapshot(sail_session, given_runs, ends_full):
    with tempfile.TemporaryDirectory() as folder:
        lake = LakePaths.below(folder)
        sources = [IncrementalSource(lake, ITEMS), IncrementalSource(lake, NOTES)]
        models = {t.silver: SilverModel(t) for t in (ITEMS, NOTES)}
        changed_in: dict[int, int] = {}
        undisturbed = all(silver != "dies" for *_, silver in given_runs)
        for batch, (changes, full_reload, silver) in enumerate([*given_runs, ([], ends_full, "runs")], start=1):
            for number, write in enumerate(changes, start=1):
                change(batch, number, write, *sources)
            for source in sources:
                source.ingest(batch, full_reload=full_reload)
            if silver == "is missing":
                continue
            if silver == "dies":
                die_after_the_first_table(sail_session, batch, *sources)
                continue
            entries = run(sail_session, batch, *sources)
            known: set[tuple] = set()
            for source, entry in zip(sources, entries, strict=True):
                model = models[source.table.silver]
                before = dict(model.rows)
                expected, _ = model.apply(batch, list(source.seen.values()), {"items": known})
                known = {(values["id"],) for values, _ in model.rows.values()}
                found = counts(entry.verify())
                for name in ("inserted", "updated", "deleted") if undisturbed else ():
                    assert found.get(name, 0) == expected.get(name, 0), name
                assert silver_rows(lake, source.table) == in_order(values for values, _ in model.rows.values())
                if source.table is ITEMS:
                    changed = [k for k, row in model.rows.items() if k not in before or before[k][0] != row[0]]
                    changed_in |= {key[0]: source.read_in[key[0]] for key in changed}
            found_batches = {row["id"]: row["_midnight_batch_id"] for row in read_rows(lake.silver_table("items"))}
            assert not undisturbed or found_batches == {i: batch_id(changed_in[i]) for i in found_batches}
        assert not ends_full or [source.seen for source in sources] == [source.rows for source in sources]
        regular = [read_rows(lake.silver_table(t.silver)) for t in (ITEMS, NOTES)]
        run(sail_session, len(given_runs) + 1, *sources, rebuild=True)
        rebuilt = [read_rows(lake.silver_table(t.silver)) for t in (ITEMS, NOTES)]
        if all(silver == "runs" for *_, silver in given_runs):
            assert rebuilt == regular
        else:  # a rebuild also applies the batch of a run without silver: that batch has changed the row
            assert [silver_rows(lake, t) for t in (ITEMS, NOTES)] == [
                [{k: v for k, v in row.items() if not k.startswith("_midnight")} for row in rows] for rows in regular
            ]
        assert all(entry.imbalance == "" for entry in read_ledger(lake.ledger))


def run_history(session: Any, lake: LakePaths, last: int = 4) -> list[tuple[dict, dict, list, list]]:
    """Four runs with every kind of change: per run the counts of both tables, and their silver."""
    items, notes = IncrementalSource(lake, ITEMS), IncrementalSource(lake, NOTES)
    result: list[tuple[dict, dict, list, list]] = []

    def run_all(number: int, **options: Any) -> None:
        if number > last:
            return
        for source in (items, notes):
            source.ingest(number, **options)
        items_counts, notes_counts = map(counts, run(session, number, items, notes))
        items_rows, notes_rows = (read_rows(lake.silver_table(t.silver)) for t in (ITEMS, NOTES))
        result.append((items_counts, notes_counts, items_rows, notes_rows))

    items.put(*[item(i, 10 * i) for i in range(1, 7)])
    notes.put(*[{"id": i, "item": i, "u": i, "moved": 10 * i} for i in range(1, 7)])
    run_all(1)
    # 1 changes, 2 becomes invalid, 3 is dropped, 7 is new; 6 is deleted (unnoticed); 4 changes, not its cursor.
    items.put(item(1, 201, "2"), item(2, 202, "x"), item(3, 203, "1", None), item(7, 204), item(4, 1, "9"))
    del items.rows[6]
    notes.put({"id": 7, "item": 7, "u": 1, "moved": 205})
    run_all(2)
    items.put(item(2, 301, "3"))  # clean again
    run_all(3, files=2)
    run_all(4, full_reload=True)
    return result


HISTORY = [
    ({"inserted": 6}, {"inserted": 6}),
    # Two notes lose their item, and the new one repeats a value.
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
    return run_history(sail_session, LakePaths.below(str(tmp_path_factory.mktemp("sail"))))


def test_the_outcome_of_a_history(on_sail):
    assert [result[:2] for result in on_sail] == HISTORY
    batches = {row["id"]: row["_midnight_batch_id"] for row in on_sail[-1][2]}
    assert batches == {i: batch_id(batch) for i, batch in {1: 2, 2: 3, 4: 4, 5: 1, 7: 2}.items()}


@pytest.mark.spark
def test_apache_spark_gives_the_same(on_sail, spark_session, lake):
    assert run_history(spark_session, lake, last=2) == on_sail[:2]


def run_deletes(session: Any, lake: LakePaths) -> list[tuple[dict, list]]:
    """Three runs of a table with a list of keys, and of one with marks: per run the counts, and silver."""
    result = []
    for name, deletes in (("gone", "keys"), ("marked", "soft")):
        source = IncrementalSource(lake, ITEMS.model_copy(update={"table": name, "silver": name, "deletes": deletes}))
        source.put(*[item(i, 10 * i) for i in range(1, 7)])
        for number in (1, 2, 3):
            if number == 2:
                kept = [source.rows.pop(i) for i in (2, 6)]
                source.put(item(1, 201, "2"))
            elif number == 3:
                source.put(kept[0])
                del source.rows[3]
            source.ingest(number)
            (entry,) = run(session, number, source)
            result.append((counts(entry), read_rows(lake.silver_table(name))))
    return result


@pytest.mark.spark
def test_apache_spark_deletes_the_same_rows(spark_session, sail_session, tmp_path):
    on_sail = run_deletes(sail_session, LakePaths.below(str(tmp_path / "sail")))
    assert [found for found, _ in on_sail] == [
        {"inserted": 6},
        {"updated": 1, "unchanged": 2, "deleted": 2},
        {"inserted": 1, "unchanged": 3, "deleted": 1, "duplicates": 4, "obsolete": 2},
        {"inserted": 6},
        {"updated": 1, "unchanged": 2, "marked": 2},
        {"unchanged": 1, "marked": 2},
    ]
    assert run_deletes(spark_session, LakePaths.below(str(tmp_path / "spark"))) == on_sail
