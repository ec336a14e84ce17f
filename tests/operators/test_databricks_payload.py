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

from midnight.databricks_payload import BOTH_STEPS, job_settings, run_request
from midnight.databricks_runs import JobEnd, StepState, job_end, step_state
from midnight.errors import FINAL_MARK, ConfigurationError
from midnight.settings import Settings, load_settings
from spark_jobs.job import parse_arguments

COMPUTE = {
    "job_cluster": {},
    "serverless": {"MIDNIGHT_DATABRICKS_COMPUTE": "serverless"},
    "existing_cluster": {
        "MIDNIGHT_DATABRICKS_COMPUTE": "existing_cluster",
        "MIDNIGHT_DATABRICKS_CLUSTER_ID": "1234-567890-abcde123",
    },
}
DIRECT = {
    "MIDNIGHT_DATABRICKS_LAKE_CLIENT_ID": "11111111-0000-0000-0000-000000000000",
    "MIDNIGHT_DATABRICKS_LAKE_TENANT_ID": "contoso",
    "MIDNIGHT_DATABRICKS_LAKE_SECRET": "midnight/lake-client-secret",
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


@pytest.mark.parametrize("compute", COMPUTE)
def test_the_job_is_what_the_vendor_knows(compute):
    job = job_settings(settings_for(**COMPUTE[compute]), 3600)

    assert job == JobSettings.from_dict(job).as_dict()
    assert job["tasks"] == [Task.from_dict(task).as_dict() for task in job["tasks"]]


def test_the_silver_step_is_told_where_the_masking_key_is():
    job = job_settings(settings_for(MIDNIGHT_DATABRICKS_SECRET_SCOPE="vault"), 3600)
    given = [json.loads(task["python_wheel_task"]["parameters"][0]).get("masking_key") for task in job["tasks"]]
    assert given == ["scope:vault", None]


def test_the_strict_check_would_find_a_misspelt_field():
    job = job_settings(settings_for(), 3600)
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
    job = job_settings(settings_for(**COMPUTE[compute]), 3600)

    assert [expected, expected] == [compute_of(task) for task in job["tasks"]]
    assert [task.get("depends_on") for task in job["tasks"]] == [None, [{"task_key": "bronze_to_silver"}]]


def test_the_argument_of_a_step_is_one_json_document():
    task = job_settings(settings_for(), 3600)["tasks"][0]

    (argument,) = task["python_wheel_task"]["parameters"]

    filled = argument.replace("{{job.parameters.run_document}}", "abfss://bronze@lake/_runs/1.json")
    parsed = parse_arguments([filled.replace("{{job.parameters.steps}}", "silver_to_gold")])
    assert (parsed.run_document, parsed.engine) == ("abfss://bronze@lake/_runs/1.json", "databricks")
    assert (parsed.leaves_out("bronze_to_silver"), parsed.leaves_out("silver_to_gold")) == (True, False)


def test_entry_points_are_those_of_the_wheel():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    job = job_settings(settings_for(), 3600)

    assert {project["name"]} == {task["python_wheel_task"]["package_name"] for task in job["tasks"]}
    assert list(project["scripts"]) == [task["python_wheel_task"]["entry_point"] for task in job["tasks"]]


def cluster_of(**variables: str) -> dict[str, Any]:
    job = job_settings(settings_for(**variables), 3600)
    assert job == JobSettings.from_dict(job).as_dict()
    return job["job_clusters"][0]["new_cluster"]


def test_the_default_cluster():
    assert cluster_of() == {
        "spark_version": "18.x-scala2.13",
        "data_security_mode": "SINGLE_USER",
        "node_type_id": "Standard_D4ds_v5",
        "num_workers": 2,
        "azure_attributes": {
            "first_on_demand": 1,
            "availability": "SPOT_WITH_FALLBACK_AZURE",
            "spot_bid_max_price": -1,
        },
        "custom_tags": {"project": "midnight"},
    }


def test_machines_by_configuration():
    on_demand = {"first_on_demand": 1, "availability": "ON_DEMAND_AZURE"}
    assert cluster_of(MIDNIGHT_DATABRICKS_SPOT="false")["azure_attributes"] == on_demand
    scaled = cluster_of(MIDNIGHT_DATABRICKS_MAX_WORKERS="8", MIDNIGHT_DATABRICKS_POLICY_ID="abc")
    assert (scaled["autoscale"], scaled["policy_id"]) == ({"min_workers": 2, "max_workers": 8}, "abc")
    assert "num_workers" not in scaled
    pooled = cluster_of(MIDNIGHT_DATABRICKS_POOL_ID="pool-1")
    assert pooled["instance_pool_id"] == "pool-1"
    assert pooled.keys().isdisjoint({"node_type_id", "azure_attributes"})


def test_serverless_says_its_environment_and_how_fast_it_shall_be():
    job = job_settings(settings_for(**COMPUTE["serverless"]), 3600)
    assert job["environments"][0]["spec"] == {"environment_version": "5", "dependencies": [WHEEL]}
    assert job["performance_target"] == "STANDARD"


def test_without_unity_catalog_the_payload_holds_a_reference_and_no_secret():
    cluster = cluster_of(**DIRECT)
    host = "lake.dfs.core.windows.net"
    prefix = "spark.hadoop.fs.azure.account"
    assert cluster["data_security_mode"] == "NONE"
    assert cluster["spark_conf"] == {
        f"{prefix}.auth.type.{host}": "OAuth",
        f"{prefix}.oauth.provider.type.{host}": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
        f"{prefix}.oauth2.client.id.{host}": "11111111-0000-0000-0000-000000000000",
        f"{prefix}.oauth2.client.secret.{host}": "{{secrets/midnight/lake-client-secret}}",
        f"{prefix}.oauth2.client.endpoint.{host}": "https://login.microsoftonline.com/contoso/oauth2/token",
    }


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({**COMPUTE["serverless"], **DIRECT}, "serverless needs Unity Catalog"),
        ({"MIDNIGHT_DATABRICKS_LAKE_SECRET": "a/b"}, "LAKE_CLIENT_ID, MIDNIGHT_DATABRICKS_LAKE_TENANT_ID"),
        ({**DIRECT, "MIDNIGHT_DATABRICKS_LAKE_SECRET": "plain~secret"}, "MIDNIGHT_DATABRICKS_LAKE_SECRET"),
        ({"MIDNIGHT_DATABRICKS_MAX_WORKERS": "2"}, "must be 0 .fixed size. or more than"),
        ({"MIDNIGHT_DATABRICKS_SPARK_VERSION": "18 LTS"}, "MIDNIGHT_DATABRICKS_SPARK_VERSION"),
    ],
)
def test_wrong_settings_are_refused(variables, message):
    with pytest.raises(ConfigurationError, match=message):
        settings_for(**variables)


def test_databricks_own_limit_comes_after_that_of_airflow():
    assert [task["timeout_seconds"] for task in job_settings(settings_for(), 3600)["tasks"]] == [3900, 3900]
    assert [task["timeout_seconds"] for task in job_settings(settings_for(), 0)["tasks"]] == [0, 0]


def test_one_machine_is_a_single_node_cluster():
    job = job_settings(settings_for(MIDNIGHT_DATABRICKS_WORKERS="0"), 3600)
    cluster = job["job_clusters"][0]["new_cluster"]

    assert cluster["num_workers"] == 0
    assert cluster["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
    assert job == JobSettings.from_dict(job).as_dict()


def test_the_run_request_is_what_the_vendors_client_sends():
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
