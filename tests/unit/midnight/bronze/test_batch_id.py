"""A run always gets the same batch id, and ids sort in time order."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from midnight.bronze.batch_id import batch_time, make_batch_id

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def test_a_batch_id_is_the_same_on_every_attempt_and_in_every_time_zone():
    elsewhere = MIDNIGHT.astimezone(timezone(timedelta(hours=5)))
    assert make_batch_id(MIDNIGHT, "scheduled__1") == make_batch_id(elsewhere, "scheduled__1")
    assert make_batch_id(MIDNIGHT, "scheduled__1").startswith("20261123T000000000Z-")


def test_batch_ids_sort_in_time_order_and_differ_within_a_second():
    ids = [make_batch_id(MIDNIGHT + timedelta(days=n, milliseconds=n), f"run {n}") for n in range(40)]
    assert sorted(ids) == ids
    assert make_batch_id(MIDNIGHT, "manual__1") != make_batch_id(MIDNIGHT, "manual__2")


def test_a_run_time_without_a_time_zone_is_rejected():
    with pytest.raises(ValueError, match="no time zone"):
        make_batch_id(datetime(2026, 11, 23), "run")


@pytest.mark.parametrize("microseconds", [0, 5000, 567_000])
def test_the_run_time_of_a_batch_id(microseconds):
    at = datetime(2026, 11, 1, 2, 3, 4, microseconds, tzinfo=UTC)
    assert batch_time(make_batch_id(at, "x")) == at
