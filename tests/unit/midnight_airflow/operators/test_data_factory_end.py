"""The end of a Data Factory run: its error, killed tasks, deadlines and failed deferrals."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout, TaskDeferred
from azure.core.exceptions import HttpResponseError

from midnight_airflow.operators.pipeline_run_attempt import DataFactoryRunError
from tests.support.deferral import deferred

NESTED = (
    "ErrorCode=UserErrorFailedToReadFromSource,'Type=Microsoft.DataTransfer.Common.Shared.HybridDeliveryException,"
    "Message=Failure happened on 'Source' side.,Source=Microsoft.DataTransfer,''Type=Npgsql.PostgresException,"
    'Message=42P01: relation "public.planes" does not exist,Source=Npgsql,\''
)


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


def test_a_run_that_is_active_after_a_long_outage_is_waited_for_again(copy_operator, factory, dag_run):
    context = dag_run.try_task(copy_operator)
    deferred(copy_operator, context)
    with pytest.raises(TaskDeferred) as again:
        copy_operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "does not answer"})
    assert (again.value.trigger.run_id, factory.runs[0]["status"]) == ("run-1", "InProgress")


@pytest.mark.parametrize("status", ["success", "error", "timeout"])
def test_the_last_event_of_an_earlier_try_is_ignored(copy_operator, factory, dag_run, status):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    context = dag_run.try_task(copy_operator, cleared=True)
    deferred(copy_operator, context)
    with pytest.raises(TaskDeferred) as again:
        copy_operator.execute_complete(context, {"status": status, "run_id": "run-1", "message": "it has ended"})
    assert again.value.trigger.run_id == "run-2"


def test_the_error_of_a_failed_run_names_activity_table_and_reason(copy_operator, factory, dag_run):
    context = dag_run.try_task(copy_operator)
    deferred(copy_operator, context)
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
        copy_operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "status Failed"})

    assert str(raised.value) == (
        "pipeline 'midnight_copy': "
        'CopyTable of public.planes: 42P01: relation "public.planes" does not exist; '
        "CopyTable of public.weather, part 3: timeout "
        "(run run-1: Failed); hint: fix the cause, then clear this task; Data Factory's monitor has the details"
    )


def test_the_error_of_a_failed_run_without_activities_is_its_own_message(copy_operator, factory, dag_run):
    context = dag_run.try_task(copy_operator)
    deferred(copy_operator, context)
    factory.runs[0].update(status="Failed", message="Operation on target Copy failed: no such table")
    factory.hook.get_conn.return_value.activity_runs.query_by_pipeline_run.side_effect = HttpResponseError("403")

    with pytest.raises(DataFactoryRunError, match=r"no such table \(run run-1: Failed\)"):
        copy_operator.execute_complete(context, {"status": "error", "run_id": "run-1", "message": "status Failed"})


def test_killing_the_task_cancels_the_run_without_reading_the_connection(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))

    copy_operator.on_kill()

    assert factory.cancelled == ["run-1"]


def test_killing_the_task_while_its_run_is_started_cancels_the_run(copy_operator, factory, dag_run):
    start = factory.run_pipeline
    # Python calls the handler of SIGTERM and comes back to what it did.
    factory.hook.run_pipeline.side_effect = lambda *args, **kwargs: (copy_operator.on_kill(), start(*args, **kwargs))[1]

    with pytest.raises(DataFactoryRunError, match="its pipeline run was cancelled or not started"):
        copy_operator.execute(dag_run.try_task(copy_operator))

    assert factory.cancelled == ["run-1"]


def test_killing_the_task_before_its_run_is_started_starts_none(copy_operator, factory, dag_run):
    copy_operator.on_kill()
    with pytest.raises(DataFactoryRunError, match="its pipeline run was cancelled or not started"):
        copy_operator.execute(dag_run.try_task(copy_operator))
    assert (factory.runs, factory.cancelled) == ([], [])


def test_the_triggers_deadline_is_before_airflows_timeout(copy_operator, dag_run):
    copy_operator.execution_timeout = timedelta(hours=2)
    context = dag_run.try_task(copy_operator)
    with pytest.raises(TaskDeferred) as raised:
        copy_operator.execute(context)
    assert raised.value.trigger.end_time == pytest.approx(time.time() + 7200, abs=5)
    assert raised.value.timeout == timedelta(hours=2, minutes=10)
    with pytest.raises(
        DataFactoryRunError, match="did not end before the deadline; it was cancelled; hint: raise timeout_min"
    ):
        copy_operator.execute_complete(context, {"status": "timeout", "run_id": "run-1", "message": "it was cancelled"})


def test_a_deferral_that_timed_out_cancels_the_run(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    with pytest.raises(TaskDeferralTimeout):
        copy_operator.resume_execution("__fail__", {"error": "Trigger timeout"}, dag_run.try_task(copy_operator))
    assert factory.cancelled == ["run-1"]


@pytest.mark.parametrize(("tries", "cancelled"), [(1, []), (3, ["run-1"])])
def test_a_failed_deferral_cancels_the_run_at_the_last_try_only(copy_operator, factory, dag_run, tries, cancelled):
    context = dag_run.try_task(copy_operator)
    deferred(copy_operator, context)
    for _ in range(tries - 1):
        context = dag_run.try_task(copy_operator)
    with pytest.raises(TaskDeferralError):
        copy_operator.resume_execution("__fail__", {"error": "Trigger failure", "traceback": []}, context)
    assert factory.cancelled == cancelled
