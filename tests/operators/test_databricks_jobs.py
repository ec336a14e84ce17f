"""The Databricks operators against a small workspace behind an autospec'd hook."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.sdk.exceptions import TaskDeferred

from midnight.errors import FINAL_MARK, FinalJobError, JobError
from midnight_airflow.operators.databricks_jobs import DatabricksGoldOperator, DatabricksSilverOperator
from midnight_airflow.run_context import batch_id
from midnight_airflow.triggers.databricks_step import DatabricksStepTrigger

RUNNING = {"life_cycle_state": "RUNNING"}
DONE = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
FAILED = {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "Workload failed"}


class Workspace:
    """What the Jobs API promises: one run per idempotency token, the tasks of the job in each run."""

    def __init__(self) -> None:
        self.jobs: dict[int, dict[str, Any]] = {}
        self.runs: dict[int, dict[str, Any]] = {}
        self.tokens: dict[str, int] = {}
        self.requests: list[dict[str, Any]] = []
        self.logs = "12 rows\nerror: flights: 3 rows break the key; look at the quarantine\n"
        hook = mock.create_autospec(DatabricksHook, instance=True, spec_set=True)
        for name in ("list_jobs", "create_job", "reset_job", "run_now", "get_run", "get_run_output", "cancel_run"):
            getattr(hook, name).side_effect = getattr(self, name)
        self.hook = hook

    def list_jobs(self, job_name: str) -> list[dict[str, Any]]:
        return [{"job_id": i, "settings": job} for i, job in self.jobs.items() if job["name"] == job_name]

    def create_job(self, json: dict[str, Any]) -> int:
        self.jobs[100 + len(self.jobs)] = json
        return 99 + len(self.jobs)

    def reset_job(self, job_id: str, json: dict[str, Any]) -> None:
        self.jobs[int(job_id)] = json

    def run_now(self, json: dict[str, Any]) -> int:
        self.requests.append(json)
        if json["idempotency_token"] not in self.tokens:
            number = 1 + len(self.runs)
            tasks = [
                {"task_key": t["task_key"], "run_id": 10 * number + i, "state": dict(RUNNING)}
                for i, t in enumerate(self.jobs[json["job_id"]]["tasks"])
            ]
            self.runs[number] = {"state": dict(RUNNING), "tasks": tasks, "run_page_url": f"https://adb/{number}"}
            self.tokens[json["idempotency_token"]] = number
        return self.tokens[json["idempotency_token"]]

    def get_run(self, run_id: int) -> dict[str, Any]:
        return self.runs[run_id]

    def get_run_output(self, run_id: int) -> dict[str, Any]:
        return {"logs": self.logs, "error": "SystemExit: 1"}

    def cancel_run(self, run_id: int) -> None:
        self.runs[run_id]["state"] = {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"}

    def end(self, run_id: int, **steps: dict[str, str]) -> None:
        """Let steps of a run end; the run ends with its last step."""
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
    """Stands for planning a rebuild again; it would need the lake."""
    with (
        mock.patch("midnight_airflow.operators.databricks_jobs.open_lake", autospec=True),
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
    assert [job["name"] for job in workspace.jobs.values()] == ["midnight"]
    assert workspace.requests[0]["job_parameters"]["run_document"].startswith(
        "abfss://bronze@lake.dfs.core.windows.net/_runs/20260102T000000000Z-"
    )
    assert dag_run.xcoms["silver.bronze_to_silver", "run_page_url"] == "https://adb/1"
    workspace.end(1, bronze_to_silver=DONE)
    silver.execute_complete(context, {"run_id": 1})


def test_a_rebuild_is_planned_again_before_it_starts(silver, plan, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    assert plan.call_args.args[2] == batch_id(context)


def test_gold_follows_the_run_of_silver(silver, gold, workspace, dag_run):
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


def test_clearing_silver_starts_a_new_run_and_gold_follows_that_one(silver, gold, workspace, dag_run):
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
    assert [task["task_key"] for task in workspace.runs[2]["tasks"]] == ["silver_to_gold"]
    assert [job["name"] for job in workspace.jobs.values()] == ["midnight", "midnight-gold"]


def test_a_gold_that_failed_is_retried_without_silver(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE, silver_to_gold=FAILED)
    with pytest.raises(JobError):
        gold.execute(dag_run.try_task(gold))

    trigger = deferred(gold, dag_run.try_task(gold))

    assert [task["task_key"] for task in workspace.runs[trigger.run_id]["tasks"]] == ["silver_to_gold"]


def test_a_failure_is_told_in_the_sentence_of_the_job(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.end(1, bronze_to_silver=FAILED)

    with pytest.raises(JobError) as raised:
        silver.execute_complete(context, {"run_id": 1})

    assert str(raised.value) == (
        "bronze_to_silver: flights: 3 rows break the key; look at the quarantine (Databricks run 1)"
    )


def test_a_failure_that_another_try_cannot_cure(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.end(1, bronze_to_silver=FAILED)
    workspace.logs = f"{FINAL_MARK}\nerror: the check failed\n"

    with pytest.raises(FinalJobError, match="the check failed"):
        silver.execute_complete(context, {"run_id": 1})


def test_a_run_that_is_cancelled_before_the_step_began_is_a_failure(silver, workspace, dag_run):
    context = dag_run.try_task(silver)
    deferred(silver, context)
    workspace.runs[1] = {
        "state": {"life_cycle_state": "SKIPPED", "state_message": "cancelled in the queue"},
        "tasks": [],
    }

    with pytest.raises(JobError, match="cancelled in the queue"):
        silver.execute_complete(context, {"run_id": 1})


def test_the_saved_job_is_updated_when_its_definition_changed(silver, workspace, dag_run, monkeypatch):
    deferred(silver, dag_run.try_task(silver))
    before = dict(workspace.jobs[100])
    deferred(silver, dag_run.try_task(silver))
    assert workspace.hook.reset_job.call_count == 0

    monkeypatch.setenv("MIDNIGHT_DATABRICKS_WORKERS", "5")
    deferred(silver, dag_run.try_task(silver))

    assert workspace.hook.reset_job.call_count == 1
    assert workspace.jobs[100]["job_clusters"][0]["new_cluster"]["num_workers"] == 5
    assert workspace.jobs[100]["tags"] != before["tags"]


def test_a_missing_permission_is_a_sentence(silver, workspace, dag_run):
    workspace.hook.create_job.side_effect = DatabricksApiError("PERMISSION_DENIED", http_status_code=403)

    with pytest.raises(JobError, match="'midnight'; give it CAN_MANAGE"):
        silver.execute(dag_run.try_task(silver))


def test_killing_the_task_cancels_the_run(silver, workspace, dag_run):
    silver.on_kill()
    assert workspace.hook.cancel_run.call_count == 0

    deferred(silver, dag_run.try_task(silver))
    silver.on_kill()

    workspace.hook.cancel_run.assert_called_once_with(1)


async def _events(trigger: DatabricksStepTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


def test_the_trigger_fires_when_the_step_has_ended_though_the_run_goes_on():
    hook = mock.create_autospec(DatabricksHook, instance=True)
    hook.__aenter__.return_value = hook
    first = {"state": RUNNING, "tasks": [{"task_key": "bronze_to_silver", "run_id": 7, "state": RUNNING}]}
    second = {
        "state": RUNNING,
        "tasks": [
            {"task_key": "bronze_to_silver", "run_id": 7, "state": DONE},
            {"task_key": "silver_to_gold", "run_id": 8, "state": RUNNING},
        ],
    }
    hook.a_get_run.side_effect = [first, second]
    trigger = DatabricksStepTrigger(1, "bronze_to_silver", "midnight_databricks", 0)
    path, arguments = trigger.serialize()

    with mock.patch("midnight_airflow.triggers.databricks_step.DatabricksHook", return_value=hook):
        assert asyncio.run(_events(DatabricksStepTrigger(**arguments))) == [{"run_id": 1}]
        asyncio.run(trigger.on_kill())

    assert path == "midnight_airflow.triggers.databricks_step.DatabricksStepTrigger"
    hook.cancel_run.assert_called_once_with(1)
