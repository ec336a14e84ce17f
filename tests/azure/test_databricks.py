"""The stand-in for Databricks: it takes what we submit, refuses what the service refuses, and runs the wheel."""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from databricks.sdk import WorkspaceClient

from local.publish_wheel import main as publish_wheel
from local.publish_wheel import publish
from local.wheel import WheelError, build_wheel, wheel_name, wheel_version
from midnight.databricks_payload import BOTH_STEPS, GOLD_ALONE, job_settings, run_request
from midnight.databricks_runs import job_end
from midnight.lake_paths import LakePaths
from midnight.masking import KEY_SECRET
from midnight.settings import REPOSITORY, Settings, load_settings
from tests.azure.cloud import TENANT, Cloud, running_cloud
from tests.azure.conftest import enter
from tests.azure.databricks import HOST, Databricks
from tests.azure.entra import Entra
from tests.spark.sealed_batches import document, seal, silver_rows, table, write_document
from tests.spark.small_lake import MODEL, T

FOLDER = "/Volumes/main/midnight/wheels"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def lake(tmp_path: Path) -> LakePaths:
    return LakePaths.below(str(tmp_path / "lake"))


@pytest.fixture
def databricks(tmp_path: Path, entra: Entra) -> Iterator[Databricks]:
    with contextlib.closing(Databricks(entra, tmp_path / "databricks")) as workspace:
        yield workspace


