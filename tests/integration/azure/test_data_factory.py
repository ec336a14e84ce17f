"""The product's operator, hook and trigger against the fake Data Factory, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import TaskDeferred
from starlette.responses import JSONResponse

from midnight.bronze.batches import BronzeStore
from midnight.bronze.stopped_tables import read_stopped_tables
from midnight.errors import DeploymentError
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.settings import Settings, load_settings
from midnight_airflow.operators.ingest import AzureIngestOperator
from midnight_airflow.operators.pipeline_run_attempt import DataFactoryRunError
from midnight_airflow.run_context import batch_id
from tests.fakes.cloud import TENANT, Cloud
from tests.fakes.data_factory import CANCEL_RUN, CREATE_RUN
from tests.integration.airflow.conftest import make_configuration
from tests.support.waiting import wait_for
from tests.unit.midnight_airflow.conftest import DagRun


@pytest.fixture
def operator(azure_cloud: Cloud, tmp_path, monkeypatch) -> Iterator[AzureIngestOperator]:
    """The ingest task, with a folder in place of the account."""
    identity, secret = azure_cloud.client
    extra = {"tenantId": TENANT, "subscriptionId": "sub"}
    connection = {"conn_type": "azure_data_factory", "login": identity, "password": secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_DATA_FACTORY", json.dumps(connection))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(make_configuration(tmp_path / "include", 2)))
    variables = {"PROFILE": "azure", "STORAGE_ACCOUNT": "lake", "DATABRICKS_JOB_ID": "7", "POLLING_SECONDS": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(f"MIDNIGHT_{name}", value)
    with (
        mock.patch.object(Settings, "paths", LakePaths.below(str(tmp_path / "lake"))),
        mock.patch("midnight_airflow.operators.ingest.open_lake", return_value=open_local_lake()),
    ):
        yield AzureIngestOperator(
            task_id="ingest",
            group="main",
            tables=[],
            retries=2,
            ingest_with="adf",
            azure_data_factory_conn_id="midnight_data_factory",
            resource_group_name="group",
            factory_name="factory",
            pipeline_name="midnight_copy",
            execution_timeout=timedelta(minutes=5),
        )


def deferred(operator: AzureIngestOperator, context: Any) -> Any:
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    trigger = raised.value.trigger
    trigger.check_interval = 0.05
    return trigger


async def first_event(trigger: Any) -> dict[str, Any]:
    async with contextlib.aclosing(trigger.run()) as events:
        return (await anext(events)).payload


def test_the_task_copies_waits_and_seals(operator, factory, caplog):
    dag_run = DagRun()
    event = asyncio.run(first_event(deferred(operator, dag_run.try_task(operator))))
    gc.collect()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []  # connections are closed
    rows = operator.resume_execution("execute_complete", {"event": event}, dag_run.try_task(operator))
    assert rows == {"public.t0": 2, "public.t1": 100}
    assert factory.requests[CREATE_RUN] == 1


def test_a_retry_finds_the_run_and_a_failure_names_table_and_reason(operator, factory):
    dag_run = DagRun()
    factory.page = 2
    factory.failures["public.t1"] = ["reset by peer", "disk full"]
    factory.delays["public.t1"] = 1
    first = deferred(operator, dag_run.try_task(operator))
    dag_run.stores["ingest"].values.clear()  # the worker died between the start and the note
    trigger = deferred(operator, dag_run.try_task(operator))
    assert trigger.run_id == first.run_id

    event = asyncio.run(first_event(trigger))
    with pytest.raises(DataFactoryRunError, match=r"CopyTable of public\.t1: disk full \(run .*: Failed\)"):
        operator.execute_complete(dag_run.try_task(operator), event)

    factory.delays.clear()
    again = deferred(operator, dag_run.try_task(operator))
    rows = operator.execute_complete(dag_run.try_task(operator), asyncio.run(first_event(again)))
    assert (again.run_id != first.run_id, rows) == (True, {"public.t0": 2, "public.t1": 100})  # no row came twice


def test_killing_a_waiting_task_and_a_timeout_cancel_the_run(operator, factory):
    def has_status(run_id: str, status: str) -> Callable[[], bool]:
        return lambda: factory.runs[run_id].document["status"] == status

    factory.delays["public.t1"] = 60
    for end in ("user", "time"):
        trigger = deferred(operator, DagRun(end).try_task(operator))
        wait_for(has_status(trigger.run_id, "InProgress"))
        if end == "user":
            asyncio.run(trigger.on_kill())
        else:
            trigger.end_time = time.time() + 0.2
            assert asyncio.run(first_event(trigger))["status"] == "timeout"
        wait_for(has_status(trigger.run_id, "Cancelled"))


def test_a_start_whose_response_is_lost_is_one_run(operator, factory):
    """The client would send the request again after such responses."""
    factory.losses[CREATE_RUN] = [JSONResponse({}, 503)]
    deferred(operator, DagRun().try_task(operator))
    assert (len(factory.runs), factory.requests[CREATE_RUN]) == (1, 1)


def test_a_pipeline_that_was_not_deployed_from_these_files_is_not_started(operator, factory):
    """Parallel copies raised in Studio; factory deployed from other files; pipeline deleted."""
    properties = factory.resources["pipeline"]["midnight_copy"]["properties"]
    properties["activities"][1]["typeProperties"]["batchCount"] = 50
    with pytest.raises(
        DeploymentError, match=r"CopyTables\]\.typeProperties\.batchCount is 50, expected 2.*terraform ap"
    ):
        operator.execute(DagRun().try_task(operator))

    properties["activities"][1]["typeProperties"]["batchCount"] = 2
    properties["annotations"][1] = "definition:0123456789abcdef"
    with pytest.raises(DeploymentError, match="is 'definition:0123456789abcdef', expected 'definition:"):
        operator.execute(DagRun().try_task(operator))

    del factory.resources["pipeline"]["midnight_copy"]
    with pytest.raises(DeploymentError, match=r"does not exist or .*\(404\); hint: .*source_database"):
        operator.execute(DagRun().try_task(operator))
    assert factory.runs == {}


def test_defaults_that_the_service_adds_are_not_differences(operator, factory):
    properties = factory.resources["pipeline"]["midnight_copy"]["properties"]
    properties |= {"lastPublishTime": "2026-01-01T00:00:00Z", "policy": {}}
    properties["activities"][0]["state"] = "Active"
    deferred(operator, DagRun().try_task(operator))


@pytest.mark.parametrize("status", [429, 502])
def test_clearing_the_task_while_the_service_is_busy_cancels_the_run_before_the_next(operator, factory, status):
    """Neither the client nor the provider's hooks retry cancelling after such a response."""
    factory.delays["public.t1"] = 60
    dag_run = DagRun()
    first = deferred(operator, dag_run.try_task(operator)).run_id
    factory.fail(CANCEL_RUN, *[JSONResponse({}, status)] * 2)

    second = deferred(operator, dag_run.try_task(operator, cleared=True)).run_id

    states = {run_id: run.document["status"] for run_id, run in factory.runs.items()}
    assert states[first] == "Cancelled"
    assert (list(states), states[second] in ("Queued", "InProgress")) == ([first, second], True)


def test_a_table_that_has_changed_is_stopped_and_the_others_are_sealed(operator, factory):
    dag_run = DagRun()
    gone = "ErrorCode=UserErrorReadFailed,'Message=42703: column source_row.amount does not exist,Source=Npgsql'"
    factory.failures["public.t0"] = [gone] * 2
    event = asyncio.run(first_event(deferred(operator, dag_run.try_task(operator))))
    context = dag_run.try_task(operator)
    assert operator.execute_complete(context, event) == {"public.t1": 100}
    bronze = BronzeStore(open_local_lake(), load_settings().paths, "shop")
    (stopped,) = read_stopped_tables(bronze, ["main"], batch_id(context))
    assert stopped.message == (
        "public.t0: Data Factory cannot copy it: CopyTable of public.t0: 42703: column source_row.amount does not exist"
    )
    factory.failures["public.t0"], factory.failures["public.t1"] = [gone] * 2, ["reset by peer"] * 2
    second = DagRun("manual__2")
    event = asyncio.run(first_event(deferred(operator, second.try_task(operator))))
    with pytest.raises(DataFactoryRunError, match="reset by peer"):
        operator.execute_complete(second.try_task(operator), event)
