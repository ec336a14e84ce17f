"""Random small tables over several nights: the job against a model of the rules that shares no code with it."""

from __future__ import annotations

import json
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.lake.ledger import read_ledger
from midnight.lake.paths import LakePaths
from spark_jobs.bronze_to_silver import bronze_to_silver
from tests.support.sealed_batches import batch_id, counts, document, in_order, read_rows, seal, table
from tests.support.silver_model import SilverModel

PARENTS = table("parents", {"p": "text", "q": "integer"}, key=["p", "q"])
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
        {"rule": "foreign_key", "columns": ["p", "x"], "table": "parents", "references": ["p", "q"]},
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
TABLES = [PARENTS, KEYED, *WHOLE_ROW.values()]

texts = st.sampled_from([None, "1", " 1\t", "2", "+3", "NA", "", "x", "1.0", "99", "\u3000ä ", "3000000000"])
numbers = st.one_of(st.none(), st.integers(0, 2))
parents = st.fixed_dictionaries({"p": st.sampled_from(["1", "2", "x"]), "q": numbers})
keyed = st.fixed_dictionaries(
    {"id": texts, "v": texts, "w": texts, "x": numbers, "p": texts, "u": numbers, "at": numbers}
)
whole = st.fixed_dictionaries({"a": texts, "b": st.sampled_from([None, "NA", "x"])})
nights = st.lists(
    st.tuples(*[st.lists(rows, max_size=9) for rows in (parents, keyed, whole, whole)]), min_size=2, max_size=3
)


@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nights)
def test_the_job_does_what_the_rules_say(sail_session, given_nights):
    with tempfile.TemporaryDirectory() as folder:
        lake = LakePaths.below(folder)
        models = {t.silver: SilverModel(t) for t in TABLES}
        sealed = {t.silver: [] for t in TABLES}
        for night, rows in enumerate(given_nights, start=1):
            for t, source in zip(TABLES, rows, strict=True):
                sealed[t.silver].append(seal(lake, t, night, source))
            plan = document(lake, night, *[(t, sealed[t.silver][-1]) for t in TABLES])
            entries = {entry.table: entry for entry in bronze_to_silver(sail_session, plan)}
            for t, source in zip(TABLES, rows, strict=True):
                known = {tuple(values.values()) for values, _ in models["parents"].rows.values()}
                expected_counts, expected_quarantine = models[t.silver].apply(night, source, {"parents": known})
                assert counts(entries[t.silver].verify()) == expected_counts
                assert quarantine_of(lake, t.silver, night) == sorted(expected_quarantine, key=str)
                assert silver_of(lake, t.silver) == expected_rows(models[t.silver])
        plan = document(lake, len(given_nights), *[(t, sealed[t.silver]) for t in TABLES], rebuild=True)
        bronze_to_silver(sail_session, plan)
        assert {t.silver: silver_of(lake, t.silver) for t in TABLES} == {
            name: expected_rows(model) for name, model in models.items()
        }
        assert all(entry.imbalance == "" for entry in read_ledger(lake.ledger))


def silver_of(lake, name):
    hidden = "_midnight_copy"
    return in_order({k: v for k, v in row.items() if k != hidden} for row in read_rows(lake.silver_table(name)))


def expected_rows(model):
    return in_order({**values, "_midnight_batch_id": batch_id(night)} for values, night in model.rows.values())


def quarantine_of(lake, name, night):
    try:
        rows = read_rows(lake.quarantine)
    except Exception:  # noqa: BLE001 - no row was ever quarantined
        return []
    chosen = [row for row in rows if (row["table"], row["batch_id"]) == (name, batch_id(night))]
    return sorted(((row["rule"], json.loads(row["row"])) for row in chosen), key=str)
