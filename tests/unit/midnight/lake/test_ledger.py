"""The ledger accepts a batch only if every row is accounted for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.errors import LedgerError
from midnight.lake.ledger import LedgerEntry, latest_entries

NOW = datetime(2026, 11, 23, tzinfo=UTC)
counts = st.integers(0, 10**9)


def entry(**fields) -> LedgerEntry:
    given_fields = {
        "batch_id": "b1",
        "run_id": "r1",
        "attempt_at": NOW,
        "table": "flights",
        "source_table": "public.flights",
        "status": "applied",
    }
    return LedgerEntry(**(given_fields | fields))


@given(st.tuples(*[counts] * 7), st.integers(-5, 5))
def test_only_balanced_entries_are_valid(numbers, error):
    inserted, updated, unchanged, deleted, duplicates, dropped, quarantined = numbers
    balanced = entry(
        rows_in=inserted + updated + unchanged + duplicates + dropped + quarantined + error,
        inserted=inserted,
        updated=updated,
        unchanged=unchanged,
        deleted=deleted,
        duplicates=duplicates,
        dropped=dropped,
        quarantined=quarantined,
        silver_before=unchanged + updated + deleted,
        silver_after=inserted + updated + unchanged,
    )
    assert (balanced.imbalance == "") == (error == 0)


def test_a_lost_row_is_reported():
    with pytest.raises(LedgerError, match=r"flights: batch b1 has 3 rows, but 2 are accounted for"):
        entry(rows_in=3, inserted=2, silver_after=2).verify()


def test_an_extra_row_in_silver_is_reported():
    with pytest.raises(LedgerError, match=r"flights: silver has 3 rows, expected 2"):
        entry(rows_in=2, inserted=2, silver_after=3).verify()


def test_latest_entries_are_the_last_finished_attempt_of_each_table():
    first = entry(rows_in=1, inserted=1, silver_after=1)
    again = entry(attempt_at=NOW + timedelta(minutes=1), rows_in=1, unchanged=1, silver_before=1, silver_after=1)
    running = entry(attempt_at=NOW + timedelta(minutes=2), status="started")
    other = entry(table="airports", run_id="r0")
    assert latest_entries([running, again, first, other]) == [other, again]
    assert latest_entries([running, again, first, other], run_id="r1") == [again]
