"""The addresses of the assets, and the example DAG of the documentation that is scheduled on one."""

from __future__ import annotations

import runpy

import pytest
from airflow.sdk import Asset

from midnight.settings import REPOSITORY
from midnight_airflow.assets import table_asset

EXAMPLE = REPOSITORY / "docs" / "examples" / "after_flights_changed.py"


def test_the_example_runs_after_the_asset_that_the_demo_emits():
    names = runpy.run_path(str(EXAMPLE))
    dag = names["after_flights_changed"]()
    [asset] = dag.timetable.asset_condition.objects
    assert asset.uri == table_asset("nycflights", "gold", "fact_flight").uri


@pytest.mark.parametrize("name", ["fact_flight", "Straße 7", "a/b?c#d", "x" * 300])
def test_every_name_gives_a_valid_address_that_is_not_another_ones(name):
    asset = table_asset("My shop", "silver", name)
    assert Asset(asset.uri).uri == asset.uri
    assert asset.uri.count("/") == 4
    assert asset.uri != table_asset("My shop", "gold", name).uri != table_asset("My shop", "gold", name + "x").uri
