"""The Data Factory operator against a small factory behind an autospec'd hook and the vendor's own models."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryAsyncHook, AzureDataFactoryHook
from airflow.sdk.exceptions import TaskDeferred
from azure.mgmt.datafactory.models import CreateRunResponse, PipelineRun, PipelineRunsQueryResponse

from midnight_airflow.operators.data_factory import DataFactoryCopyOperator, DataFactoryRunError
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger


class Factory:
    """Pipeline runs, and a query that gives them two at a time."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        hook = mock.create_autospec(AzureDataFactoryHook, instance=True)
        hook.run_pipeline.side_effect = self.run_pipeline
        hook.get_pipeline_run.side_effect = lambda run_id, group, factory: self.model(self.find(run_id))
        hook.get_conn.return_value.pipeline_runs.query_by_factory.side_effect = self.query
        hook.get_connection.return_value.extra_dejson = {"subscriptionId": "sub"}
        self.hook = hook

    def run_pipeline(self, name: str, group: str, factory: str, *, parameters: dict[str, Any]) -> CreateRunResponse:
        self.runs.append({"runId": f"run-{len(self.runs) + 1}", "status": "InProgress", "parameters": parameters})
        return CreateRunResponse(run_id=self.runs[-1]["runId"])

    def find(self, run_id: str) -> dict[str, Any]:
        return next(run for run in self.runs if run["runId"] == run_id)

    @staticmethod
    def model(run: dict[str, Any]) -> PipelineRun:
        return PipelineRun(run)

    def query(self, group: str, factory: str, query: Any) -> PipelineRunsQueryResponse:
        body = query.as_dict()  # what would be sent
        assert body["filters"] == [{"operand": "PipelineName", "operator": "Equals", "values": ["midnight_copy"]}]
        start = int(body.get("continuationToken", 0))
        page: dict[str, Any] = {"value": list(reversed(self.runs))[start : start + 2]}
        if start + 2 < len(self.runs):
            page["continuationToken"] = str(start + 2)
        return PipelineRunsQueryResponse(page)


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def operator(factory: Factory) -> DataFactoryCopyOperator:
    made = DataFactoryCopyOperator(
        task_id="copy",
        azure_data_factory_conn_id="midnight_data_factory",
        resource_group_name="group",
        factory_name="factory",
        pipeline_name="midnight_copy",
        parameters={"batch_id": "b1"},
        retries=2,
    )
    made.__dict__["hook"] = factory.hook
    return made


def deferred(operator: DataFactoryCopyOperator, context: dict[str, Any]) -> DataFactoryRunTrigger:
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    return raised.value.trigger


def test_a_run_is_started_with_its_parameters(operator, factory, dag_run):
    trigger = deferred(operator, dag_run.try_task(operator))

    assert trigger.run_id == "run-1"
    assert (trigger.resource_group_name, trigger.factory_name) == ("group", "factory")
    assert factory.runs[0]["parameters"]["batch_id"] == "b1"
    assert len(factory.runs[0]["parameters"]["request_id"]) == 40
    assert "run-1?factory=/subscriptions/sub/" in dag_run.xcoms["copy", "run_page_url"]


def test_a_retry_after_a_crash_finds_the_noted_run(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))

    trigger = deferred(operator, dag_run.try_task(operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-1", 1)


def test_a_retry_finds_a_run_that_was_started_but_not_noted(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    dag_run.stores["copy"].values.clear()  # the worker died between the start and the note
    factory.runs += [
        {"runId": f"other-{i}", "status": "InProgress", "parameters": {"request_id": "x"}} for i in range(4)
    ]

    trigger = deferred(operator, dag_run.try_task(operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-1", 5)


def test_a_retry_after_a_run_that_succeeded_is_done(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = "Succeeded"

    operator.execute(dag_run.try_task(operator))

    assert len(factory.runs) == 1


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Canceling"])
def test_a_retry_after_a_failed_run_starts_another(operator, factory, dag_run, status):
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = status

    assert deferred(operator, dag_run.try_task(operator)).run_id == "run-2"
    assert deferred(operator, dag_run.try_task(operator)).run_id == "run-2"  # this one after a crash


def test_clearing_copies_again(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = "Succeeded"

    trigger = deferred(operator, dag_run.try_task(operator, cleared=True))

    assert trigger.run_id == "run-2"
    assert factory.runs[0]["parameters"]["request_id"] != factory.runs[1]["parameters"]["request_id"]


def test_a_failed_run_is_told_with_its_message(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0].update(status="Failed", message="Operation on target Copy failed: no such table")

    with pytest.raises(DataFactoryRunError, match="no such table") as raised:
        operator.execute_complete({}, {"status": "error", "run_id": "run-1", "message": "it has Failed"})

    assert "run run-1: Failed" in str(raised.value)


def test_killing_the_task_cancels_the_run_without_asking_for_names(operator, factory, dag_run):
    operator.on_kill()
    deferred(operator, dag_run.try_task(operator))

    operator.on_kill()

    factory.hook.cancel_pipeline_run.assert_called_once_with("run-1", "group", "factory")


def test_ending_a_waiting_task_cancels_the_run():
    hook = mock.create_autospec(AzureDataFactoryAsyncHook, instance=True)
    hook.__aenter__.return_value = hook
    arguments = {
        "run_id": "run-1",
        "azure_data_factory_conn_id": "midnight_data_factory",
        "resource_group_name": "group",
        "factory_name": "factory",
        "end_time": 1.0,
    }
    path, serialized = DataFactoryRunTrigger(**arguments).serialize()

    with mock.patch("midnight_airflow.triggers.data_factory_run.AzureDataFactoryAsyncHook", return_value=hook):
        asyncio.run(DataFactoryRunTrigger(**serialized).on_kill())

    assert path == "midnight_airflow.triggers.data_factory_run.DataFactoryRunTrigger"
    hook.cancel_pipeline_run.assert_awaited_once_with(
        run_id="run-1", resource_group_name="group", factory_name="factory"
    )
