"""The Databricks operators start one run per batch and find it again after retries and clears."""

from __future__ import annotations

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.sdk.exceptions import TaskDeferred

from midnight.errors import JobError, NonRetryableJobError
from midnight_airflow.run_context import batch_id
from tests.support.deferral import deferred
from tests.support.jobs_workspace import DONE, FAILED, RUNNING


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


def test_a_retry_of_gold_runs_gold_alone(silver, gold, workspace, dag_run):
    deferred(silver, dag_run.try_task(silver))
    workspace.end(1, bronze_to_silver=DONE, silver_to_gold=FAILED)
    with pytest.raises(JobError):
        gold.execute(dag_run.try_task(gold))

    trigger = deferred(gold, dag_run.try_task(gold))

    assert workspace.steps(trigger.run_id) == "silver_to_gold"