@pytest.fixture
def azure(tmp_path: Path, entra: Entra, databricks: Databricks, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with running_cloud(tmp_path, entra=entra, services=[databricks]) as cloud:
        enter(cloud, monkeypatch)
        databricks.users.add(cloud.client[0])
        databricks.environment |= cloud.environment()
        yield cloud


@pytest.fixture
def hook(azure: Cloud, monkeypatch: pytest.MonkeyPatch) -> DatabricksHook:
    client, secret = azure.client
    connection = {
        "conn_type": "databricks",
        "host": f"https://{HOST}",
        "login": client,
        "password": secret,
        "extra": {"azure_tenant_id": TENANT},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_DATABRICKS", json.dumps(connection))
    return DatabricksHook("midnight_databricks", retry_limit=1)


@pytest.fixture
def client(azure: Cloud) -> WorkspaceClient:
    identity, secret = azure.client
    return WorkspaceClient(
        host=f"https://{HOST}",
        auth_type="azure-client-secret",
        azure_client_id=identity,
        azure_client_secret=secret,
        azure_tenant_id=TENANT,
    )


def settings_for(**variables: str) -> Settings:
    given = {
        "MIDNIGHT_PROFILE": "azure",
        "MIDNIGHT_STORAGE_ACCOUNT": "lake",
        "MIDNIGHT_DATABRICKS_WHEEL": f"{FOLDER}/{wheel_name()}",
    }
    return load_settings({**given, **variables})


def ended(hook: DatabricksHook, run_id: int) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not hook.get_run_state(run_id).is_terminal:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return hook.get_run(run_id)


def results(run: dict[str, Any]) -> list[str]:
    return [task["state"]["result_state"] for task in run["tasks"]]


def test_the_published_wheel_runs_as_both_steps_and_as_gold_alone(hook, client, databricks, wheel, lake):
    """With a masked column, whose key the job reads from the secret scope."""
    path, known = publish(client, wheel, FOLDER)
    assert (path, known) == (settings_for().databricks_wheel, False)
    databricks.workspace.secrets["midnight"] = {KEY_SECRET: (key := secrets.token_hex(32))}
    people = table("people", {"email": {"type": "text", "mask": "pseudonym"}}, key=["email"], new_columns="fail")
    batches = (T, seal(lake, T, 1, [{"id": 1, "v": "x"}])), (people, seal(lake, people, 1, [{"email": "a@x.example"}]))
    plan = document(lake, 1, *batches).model_copy(update={"models": (MODEL,)})
    job_id = hook.create_job(job_settings(settings_for(MIDNIGHT_DATABRICKS_SECRET_SCOPE="midnight"), 60))

    first = hook.run_now(run_request(job_id, write_document(plan), BOTH_STEPS, "a" * 40))
    assert hook.run_now(run_request(job_id, write_document(plan), BOTH_STEPS, "a" * 40)) == first
    run = ended(hook, first)

    said = [hook.get_run_output(task["run_id"])["logs"] for task in run["tasks"]]
    assert (run["state"]["result_state"], results(run)) == ("SUCCESS", ["SUCCESS", "SUCCESS"]), said
    assert silver_rows(lake, T) == [{"id": 1, "v": "x"}]
    masked = hmac.new(bytes.fromhex(key), b"a@x.example", "sha256").hexdigest()[:32]
    assert silver_rows(lake, people) == [{"email": masked}]
    assert key not in json.dumps([run, said, databricks.jobs])
    assert Path(lake.gold_builds, "_delta_log").is_dir()

    gold = ended(hook, hook.run_now(run_request(job_id, write_document(plan), GOLD_ALONE, "b" * 40)))
    said = [hook.get_run_output(task["run_id"])["logs"] for task in gold["tasks"]]
    assert results(gold) == ["SUCCESS", "SUCCESS"]
    assert said[0] == "this run does silver_to_gold only: nothing to do for bronze_to_silver\n"
    assert (databricks.writers, len(databricks.runner.runs)) == (1, 2)


def test_a_failed_job_says_its_sentence_and_what_follows_is_skipped(hook, databricks, wheel, tmp_path):
    databricks.files[settings_for().databricks_wheel] = wheel.read_bytes()
    job_id = hook.create_job(job_settings(settings_for(), 60))

    run = ended(hook, hook.run_now(run_request(job_id, f"{tmp_path}/nowhere.json", BOTH_STEPS, "a")))

    assert (run["state"]["life_cycle_state"], run["state"]["result_state"]) == ("INTERNAL_ERROR", "FAILED")
    assert results(run) == ["FAILED", "UPSTREAM_FAILED"]
    output = hook.get_run_output(run["tasks"][0]["run_id"])
    assert job_end(output).sentence.startswith(f"run document '{tmp_path}/nowhere.json'")
    assert output["error"] == "SystemExit: 1"
    with pytest.raises(DatabricksApiError, match="each individual task run"):
        hook.get_run_output(run["run_id"])


COMPUTE = {
    "spot": {},
    "autoscale": {"MIDNIGHT_DATABRICKS_MAX_WORKERS": "4"},
    "one machine": {"MIDNIGHT_DATABRICKS_WORKERS": "0"},
    "pool": {"MIDNIGHT_DATABRICKS_POOL_ID": "1234-pool"},
    "serverless": {"MIDNIGHT_DATABRICKS_COMPUTE": "serverless"},
    "existing cluster": {
        "MIDNIGHT_DATABRICKS_COMPUTE": "existing_cluster",
        "MIDNIGHT_DATABRICKS_CLUSTER_ID": "1234-567890-abcde123",
    },
    "direct": {
        "MIDNIGHT_DATABRICKS_LAKE_CLIENT_ID": "0000",
        "MIDNIGHT_DATABRICKS_LAKE_TENANT_ID": TENANT,
        "MIDNIGHT_DATABRICKS_LAKE_SECRET": "midnight/lake-client-secret",
    },
}


@pytest.mark.parametrize("compute", COMPUTE)
def test_every_compute_is_accepted(hook, databricks, compute):
    databricks.workspace.clusters.add("1234-567890-abcde123")
    databricks.workspace.secrets["midnight"] = {"lake-client-secret": "canary"}
    databricks.workspace.unity_catalog = compute != "direct"

    hook.create_job(job_settings(settings_for(**COMPUTE[compute]), 60))

    assert list(databricks.jobs) == [1000]


@pytest.mark.parametrize("compute", sorted(set(COMPUTE) - {"direct"}))
def test_the_policy_of_infra_allows_every_cluster_of_ours_and_no_other(hook, databricks, compute):
    databricks.workspace.clusters.add("1234-567890-abcde123")
    databricks.workspace.policies["abc"] = policy()
    databricks.workspace.needs_policy = True
    variables = {"MIDNIGHT_DATABRICKS_POLICY_ID": "abc", **COMPUTE[compute]}

    hook.create_job(job_settings(settings_for(**variables), 60))

    if "job_clusters" not in databricks.jobs[1000]:
        return
    for wrong in (
        {"MIDNIGHT_DATABRICKS_POLICY_ID": ""},
        {"MIDNIGHT_DATABRICKS_SPARK_VERSION": "17.3.x-scala2.13"},
        {"MIDNIGHT_DATABRICKS_WORKERS": "9", "MIDNIGHT_DATABRICKS_MAX_WORKERS": ""},
        {"MIDNIGHT_DATABRICKS_NODE_TYPE": "Standard_E96s_v5", "MIDNIGHT_DATABRICKS_POOL_ID": ""},
    ):
        with pytest.raises(DatabricksApiError, match=r"not allowed by the policy|not authorized to create clusters"):
            hook.create_job(job_settings(settings_for(**{**variables, **wrong}), 60))


def policy() -> dict[str, dict[str, Any]]:
    """The definition in infra/, with the variables' defaults."""
    text = (REPOSITORY / "infra" / "databricks.tf").read_text()
    defaults = {
        "var.databricks.node_types": '["Standard_D4ds_v5", "Standard_D8ds_v5"]',
        "var.databricks.max_workers": "8",
        'var.databricks.unity_catalog ? "SINGLE_USER" : "NONE"': '"SINGLE_USER"',
    }
    found = {}
    for name, rule in re.findall(r'^    "([\w.]+)" += (\{.*?\})(?: #.*)?$', text, re.MULTILINE):
        for variable, value in defaults.items():
            rule = rule.replace(variable, value)  # noqa: PLW2901
        found[name] = json.loads(re.sub(r"(\w+) = ", r'"\1": ', rule))
    assert "spark_version" in found
    return found


def cluster(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda job: change(job["job_clusters"][0]["new_cluster"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda job: job["tasks"][0].update(job_cluster="midnight"), "unknown or malformed"),
        (lambda job: job["tasks"][0].update(job_cluster_key="other"), "'other' is not defined"),
        (lambda job: job["tasks"][0].update(environment_key="midnight"), "exactly one compute"),
        (lambda job: job["tasks"][1].update(depends_on=[{"task_key": "x"}]), "do not exist"),
        (cluster(lambda c: c.update(spark_version="18.0.x-scala2.13")), "Invalid spark version"),
        (cluster(lambda c: c.update(autoscale={"min_workers": 1, "max_workers": 2})), "num_workers and autoscale"),
        (cluster(lambda c: c.update(instance_pool_id="x")), "node_type_id and instance_pool_id"),
        (cluster(lambda c: c.update(policy_id="x")), "Can't find a cluster policy"),
        (cluster(lambda c: c["azure_attributes"].update(first_on_demand=0)), "driver is on demand"),
        (cluster(lambda c: c.update(spark_conf={"fs.secret": "{{secrets/a/b}}"})), "Secret does not exist"),
        (cluster(lambda c: c.update(spark_conf={"fs.secret": "plain"})), "plain secret"),
    ],
)
def test_wrong_jobs_are_refused(hook, databricks, change, reason):
    job = job_settings(settings_for(), 60)
    change(job)
    with pytest.raises(DatabricksApiError, match=reason) as raised:
        hook.create_job(job)
    assert (raised.value.http_status_code, databricks.jobs) == (400, {})


def test_strangers_are_refused(hook, azure, databricks):
    databricks.users.clear()
    with pytest.raises(DatabricksApiError, match="not in the workspace"):
        hook.list_jobs()


def test_the_wheel_is_published_once_and_never_replaced(client, databricks, wheel, tmp_path, capsys):
    for folder in (FOLDER, "/Workspace/Shared/midnight"):
        assert publish(client, wheel, folder) == (f"{folder}/{wheel.name}", False)
        assert databricks.files[f"{folder}/{wheel.name}"] == wheel.read_bytes()
        assert publish(client, wheel, folder) == (f"{folder}/{wheel.name}", True)
        other = tmp_path / wheel.name
        other.write_bytes(b"other code")
        with pytest.raises(WheelError, match="another content"):
            publish(client, other, folder)
    with pytest.raises(WheelError, match="not from 'dbfs:/wheels'"):
        publish(client, wheel, "dbfs:/wheels")
    # The vendor's client looks for newer ways, and goes on without them.
    assert {name for name in databricks.requests if name.startswith("unknown")} == {
        "unknown GET /.well-known/databricks-config",
        "unknown POST /api/2.0/fs/create-download-url",
    }


def test_the_command_prints_the_variable_to_set(azure, databricks, monkeypatch, capsys):
    databricks.tokens.add("dapi-token")
    monkeypatch.setenv("DATABRICKS_HOST", f"https://{HOST}")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-token")
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name)

    assert publish_wheel([]) == 0

    path = f"/Workspace/Shared/midnight/{wheel_name()}"
    assert capsys.readouterr().out == f"uploaded\nMIDNIGHT_DATABRICKS_WHEEL={path}\n"
    assert list(databricks.files) == [path]


def test_the_version_names_the_content(wheel, tmp_path):
    assert wheel.name == f"midnight_lakehouse-{wheel_version()}-py3-none-any.whl"
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()
