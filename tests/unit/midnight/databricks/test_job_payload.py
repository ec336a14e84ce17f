"""The payloads against the SDK's models, which do not return unknown fields."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from databricks.sdk.core import ApiClient
from databricks.sdk.service.jobs import JobsAPI, JobSettings, QueueSettings

from midnight.configuration.pipeline import load_pipeline
from midnight.databricks.job_payload import BOTH_STEPS, job_differences, job_document, run_request, wheels_of
from midnight.databricks.runs import JobFailure, StepState, cluster_hint, parse_job_failure, step_state
from midnight.errors import NON_RETRYABLE_MARKER
from midnight.settings import REPOSITORY
from spark_jobs.runtime.job import parse_arguments
from tests.support.deployed import deployed_job

PIPELINE = load_pipeline(REPOSITORY / "include")
WHEEL = "midnight_lakehouse-0.1.0+g0123456789ab-py3-none-any.whl"


def test_gold_depends_on_silver_and_only_one_run_is_active():
    first, second = job_document(PIPELINE)["tasks"]
    assert (first["task_key"], second["task_key"]) == BOTH_STEPS
    assert ("depends_on" in first, second["depends_on"]) == (False, [{"task_key": BOTH_STEPS[0]}])
    assert job_document(PIPELINE)["max_concurrent_runs"] == 1


def test_the_document_has_only_fields_that_the_sdk_knows():
    document = job_document(PIPELINE)
    assert document == JobSettings.from_dict(document).as_dict()


def filled(task: dict[str, Any], **values: str) -> str:
    """The argument of a step, with references replaced by the run's parameters."""
    (argument,) = task["python_wheel_task"]["parameters"]
    defaults = {item["name"]: item["default"] for item in job_document(PIPELINE)["parameters"]}
    for name, value in {**defaults, **values}.items():
        argument = argument.replace(f"{{{{job.parameters.{name}}}}}", value)
    return str(argument)


def test_the_argument_of_a_step_is_one_json_document():
    silver, gold = job_document(PIPELINE)["tasks"]
    run = {"run_document": "abfss://bronze@lake/_runs/1.json", "steps": "silver_to_gold", "masking_key": "scope:s"}

    parsed = parse_arguments([filled(silver, engine="serverless", **run)])
    assert (parsed.run_document, parsed.engine, parsed.masking_key) == (run["run_document"], "serverless", "scope:s")
    assert (parsed.leaves_out("bronze_to_silver"), parsed.leaves_out("silver_to_gold")) == (True, False)
    # Gold masks nothing, and does not get the location of the key.
    assert parse_arguments([filled(gold, **run)]).masking_key == ""
    assert parse_arguments([filled(gold, **run)]).engine == "databricks"


def test_entry_points_are_those_of_the_wheel():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    tasks = [task["python_wheel_task"] for task in job_document(PIPELINE)["tasks"]]

    assert {project["name"]} == {task["package_name"] for task in tasks}
    assert list(project["scripts"]) == [task["entry_point"] for task in tasks]


def test_the_timeout_in_databricks_is_after_that_of_airflow():
    pipeline = PIPELINE.model_copy(update={"timeout_minutes": 60})
    assert [task["timeout_seconds"] for task in job_document(pipeline)["tasks"]] == [3900, 3900]


@pytest.mark.parametrize("compute", ["job_cluster", "serverless"])
def test_a_job_that_was_deployed_from_these_files_has_no_differences(compute):
    """With any compute, defaults and names of its environment."""
    job = deployed_job(f"/Workspace/x/{WHEEL}", compute=compute, name="ours", description="x", tags={})
    assert job_differences(job, PIPELINE, WHEEL) == []
    assert wheels_of(job) == [f"/Workspace/x/{WHEEL}"] * (1 if compute == "serverless" else 2)


