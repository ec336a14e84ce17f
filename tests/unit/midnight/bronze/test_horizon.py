"""Horizons of snapshots: the oldest transaction that was open, where ids mean something, and what is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze.horizon import Horizon, Relation, newer_condition, oldest_start
from midnight.bronze.late_commits import long_transaction_warning, plan_late_commits
from tests.unit.midnight.bronze.test_increments import batch_of_day, manifest, table

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HEAP = Relation(oid=7, parts=(7,), has_xmin=True)
VIEW = Relation(oid=7, parts=(7,), has_xmin=False)


def horizon(snapshot: str = "100:105:100,103", **fields) -> Horizon:
    """A horizon at noon, with nothing open."""
    known = {"batch_id": batch_of_day(1), "clock": NOON, "oldest_start": NOON, "cluster": "c", "timeline": 1}
    return Horizon(**{**known, "database": 5, "relation": HEAP, "snapshot": snapshot, **fields})


def test_the_start_of_a_transaction_that_cannot_be_seen_is_bounded_by_the_horizon_before():
    hour = timedelta(hours=1)
    before = horizon(clock=NOON - hour, oldest_start=NOON - 3 * hour, open_transactions={"1/1": NOON - 2 * hour})
    found = {"1/1": None, "2/9": None, "3/1": NOON - hour / 2, "prepared/103": None}
    oldest, starts = oldest_start(NOON, found, before)
    assert starts == {
        "1/1": NOON - 2 * hour,  # was open then, since that time
        "2/9": NOON - hour,  # was not
        "3/1": NOON - hour / 2,
        "prepared/103": NOON - 3 * hour,  # may have been open then under another name
    }
    assert oldest == NOON - 3 * hour
    assert oldest_start(NOON, found, None) == (None, {**dict.fromkeys(found), "3/1": NOON - hour / 2})
    assert oldest_start(NOON, {}, None) == (NOON, {})


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({}, ""),
        ({"cluster": "d"}, "the server is d instead of c"),
        ({"timeline": 2}, "the server is on timeline 2 instead of 1, after a failover or a restore"),
        ({"database": 6}, "the database was created again"),
        ({"snapshot": "90:91:"}, "the server's next transaction is 91, but 100 was reached before"),
        ({"snapshot": "90:91:", "in_recovery": True}, ""),  # a standby that is behind
        ({"relation": Relation(oid=8, parts=(8,), has_xmin=True)}, "the table was created again"),
    ],
)
def test_ids_of_another_server_or_table_mean_nothing(now, reason):
    newest = manifest(batch_of_day(1)).model_copy(update={"horizon": horizon()})
    assert horizon().other_place(horizon(**now)).startswith(reason)
    found = plan_late_commits(table(), newest, horizon(**now))
    assert (bool(found.full_read_reason), bool(found.condition())) == (bool(reason), not reason)


def test_rows_are_read_by_transaction_and_those_of_attached_tables_in_full():
    now = horizon(f"{2**32 + 7}:{2**32 + 9}:", relation=HEAP.model_copy(update={"parts": (7, 12, 11)}))
    assert newer_condition(horizon(f"{2**32 + 5}:{2**32 + 6}:"), horizon(), "r.") == (
        "(pg_catalog.age(r.xmin) <= (SELECT pg_catalog.age('5'::pg_catalog.xid)) AND pg_catalog.age(r.xmin) > 0)"
    )
    assert newer_condition(horizon(), now).endswith(" OR tableoid IN (11, 12))")


@given(before=st.integers(3, 2**40), begun=st.integers(0, 2**33))
def test_ambiguous_ids_are_never_compared(before, begun):
    """`age` is a signed number of 32 bits."""
    earlier, now = horizon(f"{before}:{before}:"), horizon(f"{before + begun}:{before + begun}:")
    assert earlier.too_far_back(now) or begun < 2**31 - 100_000_000
    assert begun > 1_900_000_000 or not earlier.too_far_back(now)


@pytest.mark.parametrize(
    ("kind", "fields", "taken", "back", "warning"),
    [
        ("timestamptz", {"late_commits": "horizon"}, {}, 0, ""),
        ("timestamptz", {"late_commits": "horizon"}, {"oldest_start": NOON - timedelta(hours=9)}, 32_400, ""),
        ("timestamptz", {"late_commits": "horizon", "cursor_lag": 0}, {}, 60, ""),
        ("date", {}, {"oldest_start": NOON - timedelta(hours=25)}, 2, ""),
        ("date", {"cursor_lag": 0}, {}, 1, ""),
        ("bigint", {}, {}, 0, "its cursor is a number"),
        ("timestamp", {}, {"oldest_start": None}, 0, "hint: GRANT pg_read_all_stats"),
        ("timestamp", {}, {"oldest_start": None, "in_recovery": True}, 0, "hint: read from the primary"),
        ("timestamp", {}, {"batch_id": batch_of_day(9)}, 0, "was not read in a snapshot"),
    ],
)
def test_the_cursor_starts_before_the_oldest_transaction(kind, fields, taken, back, warning):
    newest = manifest(batch_of_day(1)).model_copy(update={"horizon": horizon(**taken)})
    now = horizon(relation=HEAP if "late_commits" in fields else VIEW)
    found = plan_late_commits(table(kind, **fields), newest, now)
    assert (found.condition(), found.further_back) == ("", back)
    assert warning in found.warning
    assert bool(found.warning) == bool(warning)


@pytest.mark.parametrize("taken", [{"oldest_start": None}, {"batch_id": batch_of_day(9)}])
def test_without_a_known_start_the_horizon_is_replaced_by_visibility(taken):
    newest = manifest(batch_of_day(1)).model_copy(update={"horizon": horizon(**taken)})
    found = plan_late_commits(table(late_commits="horizon"), newest, horizon("200:200:"))
    assert (found.since_transaction, found.warning, found.further_back) == (100, "", 0)


def test_too_many_transactions_need_a_full_snapshot():
    newest = manifest(batch_of_day(1)).model_copy(update={"horizon": horizon()})
    later = 100 + 2**31
    found = plan_late_commits(table(), newest, horizon(f"{later}:{later}:"))
    assert found.full_read_reason == f"2,147,483,648 transactions began since batch {batch_of_day(1)}"


def test_a_transaction_longer_than_the_lag_is_reported():
    long = horizon(oldest_start=NOON - timedelta(hours=2))
    assert long_transaction_warning(table(), long) == (
        "a transaction is open since 2026-11-01 10:00:00 UTC, longer than cursor_lag of public.t (3600); hint: end it, "
        "or set a longer cursor_lag"
    )
    assert long_transaction_warning(table(cursor_lag=7200), long) == ""
    assert long_transaction_warning(table("date"), long) == ""
    assert long_transaction_warning(table("bigint"), long) == ""
    assert long_transaction_warning(table(), None) == ""
