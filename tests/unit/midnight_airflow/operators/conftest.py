"""The operators with small services behind their hooks, and a configuration of two tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from midnight_airflow.operators.data_factory import DataFactoryCopyOperator
from midnight_airflow.operators.databricks_jobs import DatabricksGoldOperator, DatabricksSilverOperator
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from tests.integration.airflow.conftest import make_configuration
from tests.support.copy_factory import Factory
from tests.support.jobs_workspace import Workspace


@pytest.fixture(autouse=True)
def counted() -> Iterator[mock.MagicMock]:
    """Replaces the lake that the facts of the costs are written to."""
    with (
        mock.patch("midnight_airflow.run_costs.open_lake", autospec=True),
        mock.patch("midnight_airflow.run_costs.write_facts", autospec=True) as written,
    ):
        yield written


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def copy_operator(factory: Factory) -> DataFactoryCopyOperator:
    made = DataFactoryCopyOperator(
        task_id="copy",
        azure_data_factory_conn_id="midnight_data_factory",
        resource_group_name="group",
        factory_name="factory",
        pipeline_name="midnight_copy",
        parameters={"batch_id": "b1"},
        retries=2,
        check_interval=0,
    )
    made.__dict__["hook"] = factory.hook
    return made


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def plan() -> Iterator[mock.MagicMock]:
    """Replaces planning a rebuild and reading the ledger, which need the lake."""
    with (
        mock.patch("midnight_airflow.operators.databricks_jobs.open_lake", autospec=True),
        mock.patch("midnight_airflow.operators.databricks_jobs.push_run_totals", autospec=True),
        mock.patch("midnight_airflow.operators.databricks_jobs.renew_rebuild_plan", autospec=True) as renewed,
    ):
        yield renewed


@pytest.fixture
def silver(workspace: Workspace, azure: None, plan: mock.MagicMock) -> DatabricksSilverOperator:
    operator = DatabricksSilverOperator(
        task_id="silver.bronze_to_silver", databricks_conn_id="midnight_databricks", retries=2
    )
    operator.__dict__["hook"] = workspace.hook
    return operator


@pytest.fixture
def gold(workspace: Workspace, azure: None) -> DatabricksGoldOperator:
    operator = DatabricksGoldOperator(
        task_id="gold.silver_to_gold",
        databricks_conn_id="midnight_databricks",
        silver_task_id="silver.bronze_to_silver",
        retries=2,
    )
    operator.__dict__["hook"] = workspace.hook
    return operator


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_configuration(tmp_path / "include", 2)
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(folder))
    return folder


@pytest.fixture
def read() -> Any:
    with mock.patch.object(PostgresToBronzeOperator, "execute", autospec=True) as execute:
        yield execute
