"""infra/databricks_job.tf and infra/data_factory_pipeline.tf deploy the documents of include/ unchanged."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from midnight.databricks.job_payload import FILE, job_files
from midnight.settings import REPOSITORY
from tests.contracts.terraform_files import TerraformFiles
from tests.support.deployed import deployed_job

JOB = json.loads((REPOSITORY / "include" / FILE).read_text())


@pytest.fixture(scope="module")
def job(terraform: TerraformFiles) -> dict[str, Any]:
    (found,) = terraform.resources("databricks_job").values()
    return found


def dynamic(block: dict[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """What a dynamic block repeats for, and its content."""
    (found,) = (inner[name] for inner in block["dynamic"] if name in inner)
    return found["for_each"], found["content"][0]


def test_the_committed_file_is_up_to_date():
    made = job_files(REPOSITORY / "include")
    assert made == {FILE: (REPOSITORY / "include" / FILE).read_text()}
    assert [path.name for path in (REPOSITORY / "include" / "databricks").iterdir()] == ["job.json"]


def test_every_field_of_the_document_reaches_the_job(terraform, job):
    assert terraform.locals["job"] == '${jsondecode(file("${var.configuration}/databricks/job.json"))}'
    for name in ("name", "description", "max_concurrent_runs"):
        assert job[name] == f"${{local.job.{name}}}"
    assert job["queue"][0]["enabled"] == "${local.job.queue.enabled}"
    each, parameter = dynamic(job, "parameter")
    assert each == "${local.job.parameters}"
    lookup = "${lookup(local.job_parameters, parameter.value.name, parameter.value.default)}"
    assert (parameter["name"], parameter["default"]) == ("${parameter.value.name}", lookup)
    each, task = dynamic(job, "task")
    assert each == "${local.job.tasks}"
    for name in ("task_key", "max_retries", "timeout_seconds"):
        assert task[name] == f"${{task.value.{name}}}"
    assert dynamic(task, "depends_on")[0] == "${try(task.value.depends_on, [])}"
    for name in ("package_name", "entry_point", "parameters"):
        assert task["python_wheel_task"][0][name] == f"${{task.value.python_wheel_task.{name}}}"
    handed_on = {"name", "description", "max_concurrent_runs", "queue", "parameters", "tasks"}
    assert JOB.keys() == handed_on
    known = {"task_key", "max_retries", "timeout_seconds", "depends_on", "python_wheel_task"}
    assert {key for task in JOB["tasks"] for key in task} == known


@pytest.mark.parametrize("compute", ["job_cluster", "serverless"])
def test_the_tests_deploy_what_terraform_deploys(terraform, job, compute):
    """``tests.support.deployed`` has the same fields and the same fixed values."""
    made = deployed_job("/Workspace/x.whl", compute=compute, policy="P", workers=1, max_workers=2)
    blocks = {"job_clusters": "job_cluster", "environments": "environment", "parameters": "parameter", "tasks": "task"}
    written = {key for key in job if not key.startswith("__")} | {name for inner in job["dynamic"] for name in inner}
    assert {blocks.get(key, key) for key in made} <= written
    _, task = dynamic(job, "task")
    inner = {key for key in task if not key.startswith("__")} | {name for block in task["dynamic"] for name in block}
    assert {"library" if key == "libraries" else key for key in made["tasks"][1]} <= inner
    if compute == "serverless":
        assert "default" not in str(dynamic(job, "environment")[1]["spec"][0])
        return
    (cluster,) = dynamic(job, "job_cluster")[1]["new_cluster"]
    given = {key for key in cluster if not key.startswith("__")} | {n for block in cluster["dynamic"] for n in block}
    assert set(made["job_clusters"][0]["new_cluster"]) <= given
    text = terraform.texts["databricks_job.tf"]
    for value in ("SPOT_WITH_FALLBACK_AZURE", "ON_DEMAND_AZURE", "singleNode", "local[*]", "SingleNode", "SINGLE_USER"):
        assert f'"{value}"' in text


def test_the_job_runs_as_airflows_principal_which_cannot_change_it(terraform, job):
    principal = "${databricks_service_principal.airflow.application_id}"
    assert job["run_as"][0]["service_principal_name"] == principal
    rights = terraform.resources("databricks_permissions")["job"]
    assert dynamic(rights, "access_control")[1]["permission_level"] == "CAN_MANAGE_RUN"
    assert "job_manage_run" in dynamic(rights, "access_control")[0]


def test_a_wheel_without_a_content_version_is_refused(terraform):
    condition = terraform.of_kind("variable")[("databricks_wheel",)]["validation"][0]["condition"]
    (pattern,) = re.findall(r'regex\("(.*?)", var', condition)
    accepted = ["/Workspace/midnight-wheels/", "/Volumes/main/midnight/wheels/"]
    name = "midnight_lakehouse-0.1.0+g0123456789ab-py3-none-any.whl"
    assert [re.search(pattern, folder + name) is not None for folder in [*accepted, "dbfs:/", "/tmp/"]] == [  # noqa: S108
        True,
        True,
        False,
        False,
    ]
    assert re.search(pattern, "/Workspace/w/midnight_lakehouse-0.1.0-py3-none-any.whl") is None


def test_the_factorys_documents_reach_the_factory(terraform):
    services = terraform.resources("azurerm_data_factory_linked_custom_service")
    for service in services.values():
        assert service["type_properties_json"] == (
            "${jsonencode(merge(each.value.typeProperties, local.adf_values[each.key]))}"
        )
    kinds = [re.search(r"service\.type ([!=]=) \"AzureKeyVault\"", s["for_each"])[1] for s in services.values()]
    assert sorted(kinds) == ["!=", "=="]  # together all of them
    (dataset,) = terraform.resources("azurerm_data_factory_custom_dataset").values()
    assert dataset["type_properties_json"] == "${jsonencode(each.value.typeProperties)}"
    (pipeline,) = terraform.resources("azurerm_data_factory_pipeline").values()
    assert pipeline["activities_json"] == "${jsonencode(each.value.activities)}"
    assert pipeline["annotations"] == "${each.value.annotations}"
    files = {path.stem for path in (REPOSITORY / "include" / "adf" / "linkedService").glob("*.json")}
    assert terraform.locals["adf_values"].keys() == files
