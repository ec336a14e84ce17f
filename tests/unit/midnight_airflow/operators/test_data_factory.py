"""The Data Factory operator against a small factory behind an autospec'd hook and the vendor's own models."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryAsyncHook, AzureDataFactoryHook
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout, TaskDeferred
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.mgmt.datafactory.models import (
    ActivityRunsQueryResponse,
    CreateRunResponse,
    PipelineRun,
    PipelineRunsQueryResponse,
)

from midnight_airflow.key_vault import KeyVaultUnavailableError
from midnight_airflow.operators import data_factory
from midnight_airflow.operators.data_factory import DataFactoryCopyOperator, DataFactoryRunError
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger


class Factory:
    """Pipeline runs, and a query that gives them two at a time."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        hook = mock.create_autospec(AzureDataFactoryHook, instance=True)
        hook.run_pipeline.side_effect = self.run_pipeline
        hook.get_pipeline_run.side_effect = self.get_pipeline_run
        hook.cancel_pipeline_run.side_effect = self.cancel
        hook.get_conn.return_value.pipeline_runs.query_by_factory.side_effect = self.query
        self.activities: list[dict[str, Any]] = []
        hook.get_conn.return_value.activity_runs.query_by_pipeline_run.side_effect = self.query_activities
        hook.get_connection.return_value.extra_dejson = {"subscriptionId": "sub"}
        self.hook = hook

    def get_pipeline_run(self, run_id: str, group: str, factory: str) -> PipelineRun:
        """A cancelled run has ended when it is asked for the second time."""
        run = self.find(run_id)
        model = self.model({**run})
        if run["status"] == "Canceling":
            run["status"] = "Cancelled"
        return model

    def cancel(self, run_id: str, group: str, factory: str, *, retry_on_methods: list[str], **limits: Any) -> None:
        assert (group, factory, retry_on_methods) == ("group", "factory", ["POST"])
        self.cancelled.append(run_id)
        self.find(run_id)["status"] = "Canceling"

    def run_pipeline(
        self, name: str, group: str, factory: str, *, parameters: dict[str, Any], retry_total: int
    ) -> CreateRunResponse:
        assert [run["runId"] for run in self.runs if run["status"] == "Canceling"] == []  # it is waited for
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

    def query_activities(self, group: str, factory: str, run_id: str, query: Any) -> ActivityRunsQueryResponse:
        start = int(query.as_dict().get("continuationToken", 0))
        page: dict[str, Any] = {"value": self.activities[start : start + 2]}
        if start + 2 < len(self.activities):
            page["continuationToken"] = str(start + 2)
        return ActivityRunsQueryResponse(page)


def activity(name: str, kind: str = "Copy", *, table: str = "", part: str = "", error: str = "") -> dict[str, Any]:
    """A document as the service gives it."""
    return {
        "activityName": name,
        "activityType": kind,
        "status": "Failed" if error else "Succeeded",
        "error": {"errorCode": "2200", "message": error, "failureType": "UserError", "target": name},
        "userProperties": {"Table": table, "Part": part} if table else {},
        "output": {} if error else {"rowsCopied": 5},
    }


NESTED = (
    "ErrorCode=UserErrorFailedToReadFromSource,'Type=Microsoft.DataTransfer.Common.Shared.HybridDeliveryException,"
    "Message=Failure happened on 'Source' side.,Source=Microsoft.DataTransfer,''Type=Npgsql.PostgresException,"
    'Message=42P01: relation "public.planes" does not exist,Source=Npgsql,\''
)


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
        check_interval=0,
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


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("status", ["Queued", "InProgress", "Canceling"])
def test_clearing_ends_the_run_that_is_at_work_before_another_is_started(operator, factory, dag_run, status, noted):
    deferred(operator, dag_run.try_task(operator))
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = status
    factory.runs.append({"runId": "of-another-group", "status": "InProgress", "parameters": {"request_id": "x"}})
    if not noted:
        dag_run.stores["copy"].values.clear()

    trigger = deferred(operator, dag_run.try_task(operator, cleared=True))  # the triggerer was dead meanwhile

    assert [run["status"] for run in factory.runs] == ["Cancelled", "InProgress", "InProgress"]
    assert trigger.run_id == "run-3"


