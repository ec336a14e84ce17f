"""The payloads against the vendor's own models, which refuse unknown fields by not giving them back."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from databricks.sdk.core import ApiClient
from databricks.sdk.service.jobs import JobsAPI, JobSettings, QueueSettings, Task

from midnight.databricks_payload import BOTH_STEPS, GOLD_ALONE, job_settings, run_request
from midnight.databricks_runs import JobEnd, StepState, job_end, step_state
from midnight.errors import FINAL_MARK
from midnight.settings import Settings, load_settings

COMPUTE = {
    "job_cluster": {},
    "serverless": {"MIDNIGHT_DATABRICKS_COMPUTE": "serverless"},
    "existing_cluster": {
        "MIDNIGHT_DATABRICKS_COMPUTE": "existing_cluster",
        "MIDNIGHT_DATABRICKS_CLUSTER_ID": "1234-567890-abcde123",
    },
}
WHEEL = "/Volumes/main/midnight/wheels/midnight_lakehouse-0.1.0-py3-none-any.whl"


def settings_for(**variables: str) -> Settings:
    return load_settings(
        {
            "MIDNIGHT_PROFILE": "azure",
            "MIDNIGHT_STORAGE_ACCOUNT": "lake",
            "MIDNIGHT_DATABRICKS_WHEEL": WHEEL,
            **variables,
        }
    )


@pytest.mark.parametrize("steps", [BOTH_STEPS, GOLD_ALONE])
@pytest.mark.parametrize("compute", COMPUTE)
def test_the_job_is_what_the_vendor_knows(compute, steps):
    job = job_settings(settings_for(**COMPUTE[compute]), steps, 3600)

    assert job == JobSettings.from_dict(job).as_dict()
    assert job["tasks"] == [Task.from_dict(task).as_dict() for task in job["tasks"]]


def test_the_silver_step_is_told_where_the_masking_key_is():
    job = job_settings(settings_for(MIDNIGHT_DATABRICKS_SECRET_SCOPE="vault"), BOTH_STEPS, 3600)
    given = [json.loads(task["python_wheel_task"]["parameters"][0]).get("masking_key") for task in job["tasks"]]
    assert given == ["scope:vault", None]


def test_the_strict_check_would_find_a_misspelt_field():
    job = job_settings(settings_for(), BOTH_STEPS, 3600)
    job["tasks"][0]["job_cluster"] = "midnight"

    assert job != JobSettings.from_dict(job).as_dict()


def compute_of(task: dict[str, Any]) -> dict[str, Any]:
    keys = ("job_cluster_key", "environment_key", "existing_cluster_id", "new_cluster")
    return {key: task[key] for key in keys if key in task}


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        ("job_cluster", {"job_cluster_key": "midnight"}),
        ("serverless", {"environment_key": "midnight"}),
        ("existing_cluster", {"existing_cluster_id": "1234-567890-abcde123"}),
    ],
)
def test_both_steps_share_one_compute(compute, expected):
    job = job_settings(settings_for(**COMPUTE[compute]), BOTH_STEPS, 3600)

    assert [expected, expected] == [compute_of(task) for task in job["tasks"]]
    assert [task.get("depends_on") for task in job["tasks"]] == [None, [{"task_key": "bronze_to_silver"}]]


def test_the_argument_of_a_step_is_one_json_document():
    task = job_settings(settings_for(), BOTH_STEPS, 3600)["tasks"][0]

    (argument,) = task["python_wheel_task"]["parameters"]

    filled = argument.replace("{{job.parameters.run_document}}", "abfss://bronze@lake/_runs/1.json")
    assert json.loads(filled) == {"run_document": "abfss://bronze@lake/_runs/1.json", "engine": "databricks"}


def test_entry_points_are_those_of_the_wheel():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    job = job_settings(settings_for(), BOTH_STEPS, 3600)

    assert {project["name"]} == {task["python_wheel_task"]["package_name"] for task in job["tasks"]}
    assert list(project["scripts"]) == [task["python_wheel_task"]["entry_point"] for task in job["tasks"]]


def test_one_machine_is_a_single_node_cluster():
    job = job_settings(settings_for(MIDNIGHT_DATABRICKS_WORKERS="0"), BOTH_STEPS, 3600)
    cluster = job["job_clusters"][0]["new_cluster"]

    assert cluster["num_workers"] == 0
    assert cluster["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
    assert job == JobSettings.from_dict(job).as_dict()


def test_the_run_request_is_what_the_vendors_client_sends():
    request = run_request(7, "abfss://bronze@lake/_runs/1.json", "a" * 40)
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
        (  # gold goes on
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
        (  # ended before the step was made
            {"state": {"life_cycle_state": "INTERNAL_ERROR", "state_message": "no quota"}, "tasks": []},
            StepState(None, "INTERNAL_ERROR", "", "no quota"),
        ),
        (  # ended while the step still claims to wait
            {
                "state": {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"},
                "tasks": [task("bronze_to_silver", life_cycle_state="BLOCKED")],
            },
            StepState(5, "TERMINATED", "CANCELED", ""),
        ),
        (  # repaired by hand
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
        ({"logs": "a\nerror: first\nerror: last\nb", "error": "SystemExit: 1"}, JobEnd("last", False)),
        ({"logs": f"a\n{FINAL_MARK}\nerror: last"}, JobEnd("last", True)),
        ({"logs": "nothing", "error": "OutOfMemoryError"}, JobEnd("OutOfMemoryError", False)),
        ({}, JobEnd("", False)),
    ],
)
def test_what_a_job_said_at_its_end(output, expected):
    assert job_end(output) == expected
