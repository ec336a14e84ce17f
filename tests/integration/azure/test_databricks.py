"""The fake of Databricks accepts the product's requests, refuses what the service refuses, and runs the wheel."""

from __future__ import annotations

import contextlib
import hmac
import io
import json
import secrets
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import JobSettings
from starlette.exceptions import HTTPException

from midnight.databricks.job_payload import BOTH_STEPS, GOLD_ONLY, run_request
from midnight.databricks.runs import parse_job_failure
from midnight.databricks.wheel_name import wheel_name, wheel_version
from midnight.lake.paths import LakePaths
from midnight.masking import KEY_SECRET
from tests.fakes.cloud import TENANT, Cloud, enter, running_cloud
from tests.fakes.databricks import HOST, Databricks
from tests.fakes.entra import Entra
from tests.support.deployed import deployed_job
from tests.support.sealed_batches import document, seal, silver_rows, table, write_document
from tests.support.small_lake import MODEL, T
from tests.support.waiting import wait_for
from tools.publish_wheel import main as publish_wheel
from tools.publish_wheel import publish
from tools.wheel import WheelError, build_wheel

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


def ended(hook: DatabricksHook, run_id: int) -> dict[str, Any]:
    wait_for(lambda: hook.get_run_state(run_id).is_terminal)
    return hook.get_run(run_id)


def results(run: dict[str, Any]) -> list[str]:
    return [task["state"]["result_state"] for task in run["tasks"]]


@pytest.mark.parametrize("compute", ["job_cluster", "serverless"])
def test_the_published_wheel_runs_as_both_steps_and_as_gold_alone(hook, client, databricks, lake, compute):
    """With a masked column, whose key the job reads from the secret scope, on both kinds of compute."""
    path, known = publish(client, build_wheel(Path(lake.bronze).parents[1] / "dist"), FOLDER)
    assert (path, known) == (f"{FOLDER}/{wheel_name()}", False)
    databricks.workspace.secrets["midnight"] = {KEY_SECRET: (key := secrets.token_hex(32))}
    people = table("people", {"email": {"type": "text", "mask": "pseudonym"}}, key=["email"], on_schema_change="freeze")
    batches = (T, seal(lake, T, 1, [{"id": 1, "v": "x"}])), (people, seal(lake, people, 1, [{"email": "a@x.example"}]))
    plan = document(lake, 1, *batches).model_copy(update={"models": (MODEL,)})
    job_id = databricks.deploy(deployed_job(path, compute=compute, masking_scope="midnight"))

    first = hook.run_now(run_request(job_id, write_document(plan), BOTH_STEPS, "a" * 40))
    assert hook.run_now(run_request(job_id, write_document(plan), BOTH_STEPS, "a" * 40)) == first
    run = ended(hook, first)

    logs = [hook.get_run_output(task["run_id"])["logs"] for task in run["tasks"]]
    assert (run["state"]["result_state"], results(run)) == ("SUCCESS", ["SUCCESS", "SUCCESS"]), logs
    assert silver_rows(lake, T) == [{"id": 1, "v": "x"}]
    masked = hmac.new(bytes.fromhex(key), b"a@x.example", "sha256").hexdigest()[:32]
    assert silver_rows(lake, people) == [{"email": masked}]
    assert key not in json.dumps([run, logs, databricks.jobs])
    assert Path(lake.gold_builds, "_delta_log").is_dir()

    gold = ended(hook, hook.run_now(run_request(job_id, write_document(plan), GOLD_ONLY, "b" * 40)))
    logs = [hook.get_run_output(task["run_id"])["logs"] for task in gold["tasks"]]
    assert results(gold) == ["SUCCESS", "SUCCESS"]
    assert logs[0] == "bronze_to_silver: skipped, this run only has steps 'silver_to_gold'\n"
    assert (databricks.writers, len(databricks.runner.runs)) == (1, 2)


def test_a_failed_job_has_its_own_error_and_skips_the_next_step(hook, databricks, wheel, tmp_path):
    databricks.files[f"{FOLDER}/{wheel.name}"] = wheel.read_bytes()
    job_id = databricks.deploy(deployed_job(f"{FOLDER}/{wheel.name}"))

    run = ended(hook, hook.run_now(run_request(job_id, f"{tmp_path}/nowhere.json", BOTH_STEPS, "a")))

    assert (run["state"]["life_cycle_state"], run["state"]["result_state"]) == ("INTERNAL_ERROR", "FAILED")
    assert results(run) == ["FAILED", "UPSTREAM_FAILED"]
    output = hook.get_run_output(run["tasks"][0]["run_id"])
    assert parse_job_failure(output).message.startswith(f"run document '{tmp_path}/nowhere.json'")
    assert output["error"] == "SystemExit: 1"
    with pytest.raises(DatabricksApiError, match="each individual task run"):
        hook.get_run_output(run["run_id"])


SERVERLESS_REFUSES = [
    ("session.conf.get('spark.midnight.engine', '')", "CONFIG_NOT_AVAILABLE"),
    ("session.conf.set('spark.sql.parquet.outputTimestampType', 'TIMESTAMP_MICROS')", "CONFIG_NOT_AVAILABLE"),
    ("session.sql('SET spark.sql.adaptive.enabled = false')", "CONFIG_NOT_AVAILABLE"),
    ("session.range(1).cache()", "NOT_SUPPORTED_WITH_SERVERLESS"),
    ("session.range(1).createGlobalTempView('v')", "NOT_SUPPORTED_WITH_SERVERLESS"),
    ("session.sql('SELECT input_file_name()')", "NOT_SUPPORTED_WITH_SERVERLESS"),
]


