"""The Databricks operators against a small workspace behind an autospec'd hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.sdk.exceptions import TaskDeferred

from midnight.databricks.wheel_name import wheel_name
from midnight.errors import NON_RETRYABLE_ERRORS, NON_RETRYABLE_MARKER, DeploymentError, JobError, NonRetryableJobError
from midnight_airflow.operators.databricks_jobs import DatabricksGoldOperator, DatabricksSilverOperator
from midnight_airflow.run_context import batch_id
from midnight_airflow.triggers.databricks_step import DatabricksStepTrigger
from tests.support.deployed import deployed_job

RUNNING = {"life_cycle_state": "RUNNING"}
DONE = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
FAILED = {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "Workload failed"}


class Workspace:
    """The Jobs API's contract: one run per idempotency token, the tasks of the job in each run."""

    def __init__(self) -> None:
        self.job = deployed_job(f"/Workspace/midnight-wheels/{wheel_name()}")
        self.runs: dict[int, dict[str, Any]] = {}
        self.tokens: dict[str, int] = {}
        self.requests: list[dict[str, Any]] = []
        self.logs = "12 rows\nerror: flights: 3 rows break the key; look at the quarantine\n"
        hook = mock.create_autospec(DatabricksHook, instance=True, spec_set=True)
        for name in ("run_now", "get_run", "get_run_output", "cancel_run"):
            getattr(hook, name).side_effect = getattr(self, name)
        hook._do_api_call.side_effect = self.answer
        self.hook = hook

    def run_now(self, json: dict[str, Any]) -> int:
        self.requests.append(json)
        if json["idempotency_token"] not in self.tokens:
            number = 1 + len(self.runs)
            tasks = [
                {"task_key": t["task_key"], "run_id": 10 * number + i, "state": dict(RUNNING)}
                for i, t in enumerate(self.job["tasks"])
            ]
            parameters = [{"name": name, "value": value} for name, value in json["job_parameters"].items()]
            self.runs[number] = {
                "run_id": number,
                "job_parameters": parameters,
                "state": dict(RUNNING),
                "tasks": tasks,
                "run_page_url": f"https://adb/{number}",
            }
            self.tokens[json["idempotency_token"]] = number
        return self.tokens[json["idempotency_token"]]

    def get_run(self, run_id: int) -> dict[str, Any]:
        return self.runs[run_id]

    def answer(self, endpoint: tuple[str, str], query: dict[str, Any]) -> dict[str, Any]:
        assert query["job_id"] == 7
        if endpoint == ("GET", "2.2/jobs/get"):
            return {"job_id": 7, "settings": self.job}
        assert (endpoint, query["active_only"]) == (("GET", "2.2/jobs/runs/list"), "true")
        return {"runs": [run for run in self.runs.values() if run["state"] == RUNNING]}

    def steps(self, run_id: int) -> str:
        """The parameter ``steps`` of a run."""
        parameters = {item["name"]: item["value"] for item in self.runs[run_id]["job_parameters"]}
        return str(parameters["steps"])

    def get_run_output(self, run_id: int) -> dict[str, Any]:
        return {"logs": self.logs, "error": "SystemExit: 1"}

    def cancel_run(self, run_id: int) -> None:
        self.runs[run_id]["state"] = {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"}

    def end(self, run_id: int, **steps: dict[str, str]) -> None:
        """End steps of a run; the run ends with its last step."""
        for task in self.runs[run_id]["tasks"]:
            task["state"] = steps.get(task["task_key"], task["state"])
        if all(task["state"]["life_cycle_state"] == "TERMINATED" for task in self.runs[run_id]["tasks"]):
            failed = any(task["state"]["result_state"] != "SUCCESS" for task in self.runs[run_id]["tasks"])
            self.runs[run_id]["state"] = dict(FAILED if failed else DONE)


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


def deferred(operator: Any, context: dict[str, Any]) -> DatabricksStepTrigger:
    """The trigger that the operator waits for."""
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    assert raised.value.method_name == "execute_complete"
    return raised.value.trigger


def test_silver_starts_both_steps_and_waits_for_its_own(silver, workspace, dag_run):
    context = dag_run.try_task(silver)

    trigger = deferred(silver, context)

    assert (trigger.run_id, trigger.step) == (1, "bronze_to_silver")
    assert workspace.requests[0]["job_parameters"]["run_document"].startswith(
        "abfss://bronze@lake.dfs.core.windows.net/_runs/20260102T000000000Z-"
    )
    assert dag_run.xcoms["silver.bronze_to_silver", "run_page_url"] == "https://adb/1"
    workspace.end(1, bronze_to_silver=DONE)
    silver.execute_complete(context, {"run_id": 1})


def test_the_last_event_of_an_earlier_try_is_ignored(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    context = dag_run.try_task(silver, cleared=True)
    deferred(silver, context)  # cancels the first run

    with pytest.raises(TaskDeferred) as again:
        silver.execute_complete(context, {"run_id": 1})

    assert again.value.trigger.run_id == 2


def test_a_rebuild_is_planned_again_before_it_starts(silver, plan, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    assert plan.call_args.args[2] == batch_id(context)


def test_gold_waits_for_the_run_of_silver(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE)
    context = dag_run.try_task(gold)

    trigger = deferred(gold, context)

    assert (trigger.run_id, trigger.step) == (1, "silver_to_gold")
    workspace.end(1, silver_to_gold=DONE)
    gold.execute_complete(context, {"run_id": 1})
    assert len(workspace.runs) == 1


def test_a_retry_after_a_crash_finds_its_run(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))

    trigger = deferred(silver, dag_run.try_task(silver))

    assert (trigger.run_id, len(workspace.runs)) == (1, 1)


def test_a_retry_after_a_failure_starts_one_new_run(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=FAILED, silver_to_gold={**FAILED, "result_state": "UPSTREAM_FAILED"})

    trigger = deferred(silver, dag_run.try_task(silver))
    again = deferred(silver, dag_run.try_task(silver))  # this one is after a crash

    assert (trigger.run_id, again.run_id, len(workspace.runs)) == (2, 2, 2)


def test_clearing_silver_starts_a_new_run_and_gold_waits_for_that_one(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE, silver_to_gold=DONE)
    gold.execute(dag_run.try_task(gold))

    cleared = deferred(silver, dag_run.try_task(silver, cleared=True))
    followed = deferred(gold, dag_run.try_task(gold, cleared=True))

    assert (cleared.run_id, followed.run_id, len(workspace.runs)) == (2, 2, 2)


def test_clearing_gold_alone_runs_gold_alone(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE, silver_to_gold=DONE)
    gold.execute(dag_run.try_task(gold))

    cleared = deferred(gold, dag_run.try_task(gold, cleared=True))
    again = deferred(gold, dag_run.try_task(gold))  # its worker crashed

    assert (cleared.run_id, again.run_id) == (2, 2)
    assert (workspace.steps(1), workspace.steps(2)) == ("bronze_to_silver,silver_to_gold", "silver_to_gold")
    assert {request["job_id"] for request in workspace.requests} == {7}  # otherwise both could write at the same time


def test_clearing_gold_a_second_time_runs_gold_again(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE, silver_to_gold=DONE)
    gold.execute(dag_run.try_task(gold))
    context = dag_run.try_task(gold, cleared=True)
    deferred(gold, context)
    workspace.end(2, bronze_to_silver=DONE, silver_to_gold=DONE)
    gold.execute_complete(context, {"run_id": 2})

    assert deferred(gold, dag_run.try_task(gold, cleared=True)).run_id == 3


def test_gold_that_was_cleared_while_it_waited_starts_gold_alone(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE)
    deferred(gold, dag_run.try_task(gold))
    workspace.cancel_run(1)

    assert deferred(gold, dag_run.try_task(gold, cleared=True)).run_id == 2
    assert workspace.steps(2) == "silver_to_gold"


def test_gold_waits_for_the_new_run_when_silver_was_cleared_alone(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE)
    context = dag_run.try_task(gold)
    deferred(gold, context)

    deferred(silver, dag_run.try_task(silver, cleared=True))

    assert workspace.runs[1]["state"]["result_state"] == "CANCELED"  # otherwise two would write the same batch
    with pytest.raises(JobError) as raised:
        gold.execute_complete(context, {"run_id": 1})
    assert not isinstance(raised.value, NonRetryableJobError)
    assert deferred(gold, dag_run.try_task(gold)).run_id == 2


def test_the_run_of_a_dead_worker_is_cancelled_when_its_task_is_cleared(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))  # its run id was not stored

    cleared = deferred(silver, dag_run.try_task(silver, cleared=True))

    assert (cleared.run_id, workspace.runs[1]["state"]["result_state"]) == (2, "CANCELED")


def test_runs_of_another_batch_are_not_cancelled(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.runs[1]["job_parameters"][0]["value"] = "abfss://bronze@lake/_runs/other.json"

    deferred(silver, dag_run.try_task(silver, cleared=True))

    assert workspace.runs[1]["state"] == RUNNING


def test_a_deleted_run_of_an_earlier_try_is_skipped(silver, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    context = dag_run.try_task(silver)
    deleted = DatabricksApiError("the run with this token was deleted", http_status_code=400)
    workspace.hook.run_now.side_effect = [deleted, 7]
    workspace.runs[7] = workspace.runs.pop(1) | {"run_id": 7}

    assert deferred(silver, context).run_id == 7


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


def test_a_retry_of_gold_runs_gold_alone(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE, silver_to_gold=FAILED)
    with pytest.raises(JobError):
        gold.execute(dag_run.try_task(gold))

    trigger = deferred(gold, dag_run.try_task(gold))

    assert workspace.steps(trigger.run_id) == "silver_to_gold"


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
