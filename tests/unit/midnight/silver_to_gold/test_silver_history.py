"""What identifies the content of silver, and which change sets lie between two contents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from midnight.lake.ledger import LedgerEntry
from midnight.silver_to_gold.silver_history import silver_histories

START = datetime(2024, 1, 1, tzinfo=UTC)


def entry(number: int, status: str = "applied", changed: str = "rows", batch: int | None = None) -> LedgerEntry:
    """An entry of the table t; ``number`` is its time and its batch."""
    return LedgerEntry(
        batch_id=f"b{number if batch is None else batch}",
        run_id="r",
        attempt_at=START + timedelta(hours=number),
        table="t",
        source_table="public.t",
        status=status,
        changed=changed,
    )


def history(*entries: LedgerEntry):
    return silver_histories(entries)["t"]


def test_a_table_that_never_changed_has_no_history():
    assert silver_histories([entry(1, "skipped"), entry(2, changed="nothing")]) == {}
    assert silver_histories([]) == {}


def test_the_change_sets_since_a_content():
    first = history(entry(1)).identity
    assert first == "b1@2024-01-01T01:00:00.000000"
    now = history(entry(3), entry(1), entry(2), entry(4, changed="nothing"))
    assert now.identity == history(entry(3)).identity
    assert now.batches_since(first) == ("b2", "b3")
    assert now.batches_since(now.identity) == ()


def test_change_sets_are_not_complete_after_an_interruption_or_a_replaced_table():
    first = history(entry(1)).identity
    for between in (entry(2, changed="everything"), entry(2, "failed"), entry(2, "started")):
        assert history(entry(1), between, entry(3)).batches_since(first) is None, between
    finished = (entry(2, "started"), entry(2))
    assert history(entry(1), *finished, entry(3)).batches_since(first) == ("b2", "b3")
    assert history(entry(1), entry(2)).batches_since("b9@2024-01-01T01:00:00.000000") is None
    assert history(entry(1), entry(2)).batches_since("") is None


def test_a_batch_that_was_applied_twice_has_replaced_its_change_set():
    first = history(entry(1)).identity
    assert history(entry(1), entry(2), entry(3, batch=2)).batches_since(first) is None
    assert history(entry(1), entry(2, batch=1)).batches_since(first) == ("b1",)