def test_the_fake_refuses_what_serverless_refuses(hook, databricks):
    """A wheel whose step tries each refused operation, after one that is allowed."""
    tries = "".join(f"attempt(lambda: {code})\n" for code, _ in SERVERLESS_REFUSES)
    databricks.files[(path := f"{FOLDER}/x-1-py3-none-any.whl")] = wheel_of(
        "from pyspark.sql import SparkSession\nsession = SparkSession.builder.getOrCreate()\n"
        "session.conf.set('spark.sql.session.timeZone', 'UTC')\n"
        "def attempt(do):\n    try:\n        do()\n        print('allowed')\n"
        f"    except Exception as error:\n        print(error)\n{tries}step = print\n"
    )
    job_id = databricks.deploy(deployed_job(path, compute="serverless"))

    run = ended(hook, hook.run_now(run_request(job_id, "x", BOTH_STEPS, "a")))

    log = hook.get_run_output(run["tasks"][0]["run_id"])["logs"].splitlines()
    assert [reason in line for line, (_, reason) in zip(log, SERVERLESS_REFUSES, strict=False)] == [True] * 6, log


def wheel_of(code: str) -> bytes:
    """A wheel with the product's name; both of its entry points are ``step`` of this module."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("trial.py", code)
        archive.writestr(
            "midnight_lakehouse-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: midnight-lakehouse\nVersion: 1\n"
        )
        entries = "midnight-bronze-to-silver = trial:step\nmidnight-silver-to-gold = trial:step\n"
        archive.writestr("midnight_lakehouse-1.dist-info/entry_points.txt", f"[console_scripts]\n{entries}")
    return file.getvalue()


COMPUTE: dict[str, dict[str, Any]] = {
    "one machine": {},
    "spot": {"workers": 2},
    "on demand": {"workers": 2, "spot": False},
    "autoscale": {"workers": 2, "max_workers": 4},
    "pool": {"pool": "1234-pool"},
    "serverless": {"compute": "serverless"},
    "without Unity Catalog": {"unity_catalog": False, "lake_secret": "midnight/lake-client-secret"},
}


@pytest.mark.parametrize("choices", COMPUTE.values(), ids=COMPUTE)
def test_every_compute_of_the_job_is_accepted(databricks, choices):
    """Also by the SDK's model, which does not return unknown fields."""
    databricks.workspace.unity_catalog = choices.get("unity_catalog", True)
    databricks.workspace.secrets["midnight"] = {"lake-client-secret": "x"}
    job = deployed_job(f"{FOLDER}/{wheel_name()}", **choices)
    assert JobSettings.from_dict(job).as_dict() == job
    databricks.deploy(job)


def test_airflows_identity_may_start_runs_but_not_change_jobs(hook, databricks):
    job = deployed_job(f"{FOLDER}/{wheel_name()}")
    job_id = databricks.deploy(job)
    for change in (lambda: hook.create_job(job), lambda: hook.reset_job(str(job_id), job)):
        with pytest.raises(DatabricksApiError) as raised:
            change()
        assert raised.value.http_status_code == 403
    assert list(databricks.jobs.values()) == [job]


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
        (
            cluster(lambda c: c["azure_attributes"].update(first_on_demand=0, availability="SPOT_AZURE")),
            "driver is on demand",
        ),
        (cluster(lambda c: c["spark_conf"].update({"fs.secret": "{{secrets/a/b}}"})), "Secret does not exist"),
        (cluster(lambda c: c["spark_conf"].update({"fs.secret": "plain"})), "plain secret"),
    ],
)
def test_wrong_jobs_are_refused(databricks, change, reason):
    job = deployed_job(f"{FOLDER}/{wheel_name()}")
    change(job)
    with pytest.raises(HTTPException) as raised:
        databricks.deploy(job)
    assert (raised.value.status_code, reason in raised.value.detail, databricks.jobs) == (400, True, {})


def test_unknown_identities_are_refused(hook, azure, databricks):
    databricks.users.clear()
    with pytest.raises(DatabricksApiError, match="not in the workspace"):
        hook.get_run(1)


def test_the_wheel_is_published_once_and_never_replaced(client, databricks, wheel, tmp_path, capsys):
    for folder in (FOLDER, "/Workspace/midnight-wheels"):
        assert publish(client, wheel, folder) == (f"{folder}/{wheel.name}", False)
        assert databricks.files[f"{folder}/{wheel.name}"] == wheel.read_bytes()
        assert publish(client, wheel, folder) == (f"{folder}/{wheel.name}", True)
        other = tmp_path / wheel.name
        other.write_bytes(b"other code")
        with pytest.raises(WheelError, match="other content"):
            publish(client, other, folder)
    for folder, reason in {"dbfs:/wheels": "'dbfs:/wheels' is not below", "/Workspace/Shared/x": "every user"}.items():
        with pytest.raises(WheelError, match=reason):
            publish(client, wheel, folder)
    # The SDK tries newer endpoints first, and works without them.
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

    assert publish_wheel(folder="/Workspace/midnight-wheels") == 0

    path = f"/Workspace/midnight-wheels/{wheel_name()}"
    assert capsys.readouterr().out == f'uploaded\ndatabricks_wheel = "{path}"\n'
    assert list(databricks.files) == [path]


def test_the_version_names_the_content(wheel, tmp_path):
    assert wheel.name == f"midnight_lakehouse-{wheel_version()}-py3-none-any.whl"
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()
