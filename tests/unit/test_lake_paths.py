"""One place makes paths, and a run always gets the same batch."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from midnight.lake_paths import LakePaths, make_batch_id

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def test_batch_id_is_the_same_on_every_try_and_in_every_time_zone():
    elsewhere = MIDNIGHT.astimezone(timezone(timedelta(hours=5)))
    assert make_batch_id(MIDNIGHT, "scheduled__1") == make_batch_id(elsewhere, "scheduled__1")
    assert make_batch_id(MIDNIGHT, "scheduled__1").startswith("20261123T000000000Z-")


def test_batch_ids_sort_in_time_order_and_differ_within_a_second():
    nights = [make_batch_id(MIDNIGHT + timedelta(days=n, milliseconds=n), f"run {n}") for n in range(40)]
    assert sorted(nights) == nights
    assert make_batch_id(MIDNIGHT, "manual__1") != make_batch_id(MIDNIGHT, "manual__2")


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        make_batch_id(datetime(2026, 11, 23), "run")


def test_paths_of_both_profiles():
    local = LakePaths.below("/lake/")
    assert (
        local.manifest("erp", "Sales", "Order Items", "b1") == "/lake/bronze/erp/Sales.Order-20Items/b1/_manifest.json"
    )
    azure = LakePaths.in_account("contoso")
    assert azure.gold_model("dim_date", "b1-1") == "abfss://gold@contoso.dfs.core.windows.net/dim_date/b1-1"
    assert LakePaths(**azure.as_dict()) == azure
