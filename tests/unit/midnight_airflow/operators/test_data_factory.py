"""The Data Factory operator starts one pipeline run per try that needs one, and finds it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceResponseError

from midnight_airflow.operators import pipeline_run_attempt
from midnight_airflow.operators.pipeline_run_attempt import DataFactoryRunError
from tests.support.deferral import deferred


def test_a_run_is_started_with_its_parameters(copy_operator, factory, dag_run):
    trigger = deferred(copy_operator, dag_run.try_task(copy_operator))

    assert trigger.run_id == "run-1"
    assert (trigger.resource_group_name, trigger.factory_name) == ("group", "factory")
    assert factory.runs[0]["parameters"]["batch_id"] == "b1"
    assert len(factory.runs[0]["parameters"]["request_id"]) == 40
    assert "run-1?factory=/subscriptions/sub/" in dag_run.xcoms["copy", "run_page_url"]


def test_a_retry_after_a_crash_finds_the_stored_run(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))

    trigger = deferred(copy_operator, dag_run.try_task(copy_operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-1", 1)


def test_a_retry_finds_a_run_that_was_started_but_not_stored(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    dag_run.stores["copy"].values.clear()  # the worker died before it stored the id
    factory.runs += [
        {"runId": f"other-{i}", "status": "InProgress", "parameters": {"request_id": "x"}} for i in range(4)
    ]

    trigger = deferred(copy_operator, dag_run.try_task(copy_operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-1", 5)


def test_a_retry_after_a_run_that_succeeded_is_done(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    factory.runs[0]["status"] = "Succeeded"

    copy_operator.execute(dag_run.try_task(copy_operator))

    assert len(factory.runs) == 1


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Canceling"])
def test_a_retry_after_a_failed_run_starts_another(copy_operator, factory, dag_run, status):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    factory.runs[0]["status"] = status

    assert deferred(copy_operator, dag_run.try_task(copy_operator)).run_id == "run-2"
    assert deferred(copy_operator, dag_run.try_task(copy_operator)).run_id == "run-2"  # this one after a crash


def test_clearing_copies_again(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    factory.runs[0]["status"] = "Succeeded"

    trigger = deferred(copy_operator, dag_run.try_task(copy_operator, cleared=True))

    assert trigger.run_id == "run-2"
    assert factory.runs[0]["parameters"]["request_id"] != factory.runs[1]["parameters"]["request_id"]


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("status", ["Queued", "InProgress", "Canceling"])
def test_clearing_cancels_the_active_run_before_another_is_started(copy_operator, factory, dag_run, status, stored):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    deferred(copy_operator, dag_run.try_task(copy_operator))
    factory.runs[0]["status"] = status
    factory.runs.append({"runId": "of-another-group", "status": "InProgress", "parameters": {"request_id": "x"}})
    if not stored:
        dag_run.stores["copy"].values.clear()

    trigger = deferred(copy_operator, dag_run.try_task(copy_operator, cleared=True))  # the triggerer was dead meanwhile

    assert [run["status"] for run in factory.runs] == ["Cancelled", "InProgress", "InProgress"]
    assert trigger.run_id == "run-3"


def test_an_earlier_run_that_does_not_end_is_named(copy_operator, factory, dag_run, monkeypatch):
    monkeypatch.setattr(pipeline_run_attempt, "CANCEL_TIMEOUT", timedelta(0))
    deferred(copy_operator, dag_run.try_task(copy_operator))
    with pytest.raises(
        DataFactoryRunError, match="run run-1 of an earlier try was cancelled, but is still InProgress; hint:"
    ):
        copy_operator.execute(dag_run.try_task(copy_operator, cleared=True))
    assert len(factory.runs) == 1


def test_a_run_whose_response_was_lost_is_found(copy_operator, factory, dag_run):
    def lose(*args: Any, **kwargs: Any) -> None:
        factory.run_pipeline(*args, **kwargs)
        raise ServiceResponseError("Connection reset by peer")

    factory.hook.run_pipeline.side_effect = lose
    deferred(copy_operator, dag_run.try_task(copy_operator))
    factory.runs[0]["status"] = "Failed"

    trigger = deferred(copy_operator, dag_run.try_task(copy_operator))

    assert (trigger.run_id, len(factory.runs)) == ("run-2", 2)
    assert dag_run.stores["copy"].values["midnight_data_factory_run"]["run_id"] == "run-2"


def test_a_refused_start_fails_at_once(copy_operator, factory, dag_run):
    refusal = HttpResponseError("PipelineRunQueueFull")
    refusal.status_code = 429
    factory.hook.run_pipeline.side_effect = refusal
    with pytest.raises(HttpResponseError, match="PipelineRunQueueFull"):
        copy_operator.execute(dag_run.try_task(copy_operator))
    factory.hook.get_conn.return_value.pipeline_runs.query_by_factory.assert_not_called()


def test_a_stored_run_that_was_deleted_is_started_again(copy_operator, factory, dag_run):
    deferred(copy_operator, dag_run.try_task(copy_operator))
    factory.runs.clear()
    factory.hook.get_pipeline_run.side_effect = ResourceNotFoundError("gone")
    assert deferred(copy_operator, dag_run.try_task(copy_operator)).run_id == "run-1"
    assert len(factory.runs) == 1