def test_an_earlier_run_that_does_not_end_is_named(operator, factory, dag_run, monkeypatch):
    monkeypatch.setattr(data_factory, "CANCEL_TIMEOUT", timedelta(0))
    deferred(operator, dag_run.try_task(operator))
    with pytest.raises(DataFactoryRunError, match="run run-1 of an earlier try is InProgress, and does not end"):
        operator.execute(dag_run.try_task(operator, cleared=True))
    assert len(factory.runs) == 1


def test_a_run_whose_answer_was_lost_is_found(operator, factory, dag_run):
    def lose(*args: Any, **kwargs: Any) -> None:
        factory.run_pipeline(*args, **kwargs)
        raise ServiceResponseError("Connection reset by peer")

    factory.hook.run_pipeline.side_effect = lose
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = "Failed"

    trigger = deferred(operator, dag_run.try_task(operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-2", 2)
    assert dag_run.stores["copy"].values["midnight_data_factory_run"]["run_id"] == "run-2"


def test_a_refused_start_is_told_at_once(operator, factory, dag_run):
    refusal = HttpResponseError("PipelineRunQueueFull")
    refusal.status_code = 429
    factory.hook.run_pipeline.side_effect = refusal
    with pytest.raises(HttpResponseError, match="PipelineRunQueueFull"):
        operator.execute(dag_run.try_task(operator))
    factory.hook.get_conn.return_value.pipeline_runs.query_by_factory.assert_not_called()


def test_a_run_that_is_at_work_after_a_long_silence_is_waited_for_again(operator, factory, dag_run):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "does not answer"})
    assert (again.value.trigger.run_id, factory.runs[0]["status"]) == ("run-1", "InProgress")


@pytest.mark.parametrize("status", ["success", "error", "timeout"])
def test_the_last_event_of_an_earlier_try_is_not_taken_for_this_ones(operator, factory, dag_run, status):
    deferred(operator, dag_run.try_task(operator))
    context = dag_run.try_task(operator, cleared=True)
    deferred(operator, context)
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(context, {"status": status, "run_id": "run-1", "message": "it has ended"})
    assert again.value.trigger.run_id == "run-2"


def test_a_failed_run_says_which_activity_and_why(operator, factory, dag_run):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    factory.runs[0].update(status="Failed", message="Operation on target CopyTables failed: Activity failed because …")
    factory.activities = [
        activity("RefuseNothing", "IfCondition"),
        activity("CopyTable", table="public.planes", part="00000", error="first try"),
        activity("CopyTable", table="public.flights", part="00000", error="lost connection"),
        activity("CopyTable", table="public.flights", part="00000"),  # the second try
        activity("CopyTable", table="public.planes", part="00000", error=NESTED),
        activity("CopyTable", table="public.weather", part="00002", error="timeout"),
        activity("CopyTables", "ForEach", error="Activity failed because an inner activity failed"),
    ]

    with pytest.raises(DataFactoryRunError) as raised:
        operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "it has Failed"})

    assert str(raised.value) == (
        "pipeline 'midnight_copy': "
        'CopyTable of public.planes: 42P01: relation "public.planes" does not exist; '
        "CopyTable of public.weather, part 3: timeout "
        "(run run-1: Failed); correct it, then clear this task; Data Factory's monitor has the details"
    )


def test_a_failed_run_whose_activities_cannot_be_read_is_told_with_its_own_message(operator, factory, dag_run):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    factory.runs[0].update(status="Failed", message="Operation on target Copy failed: no such table")
    factory.hook.get_conn.return_value.activity_runs.query_by_pipeline_run.side_effect = HttpResponseError("403")

    with pytest.raises(DataFactoryRunError, match=r"no such table \(run run-1: Failed\)"):
        operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "it has Failed"})


def test_killing_the_task_cancels_the_run_without_asking_for_names(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))

    operator.on_kill()

    assert factory.cancelled == ["run-1"]


def test_killing_the_task_while_its_run_is_started_cancels_the_run(operator, factory, dag_run):
    start = factory.run_pipeline
    # Python calls the handler of SIGTERM and comes back to what it did.
    factory.hook.run_pipeline.side_effect = lambda *args, **kwargs: (operator.on_kill(), start(*args, **kwargs))[1]

    with pytest.raises(DataFactoryRunError, match="no pipeline run is left"):
        operator.execute(dag_run.try_task(operator))

    assert factory.cancelled == ["run-1"]


