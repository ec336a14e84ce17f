"""One place makes paths, and a run always gets the same batch."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.commands import up
from midnight.errors import NON_RETRYABLE_ERRORS, LakePathError
from midnight.lake.paths import LakePaths, check_lake_path, make_batch_id

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
        local.manifest("erp", "Sales", "Order Items", "b1")
        == "/lake/bronze/erp/Sales-u1.Order-20Items-u21/b1/_manifest.json"
    )
    azure = LakePaths.in_account("contoso")
    assert azure.gold_model("dim_date", "b1-1") == "abfss://gold@contoso.dfs.core.windows.net/dim_date/b1-1"
    assert LakePaths(**azure.as_dict()) == azure


@pytest.mark.parametrize("name", ["with space", "größe", "100%", "a#b", "[a]", "a?b", "a^b"])
def test_paths_that_an_engine_mistreats_are_refused(name):
    with pytest.raises(LakePathError, match="MIDNIGHT_LAKE"):
        check_lake_path("sail", f"/data/{name}/lake")
    if name in ("with space", "größe"):
        check_lake_path("spark", f"/data/{name}/lake")
    else:
        with pytest.raises(LakePathError, match="MIDNIGHT_LAKE"):
            check_lake_path("spark", f"/data/{name}/lake")
    check_lake_path("sail", "/data/a-b_c.d/silver")
    check_lake_path("sail", "abfss://silver@account.dfs.core.windows.net")
    check_lake_path("databricks", f"abfss://silver@account.dfs.core.windows.net/{name}")
    assert LakePathError in NON_RETRYABLE_ERRORS


def test_up_refuses_such_a_folder_before_it_starts_anything(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "my home"))
    monkeypatch.setenv("MIDNIGHT_ENGINE", "sail")
    with pytest.raises(LakePathError, match=r"cannot keep tables in .*my home/lake' because of ' '"):
        up.main()
    assert list(tmp_path.iterdir()) == []
