"""What a run reads of the ledger: the same decisions as from all entries, from few of them."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import write_deltalake
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midnight.lake import recent_ledger
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger_rows, to_entries
from midnight.lake.recent_ledger import KEPT_CHANGES, entries_of_run, needed_rows
from midnight.silver_to_gold.silver_history import silver_histories
from spark_jobs.silver.ledger import LEDGER_TYPES, Ledger

KINDS = {"string": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "bigint": pa.int64()}
SCHEMA = pa.schema([(name, KINDS[kind]) for name, kind in LEDGER_TYPES.items()])
START = datetime(2026, 1, 1, tzinfo=UTC)
STATES = [
    (s, c) for s in ("started", "applied", "failed", "skipped", "stopped") for c in ("nothing", "rows", "everything")
]
ATTEMPTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from(STATES), st.sampled_from(["", "k:x", "m:x"])),
    max_size=30,
)


def entry(number, table, batch, status, changed, *, masking=""):
    return LedgerEntry(
        batch_id=f"2026{batch:04d}T000000000Z-abcdef01",
        run_id="run",
        attempt_at=START + timedelta(seconds=number // 2),  # started and applied may have the same time
        table=table,
        source_table=table,
        status=status,
        changed=changed,
        masking=masking,
    )


def pruned(entries):
    return to_entries(needed_rows(pa.Table.from_pylist([e.model_dump() for e in entries], SCHEMA)))


def ledger_of(entries):
    ledger = object.__new__(Ledger)
    ledger._entries = {}
    ledger._add(entries)
    return ledger


def decisions(entries):
    """All that the silver job asks the ledger."""
    ledger = ledger_of(entries)
    found = {"maskings": ledger.maskings()}
    for table in {e.table for e in entries}:
        newest = ledger.newest_started(table)
        last = ledger.last_applied(table)
        has_changes = ledger.has_change_set(table, newest)
        found[table] = (last, newest, ledger.is_settled(table), has_changes)
    return found


@settings(max_examples=300, deadline=None)
@given(ATTEMPTS)
@example(
    [("a", 1, ("started", "nothing"), ""), ("a", 1, ("applied", "nothing"), ""), ("a", 0, ("applied", "nothing"), "")]
)
def test_few_entries_give_the_decisions_of_all(attempts):
    entries = [
        entry(i, table, batch, *state, masking=masking) for i, (table, batch, state, masking) in enumerate(attempts)
    ]
    entries.sort(key=lambda e: (e.attempt_at, e.status != "started"))
    kept = pruned(entries)
    assert decisions(kept) == decisions(entries)
    whole, few = silver_histories(entries), silver_histories(kept)
    assert {t: h.identity for t, h in few.items()} == {t: h.identity for t, h in whole.items()}
    for table, history in whole.items():
        for old in history.entries[-KEPT_CHANGES:]:
            identity = f"{old.batch_id}@{old.attempt_at:%Y-%m-%dT%H:%M:%S.%f}"
            assert few[table].batches_since(identity) == history.batches_since(identity)


def test_a_year_without_changes_is_two_entries(monkeypatch):
    entries = [entry(0, "a", 0, "applied", "everything")]
    entries += [entry(2 * i, "a", i, "applied", "nothing") for i in range(1, 366)]
    assert [e.batch_id[:8] for e in pruned(entries)] == ["20260000", "20260365"]
    changing = [entry(2 * i, "a", i, "applied", "rows") for i in range(365)]
    monkeypatch.setattr(recent_ledger, "KEPT_CHANGES", 5)
    assert [e.batch_id for e in pruned(changing)] == [e.batch_id for e in changing[-5:]]


def test_an_empty_ledger_has_no_entries():
    assert pruned([]) == []


@settings(max_examples=20, deadline=None)
@given(ATTEMPTS.filter(bool))
def test_the_entries_of_a_run_and_those_before_it(attempts):
    entries = [
        entry(2 * i, table, batch, *state).model_copy(update={"run_id": f"run {batch}"})
        for i, (table, batch, state, _) in enumerate(attempts)
    ]
    run_id = entries[-1].run_id
    own = latest_entries(entries, run_id)
    begun = min((e.attempt_at for e in own), default=datetime.max.replace(tzinfo=UTC))
    before = [e for e in entries if e.run_id != run_id and e.status == "applied" and e.attempt_at < begun]
    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, pa.Table.from_pylist([e.model_dump() for e in entries], SCHEMA))
        rows = read_ledger_rows(folder)
        assert entries_of_run(rows, run_id) == (own, {e.table: e for e in latest_entries(before)})
        applied = [e for e in entries if e.status == "applied"]
        assert entries_of_run(rows, "another run") == ([], {e.table: e for e in latest_entries(applied)})
    assert entries_of_run(read_ledger_rows("/no/such/ledger"), run_id) == ([], {})