def test_killing_the_task_before_its_run_is_started_starts_none(operator, factory, dag_run):
    operator.on_kill()
    with pytest.raises(DataFactoryRunError, match="no pipeline run is left"):
        operator.execute(dag_run.try_task(operator))
    assert (factory.runs, factory.cancelled) == ([], [])


def test_the_trigger_ends_the_wait_before_airflow_does(operator, dag_run):
    operator.execution_timeout = timedelta(hours=2)
    context = dag_run.try_task(operator)
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    assert raised.value.trigger.end_time == pytest.approx(time.time() + 7200, abs=5)
    assert raised.value.timeout == timedelta(hours=2, minutes=10)
    with pytest.raises(DataFactoryRunError, match="took longer than the task may; it was cancelled; raise timeout_min"):
        operator.execute_complete(context, {"status": "timeout", "run_id": "run-1", "message": "it was cancelled"})


def test_a_wait_that_airflow_ended_leaves_no_run_behind(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    with pytest.raises(TaskDeferralTimeout):
        operator.resume_execution("__fail__", {"error": "Trigger timeout"}, dag_run.try_task(operator))
    assert factory.cancelled == ["run-1"]


@pytest.mark.parametrize(("tries", "cancelled"), [(1, []), (3, ["run-1"])])
def test_a_broken_wait_leaves_the_run_to_the_next_try_if_there_is_one(operator, factory, dag_run, tries, cancelled):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    for _ in range(tries - 1):
        context = dag_run.try_task(operator)
    with pytest.raises(TaskDeferralError):
        operator.resume_execution("__fail__", {"error": "Trigger failure", "traceback": []}, context)
    assert factory.cancelled == cancelled


def test_a_noted_run_that_is_gone_is_started_again(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    factory.runs.clear()
    factory.hook.get_pipeline_run.side_effect = ResourceNotFoundError("gone")
    assert deferred(operator, dag_run.try_task(operator)).run_id == "run-1"
    assert len(factory.runs) == 1


TRIGGER = {
    "run_id": "run-1",
    "azure_data_factory_conn_id": "midnight_data_factory",
    "resource_group_name": "group",
    "factory_name": "factory",
    "check_interval": 0,
}


def fire(answers: list[Any], seconds: float = 60) -> tuple[dict[str, Any], mock.MagicMock]:
    """The trigger's event when the service answers so; an answer may be an error."""
    hook = mock.create_autospec(AzureDataFactoryAsyncHook, instance=True)
    hook.__aenter__.return_value = hook
    hook.get_adf_pipeline_run_status.side_effect = answers

    async def first() -> dict[str, Any]:
        trigger = DataFactoryRunTrigger(end_time=time.time() + seconds, **TRIGGER)
        return (await anext(trigger.run())).payload

    with mock.patch("midnight_airflow.triggers.data_factory_run.ClosingDataFactoryHook", return_value=hook):
        return asyncio.run(first()), hook


@pytest.mark.parametrize(
    ("answers", "status", "message"),
    [
        (["Queued", "InProgress", "Succeeded"], "success", "it has Succeeded"),
        (["Canceling", "Cancelled"], "error", "it has Cancelled"),
        (["InProgress", ServiceRequestError("reset"), HttpResponseError("503"), "Failed"], "error", "it has Failed"),
        ([KeyVaultUnavailableError("throttled", "wait"), "Succeeded"], "success", "it has Succeeded"),
        ([ClientAuthenticationError("expired secret")], "error", "expired secret"),
    ],
)
def test_the_trigger_asks_until_the_end_and_cancels_nothing(answers, status, message):
    event, hook = fire(answers)
    assert event == {"status": status, "message": message, "run_id": "run-1"}
    assert hook.cancel_pipeline_run.await_count == 0


def test_the_trigger_cancels_a_run_that_takes_too_long():
    event, hook = fire(["InProgress"] * 1_000_000, seconds=0.05)
    assert event == {"status": "timeout", "message": "it was cancelled", "run_id": "run-1"}
    assert hook.cancel_pipeline_run.await_count == 1


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

    with mock.patch("midnight_airflow.triggers.data_factory_run.ClosingDataFactoryHook", return_value=hook):
        asyncio.run(DataFactoryRunTrigger(**serialized).on_kill())

    assert path == "midnight_airflow.triggers.data_factory_run.DataFactoryRunTrigger"
    hook.cancel_pipeline_run.assert_awaited_once_with(
        run_id="run-1", resource_group_name="group", factory_name="factory"
    )
