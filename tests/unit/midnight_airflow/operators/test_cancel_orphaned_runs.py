"""The teardown of the azure profile: which services it calls, and its error when they are not reachable.

tests/integration/azure/test_lifecycle.py tests what it cancels, in a real Airflow against the fakes.
"""

from __future__ import annotations

from typing import Any

import pytest

from midnight.errors import OrphanedRunsError
from midnight_airflow.operators.cancel_orphaned_runs import CancelOrphanedRunsOperator
from tests.unit.midnight_airflow.conftest import DagRun

pytestmark = pytest.mark.usefixtures("azure")


def execute(dag_run: DagRun, ingest_with: str, **states: str) -> None:
    operator = CancelOrphanedRunsOperator(
        task_id="cancel_orphaned_runs", refresh_task_id="refresh_report", ingest_with=ingest_with, retries=1
    )
    context: Any = dag_run.try_task(operator)
    context["ti"].get_task_states = lambda **_: {dag_run.run_id: {**states, "cancel_orphaned_runs": "running"}}
    operator.execute(context)


@pytest.fixture(autouse=True)
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of a service fails: its connection is missing."""
    for name in ("DATABRICKS", "DATA_FACTORY", "POWER_BI"):
        monkeypatch.delenv(f"AIRFLOW_CONN_MIDNIGHT_{name}", raising=False)


def test_no_service_is_called_after_a_successful_run(dag_run):
    execute(dag_run, "adf", silver="success", report="skipped")


def test_every_unreachable_service_is_named(dag_run):
    dag_run.xcoms["refresh_report", "refresh_id"] = "r-1"
    with pytest.raises(OrphanedRunsError) as raised:
        execute(dag_run, "adf", silver="failed", report="upstream_failed")
    for connection in ("midnight_databricks", "midnight_data_factory", "midnight_power_bi"):
        assert connection in str(raised.value)
    assert str(raised.value).endswith("or clear this task when the service is available")


def test_data_factory_and_power_bi_are_called_only_if_the_run_used_them(dag_run):
    with pytest.raises(OrphanedRunsError) as raised:
        execute(dag_run, "operator", silver="failed", report="upstream_failed")
    assert "midnight_databricks" in str(raised.value)
    assert "Data Factory" not in str(raised.value)
    assert "Power BI" not in str(raised.value)
