"""The Data Factory operator against a small factory behind an autospec'd hook and the SDK's models."""

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
from midnight_airflow.operators import pipeline_run_attempt
from midnight_airflow.operators.data_factory import DataFactoryCopyOperator
from midnight_airflow.operators.pipeline_run_attempt import DataFactoryRunError
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger


class Factory:
    """Pipeline runs; the query returns pages of two."""

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
        """A cancelled run has ended at the second read."""
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
    """An activity run as the service returns it."""
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


def test_a_retry_after_a_crash_finds_the_stored_run(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))

    trigger = deferred(operator, dag_run.try_task(operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-1", 1)


def test_a_retry_finds_a_run_that_was_started_but_not_stored(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    dag_run.stores["copy"].values.clear()  # the worker died before it stored the id
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


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("status", ["Queued", "InProgress", "Canceling"])
def test_clearing_cancels_the_active_run_before_another_is_started(operator, factory, dag_run, status, stored):
    deferred(operator, dag_run.try_task(operator))
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = status
    factory.runs.append({"runId": "of-another-group", "status": "InProgress", "parameters": {"request_id": "x"}})
    if not stored:
        dag_run.stores["copy"].values.clear()

    trigger = deferred(operator, dag_run.try_task(operator, cleared=True))  # the triggerer was dead meanwhile

    assert [run["status"] for run in factory.runs] == ["Cancelled", "InProgress", "InProgress"]
    assert trigger.run_id == "run-3"


def test_an_earlier_run_that_does_not_end_is_named(operator, factory, dag_run, monkeypatch):
    monkeypatch.setattr(pipeline_run_attempt, "CANCEL_TIMEOUT", timedelta(0))
    deferred(operator, dag_run.try_task(operator))
    with pytest.raises(
        DataFactoryRunError, match="run run-1 of an earlier try was cancelled, but is still InProgress; hint:"
    ):
        operator.execute(dag_run.try_task(operator, cleared=True))
    assert len(factory.runs) == 1


def test_a_run_whose_response_was_lost_is_found(operator, factory, dag_run):
    def lose(*args: Any, **kwargs: Any) -> None:
        factory.run_pipeline(*args, **kwargs)
        raise ServiceResponseError("Connection reset by peer")

    factory.hook.run_pipeline.side_effect = lose
    deferred(operator, dag_run.try_task(operator))
    factory.runs[0]["status"] = "Failed"

    trigger = deferred(operator, dag_run.try_task(operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-2", 2)
    assert dag_run.stores["copy"].values["midnight_data_factory_run"]["run_id"] == "run-2"


def test_a_refused_start_fails_at_once(operator, factory, dag_run):
    refusal = HttpResponseError("PipelineRunQueueFull")
    refusal.status_code = 429
    factory.hook.run_pipeline.side_effect = refusal
    with pytest.raises(HttpResponseError, match="PipelineRunQueueFull"):
        operator.execute(dag_run.try_task(operator))
    factory.hook.get_conn.return_value.pipeline_runs.query_by_factory.assert_not_called()


def test_a_run_that_is_active_after_a_long_outage_is_waited_for_again(operator, factory, dag_run):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "does not answer"})
    assert (again.value.trigger.run_id, factory.runs[0]["status"]) == ("run-1", "InProgress")


@pytest.mark.parametrize("status", ["success", "error", "timeout"])
def test_the_last_event_of_an_earlier_try_is_ignored(operator, factory, dag_run, status):
    deferred(operator, dag_run.try_task(operator))
    context = dag_run.try_task(operator, cleared=True)
    deferred(operator, context)
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(context, {"status": status, "run_id": "run-1", "message": "it has ended"})
    assert again.value.trigger.run_id == "run-2"


def test_the_error_of_a_failed_run_names_activity_table_and_reason(operator, factory, dag_run):
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
        operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "status Failed"})

    assert str(raised.value) == (
        "pipeline 'midnight_copy': "
        'CopyTable of public.planes: 42P01: relation "public.planes" does not exist; '
        "CopyTable of public.weather, part 3: timeout "
        "(run run-1: Failed); hint: fix the cause, then clear this task; Data Factory's monitor has the details"
    )


def test_the_error_of_a_failed_run_without_activities_is_its_own_message(operator, factory, dag_run):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    factory.runs[0].update(status="Failed", message="Operation on target Copy failed: no such table")
    factory.hook.get_conn.return_value.activity_runs.query_by_pipeline_run.side_effect = HttpResponseError("403")

    with pytest.raises(DataFactoryRunError, match=r"no such table \(run run-1: Failed\)"):
        operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "status Failed"})


