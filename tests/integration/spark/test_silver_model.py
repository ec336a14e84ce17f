"""Random small tables over several runs: the job compared with a reference implementation that shares no code."""

from __future__ import annotations

import json
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.bronze.manifest import Manifest
from midnight.lake.ledger import read_ledger
from midnight.lake.paths import LakePaths
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import batch_id, counts, document, in_order, read_rows, seal, table
from tests.support.silver_model import SilverModel

REFERENCED = table("referenced", {"p": "text", "q": "integer"}, key=["p", "q"])
KEYED = table(
    "keyed",
    {
        "id": {"type": "text", "null_values": ["NA", ""]},
        "v": {"type": "text", "cast": "integer"},
        "w": {"type": "text", "nulls": {"fill": "?"}, "trim": False},
        "x": {"type": "integer", "nulls": "drop_row"},
        "p": "text",
        "u": "integer",
        "at": {"type": "integer", "drop": True},
    },
    key=["id"],
    order_by=["at desc"],
    null_values=["NA"],
    checks=[
        {"rule": "unique", "columns": ["u"]},
        {"rule": "range", "column": "v", "min": -5, "max": 50},
        {"rule": "pattern", "column": "w", "regex": "[a-z?]+", "on_failure": "warn"},
        {"rule": "foreign_key", "columns": ["p", "x"], "table": "referenced", "references": ["p", "q"]},
    ],
)
WHOLE_ROW = {
    choice: table(
        choice,
        {"a": {"type": "text", "cast": "integer"}, "b": "text"},
        duplicates=choice,
        null_values=["NA"],
        checks=[{"rule": "range", "column": "a", "max": 9}],
    )
    for choice in ("drop", "keep")
}
TABLES = [REFERENCED, KEYED, *WHOLE_ROW.values()]

texts = st.sampled_from([None, "1", " 1\t", "2", "+3", "NA", "", "x", "1.0", "99", "\u3000ä ", "3000000000"])
numbers = st.one_of(st.none(), st.integers(0, 2))
referenced = st.fixed_dictionaries({"p": st.sampled_from(["1", "2", "x"]), "q": numbers})
keyed = st.fixed_dictionaries(
    {"id": texts, "v": texts, "w": texts, "x": numbers, "p": texts, "u": numbers, "at": numbers}
)
whole_rows = st.fixed_dictionaries({"a": texts, "b": st.sampled_from([None, "NA", "x"])})
runs = st.lists(
    st.tuples(*[st.lists(rows, max_size=9) for rows in (referenced, keyed, whole_rows, whole_rows)]),
    min_size=2,
    max_size=3,
)


@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs)
def test_the_job_gives_the_same_as_the_reference_implementation(sail_session, given_runs):
    with tempfile.TemporaryDirectory() as folder:
        lake = LakePaths.below(folder)
        models = {t.silver: SilverModel(t) for t in TABLES}
        sealed: dict[str, list[Manifest]] = {t.silver: [] for t in TABLES}
        for number, rows in enumerate(given_runs, start=1):
            for t, source in zip(TABLES, rows, strict=True):
                sealed[t.silver].append(seal(lake, t, number, source))
            plan = document(lake, number, *[(t, sealed[t.silver][-1]) for t in TABLES])
            entries = {entry.table: entry for entry in build_silver(sail_session, plan)}
            for t, source in zip(TABLES, rows, strict=True):
                known = {tuple(values.values()) for values, _ in models["referenced"].rows.values()}
                expected_counts, expected_quarantine = models[t.silver].apply(number, source, {"referenced": known})
                assert counts(entries[t.silver].verify()) == expected_counts
                assert quarantine_of(lake, entries[t.silver]) == sorted(expected_quarantine, key=str)
                assert silver_of(lake, t.silver) == expected_rows(models[t.silver])
        plan = document(lake, len(given_runs), *[(t, sealed[t.silver]) for t in TABLES], rebuild=True)
        build_silver(sail_session, plan)
        assert {t.silver: silver_of(lake, t.silver) for t in TABLES} == {
            name: expected_rows(model) for name, model in models.items()
        }
        assert all(entry.imbalance == "" for entry in read_ledger(lake.ledger))


def silver_of(lake, name):
    hidden = "_midnight_copy"
    return in_order({k: v for k, v in row.items() if k != hidden} for row in read_rows(lake.silver_table(name)))


def expected_rows(model):
    return in_order({**values, "_midnight_batch_id": batch_id(number)} for values, number in model.rows.values())


def quarantine_of(lake, entry):
    try:
        rows = read_rows(lake.quarantine)
    except Exception:  # noqa: BLE001 - no row was ever quarantined
        return []
    evaluated_in = (entry.table, entry.quarantine_batch_id or entry.batch_id)
    chosen = [row for row in rows if (row["table"], row["batch_id"]) == evaluated_in]
    return sorted(((row["rule"], json.loads(row["row"])) for row in chosen), key=str)