DIFFERENCES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda job: job.update(max_concurrent_runs=2), "max_concurrent_runs is 2, expected 1"),
    (lambda job: job.pop("queue"), "queue.enabled is False, expected True"),
    (lambda job: job["parameters"].pop(), "parameters is ['engine', 'run_document', 'steps'], expected ['engine', 'ma"),
    (lambda job: job["tasks"].pop(), "tasks.silver_to_gold.python_wheel_task is None"),
    (lambda job: job["tasks"][1].pop("depends_on"), "tasks.silver_to_gold.depends_on is [], expected ['bronze"),
    (lambda job: job["tasks"][0].update(timeout_seconds=1), "timeout_seconds is 1, expected 14700"),
    (lambda job: job["tasks"][0]["python_wheel_task"].update(entry_point="x"), "'entry_point': 'x'"),
    (lambda job: job["tasks"][0]["libraries"][0].update(whl="/x/old.whl"), "the wheel is midnight_lakehouse-0.1.0+g01"),
    (lambda job: [task.pop("libraries") for task in job["tasks"]], "the wheel is missing, expected midnight_lakehouse"),
]


@pytest.mark.parametrize(("change", "text"), DIFFERENCES)
def test_every_difference_of_a_deployed_job_is_named(change, text):
    job = deployed_job(f"/Workspace/x/{WHEEL}")
    change(job)
    assert text in "; ".join(job_differences(job, PIPELINE, WHEEL))


def test_the_run_request_equals_that_of_the_sdk():
    request = run_request(7, "abfss://bronze@lake/_runs/1.json", BOTH_STEPS, "a" * 40)
    client = mock.create_autospec(ApiClient, instance=True)
    client._cfg = mock.MagicMock(workspace_id=None)
    client.do.return_value = {"run_id": 1}

    JobsAPI(client).run_now(**{**request, "queue": QueueSettings.from_dict(request["queue"])})

    assert request == client.do.call_args.kwargs["body"]


def task(key: str, **state: Any) -> dict[str, Any]:
    return {"task_key": key, "run_id": 5, "state": state}


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (  # gold continues
            {
                "state": {"life_cycle_state": "RUNNING"},
                "tasks": [task("bronze_to_silver", life_cycle_state="TERMINATED", result_state="SUCCESS")],
            },
            StepState(5, "TERMINATED", "SUCCESS", ""),
        ),
        (  # waits for another run
            {"state": {"life_cycle_state": "QUEUED"}},
            StepState(None, "QUEUED", "", ""),
        ),
        (  # ended before the step was created
            {"state": {"life_cycle_state": "INTERNAL_ERROR", "state_message": "no quota"}, "tasks": []},
            StepState(None, "INTERNAL_ERROR", "", "no quota"),
        ),
        (  # ended while the step is still shown as waiting
            {
                "state": {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"},
                "tasks": [task("bronze_to_silver", life_cycle_state="BLOCKED")],
            },
            StepState(5, "TERMINATED", "CANCELED", ""),
        ),
        (  # repaired in the workspace
            {
                "state": {"life_cycle_state": "RUNNING"},
                "tasks": [
                    {
                        **task("bronze_to_silver", life_cycle_state="TERMINATED", result_state="FAILED"),
                        "attempt_number": 0,
                    },
                    {**task("bronze_to_silver", life_cycle_state="RUNNING"), "attempt_number": 1, "run_id": 6},
                ],
            },
            StepState(6, "RUNNING", "", ""),
        ),
    ],
)
def test_the_state_of_a_step(run, expected):
    assert expected == step_state(run, "bronze_to_silver")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"logs": "a\nerror: first\nerror: last\nb", "error": "SystemExit: 1"}, JobFailure("last", False)),
        ({"logs": f"a\n{NON_RETRYABLE_MARKER}\nerror: last"}, JobFailure("last", True)),
        ({"logs": "nothing", "error": "OutOfMemoryError"}, JobFailure("OutOfMemoryError", False)),
        ({}, JobFailure("", False)),
    ],
)
def test_what_a_job_said_at_its_end(output, expected):
    assert parse_job_failure(output) == expected


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (
            "Cluster 1 was terminated. Reason: AZURE_QUOTA_EXCEEDED_EXCEPTION (CLIENT_ERROR). Parameters: "
            "azure_error_code: QuotaExceeded",
            "Quotas, Compute",
        ),
        ("Cluster 1 was terminated. Reason: CLOUD_PROVIDER_RESOURCE_STOCKOUT (CLOUD_FAILURE)", "clear this task later"),
        ("azure_error_code: SkuNotAvailable", "choose another"),
        ("Task bronze_to_silver failed with message: Workload failed", ""),
    ],
)
def test_a_cluster_that_does_not_start_has_a_hint(message, hint):
    found = cluster_hint(message)
    assert hint in found
    assert bool(hint) == bool(found)
