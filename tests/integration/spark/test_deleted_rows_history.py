"""Deleted rows over random runs, compared with a model of silver in plain Python."""

from __future__ import annotations

import tempfile

from hypothesis import HealthCheck, given, settings

from midnight.lake.ledger import read_ledger
from midnight.lake.paths import LakePaths
from tests.support.incremental_histories import change, runs
from tests.support.incremental_source import IncrementalSource, Row
from tests.support.incremental_tables import ITEMS, NOTES, run
from tests.support.sealed_batches import batch_id, counts, in_order, read_rows, silver_rows
from tests.support.silver_model import SilverModel

MARK = "_midnight_deleted_batch_id"
RANDOM = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def present(source: IncrementalSource) -> list[Row]:
    """The rows that the source has, as they were last read; a row that was not read yet is missing."""
    return [row for key, row in source.seen.items() if key in source.rows]


@RANDOM
@given(runs)
def test_silver_has_the_keys_of_the_newest_list(sail_session, given_runs):
    with tempfile.TemporaryDirectory() as folder:
        lake = LakePaths.below(folder)
        tables = [t.model_copy(update={"deletes": "keys", "reconcile": "digests"}) for t in (ITEMS, NOTES)]
        sources = [IncrementalSource(lake, t) for t in tables]
        models = [SilverModel(t) for t in tables]
        for batch, (changes, full_reload, silver) in enumerate([*given_runs, ([], False, "runs")], start=1):
            for number, write in enumerate(changes, start=1):
                change(batch, number, write, *sources)
            for source in sources:
                source.ingest(batch, full_reload=full_reload)
            if silver != "runs":
                continue
            known: set[tuple] = set()
            for source, model, entry in zip(sources, models, run(sail_session, batch, *sources), strict=True):
                expected, _ = model.apply(batch, present(source), {"items": known})
                known = {(values["id"],) for values, _ in model.rows.values()}
                found = counts(entry.verify())
                assert {name: found.get(name, 0) for name in ("inserted", "updated", "deleted")} == {
                    name: expected.get(name, 0) for name in ("inserted", "updated", "deleted")
                }
                assert silver_rows(lake, source.table) == in_order(values for values, _ in model.rows.values())
        regular = [silver_rows(lake, t) for t in tables]
        run(sail_session, len(given_runs) + 1, *sources, rebuild=True)
        assert [silver_rows(lake, t) for t in tables] == regular
        assert all(entry.imbalance == "" for entry in read_ledger(lake.ledger))


@RANDOM
@given(runs)
def test_a_deleted_row_keeps_the_batch_that_saw_it_go(sail_session, given_runs):
    with tempfile.TemporaryDirectory() as folder:
        lake = LakePaths.below(folder)
        soft = ITEMS.model_copy(update={"deletes": "soft", "reconcile": "digests"})
        items, notes = IncrementalSource(lake, soft), IncrementalSource(lake, NOTES)
        model, marks = SilverModel(soft), dict[int, str]()
        for batch, (changes, full_reload, _) in enumerate([*given_runs, ([], False, "runs")], start=1):
            for number, write in enumerate(changes, start=1):
                change(batch, number, write, items, notes)
            items.ingest(batch, full_reload=full_reload)
            before = {key[0] for key in model.rows}
            run(sail_session, batch, items)
            model.apply(batch, present(items), {})
            marks |= {key: batch_id(batch) for key in before - items.rows.keys()}
            marks = {key: mark for key, mark in marks.items() if key not in items.rows}
            found = read_rows(lake.silver_table("items"))
            assert {row["id"]: row[MARK] for row in found if row[MARK]} == marks
            expected = in_order(values for values, _ in model.rows.values())
            live = [{n: v for n, v in row.items() if not n.startswith("_")} for row in found if row[MARK] is None]
            missed = [row["id"] for row in live if row["id"] not in {r["id"] for r in present(items)}]
            assert [row for row in live if row["id"] not in missed] == expected
        regular = read_rows(lake.silver_table("items"))
        run(sail_session, len(given_runs) + 1, items, rebuild=True)
        assert read_rows(lake.silver_table("items")) == regular
        assert all(entry.imbalance == "" for entry in read_ledger(lake.ledger))