def test_killing_the_task_cancels_the_run_without_reading_the_connection(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))

    operator.on_kill()

    assert factory.cancelled == ["run-1"]


def test_killing_the_task_while_its_run_is_started_cancels_the_run(operator, factory, dag_run):
    start = factory.run_pipeline
    # Python calls the handler of SIGTERM and comes back to what it did.
    factory.hook.run_pipeline.side_effect = lambda *args, **kwargs: (operator.on_kill(), start(*args, **kwargs))[1]

    with pytest.raises(DataFactoryRunError, match="its pipeline run was cancelled or not started"):
        operator.execute(dag_run.try_task(operator))

    assert factory.cancelled == ["run-1"]


def test_killing_the_task_before_its_run_is_started_starts_none(operator, factory, dag_run):
    operator.on_kill()
    with pytest.raises(DataFactoryRunError, match="its pipeline run was cancelled or not started"):
        operator.execute(dag_run.try_task(operator))
    assert (factory.runs, factory.cancelled) == ([], [])


def test_the_triggers_deadline_is_before_airflows_timeout(operator, dag_run):
    operator.execution_timeout = timedelta(hours=2)
    context = dag_run.try_task(operator)
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    assert raised.value.trigger.end_time == pytest.approx(time.time() + 7200, abs=5)
    assert raised.value.timeout == timedelta(hours=2, minutes=10)
    with pytest.raises(
        DataFactoryRunError, match="did not end before the deadline; it was cancelled; hint: raise timeout_min"
    ):
        operator.execute_complete(context, {"status": "timeout", "run_id": "run-1", "message": "it was cancelled"})


def test_a_deferral_that_timed_out_cancels_the_run(operator, factory, dag_run):
    deferred(operator, dag_run.try_task(operator))
    with pytest.raises(TaskDeferralTimeout):
        operator.resume_execution("__fail__", {"error": "Trigger timeout"}, dag_run.try_task(operator))
    assert factory.cancelled == ["run-1"]


@pytest.mark.parametrize(("tries", "cancelled"), [(1, []), (3, ["run-1"])])
def test_a_failed_deferral_cancels_the_run_at_the_last_try_only(operator, factory, dag_run, tries, cancelled):
    context = dag_run.try_task(operator)
    deferred(operator, context)
    for _ in range(tries - 1):
        context = dag_run.try_task(operator)
    with pytest.raises(TaskDeferralError):
        operator.resume_execution("__fail__", {"error": "Trigger failure", "traceback": []}, context)
    assert factory.cancelled == cancelled


def test_a_stored_run_that_was_deleted_is_started_again(operator, factory, dag_run):
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
    """The trigger's event, given the responses of the service; a response may be an error."""
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
        (["Queued", "InProgress", "Succeeded"], "success", "status Succeeded"),
        (["Canceling", "Cancelled"], "error", "status Cancelled"),
        (["InProgress", ServiceRequestError("reset"), HttpResponseError("503"), "Failed"], "error", "status Failed"),
        ([KeyVaultUnavailableError("throttled", "wait"), "Succeeded"], "success", "status Succeeded"),
        ([ClientAuthenticationError("expired secret")], "error", "expired secret"),
    ],
)
def test_the_trigger_polls_until_the_run_has_ended_and_cancels_nothing(answers, status, message):
    event, hook = fire(answers)
    assert event == {"status": status, "message": message, "run_id": "run-1"}
    assert hook.cancel_pipeline_run.await_count == 0


def test_the_trigger_cancels_a_run_after_the_deadline():
    event, hook = fire(["InProgress"] * 1_000_000, seconds=0.05)
    assert event == {"status": "timeout", "message": "it was cancelled", "run_id": "run-1"}
    assert hook.cancel_pipeline_run.await_count == 1


def test_clearing_a_deferred_task_cancels_the_run():
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
