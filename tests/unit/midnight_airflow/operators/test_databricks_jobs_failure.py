"""Failed, killed and refused Databricks runs: what is raised, retried and cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError

from midnight.databricks.wheel_name import wheel_name
from midnight.errors import NON_RETRYABLE_ERRORS, NON_RETRYABLE_MARKER, DeploymentError, JobError, NonRetryableJobError
from tests.support.deferral import deferred
from tests.support.jobs_workspace import FAILED


def test_a_run_cancelled_in_the_workspace_is_not_retried(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.cancel_run(1)

    with pytest.raises(
        NonRetryableJobError, match="Databricks run 1 was cancelled in the workspace; hint: clear this task"
    ):
        silver.execute_complete(context, {"run_id": 1})


def test_a_problem_of_the_trigger_fails_the_task(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    with pytest.raises(JobError, match=r"bronze_to_silver: the run was deleted \(Databricks run 1\)"):
        silver.execute_complete(context, {"run_id": 1, "problem": "the run was deleted"})


def test_a_failed_deferral_cancels_the_run_at_the_last_try_only(silver, workspace, dag_run):
    for cancelled in (0, 0, 1):
        context = dag_run.try_task(silver)
        deferred(silver, context)
        with pytest.raises(JobError, match="Trigger failure"):
            silver.resume_execution("__fail__", {"error": "Trigger failure"}, context)
        assert workspace.hook.cancel_run.call_count == cancelled
    assert len(workspace.runs) == 1


def test_a_signal_before_the_run_is_started_starts_none(silver, workspace, dag_run):
    silver.on_kill()
    with pytest.raises(JobError, match="the task was killed while it started the step"):
        silver.execute(dag_run.try_task(silver))
    assert workspace.requests == []


def test_a_signal_while_the_run_is_being_started_cancels_it(silver, workspace, dag_run):
    started = workspace.run_now

    def run_now(json: dict[str, Any]) -> int:
        workspace.hook.run_now.side_effect = started
        silver.on_kill()  # in the middle of the request: Airflow calls it in a signal handler
        return started(json)

    workspace.hook.run_now.side_effect = run_now
    with pytest.raises(JobError, match="the task was killed while it started the step"):
        silver.execute(dag_run.try_task(silver))
    assert [run["state"]["result_state"] for run in workspace.runs.values()] == ["CANCELED"]


def test_a_job_that_was_not_deployed_from_these_files_is_not_started(silver, workspace, dag_run):
    """Concurrent runs were allowed by hand, or the code was upgraded and the job was not."""
    workspace.job |= {"max_concurrent_runs": 2}
    for task in workspace.job["tasks"]:
        task["libraries"] = [{"whl": "/Workspace/w/midnight_lakehouse-0.1.0+g000000000000-py3-none-any.whl"}]
    with pytest.raises(DeploymentError) as raised:
        silver.execute(dag_run.try_task(silver))
    for text in ("job 7", "max_concurrent_runs is 2, expected 1", "+g000000000000", wheel_name(), "terraform apply"):
        assert text in str(raised.value)
    assert isinstance(raised.value, NON_RETRYABLE_ERRORS)
    assert workspace.requests == []


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_job_that_cannot_be_seen_is_not_retried(silver, workspace, dag_run, status):
    refused = DatabricksApiError("Job 7 does not exist.", http_status_code=status)
    workspace.hook._do_api_call.side_effect = refused
    with pytest.raises(DeploymentError, match=r"could not read Databricks job 7: .*; hint: MIDNIGHT_DATABRICKS_JOB_ID"):
        silver.execute(dag_run.try_task(silver))


def test_an_unavailable_workspace_is_retried(silver, workspace, dag_run):
    workspace.hook._do_api_call.side_effect = DatabricksApiError("later", http_status_code=503)
    with pytest.raises(DatabricksApiError):
        silver.execute(dag_run.try_task(silver))


def test_the_error_of_a_failed_step_is_the_jobs_own(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.end(1, bronze_to_silver=FAILED)

    with pytest.raises(JobError) as raised:
        silver.execute_complete(context, {"run_id": 1})

    assert str(raised.value) == (
        "bronze_to_silver: flights: 3 rows break the key; look at the quarantine (Databricks run 1)"
    )


def test_a_non_retryable_failure(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.end(1, bronze_to_silver=FAILED)
    workspace.logs = f"{NON_RETRYABLE_MARKER}\nerror: the check failed\n"

    with pytest.raises(NonRetryableJobError, match="the check failed"):
        silver.execute_complete(context, {"run_id": 1})


def test_a_run_that_ends_before_the_step_started_is_a_failure(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.runs[1] = {
        "state": {"life_cycle_state": "SKIPPED", "state_message": "the queue was full"},
        "tasks": [],
    }

    with pytest.raises(JobError, match="the queue was full"):
        silver.execute_complete(context, {"run_id": 1})


def test_killing_the_task_cancels_the_run(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    silver.on_kill()

    workspace.hook.cancel_run.assert_called_once_with(1)
