"""No failure of a connection writes a secret into a message, a log, an XCom, a trigger or a URL."""

from __future__ import annotations

import io
import json
import logging
import socketserver
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from midnight.errors import MidnightError
from midnight.lake.files import open_local_lake
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.hooks.source import source_address
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from tests.fakes.cloud import TENANT, Cloud, enter, running_cloud
from tests.fakes.doctor_databricks import HOST, Workspace
from tests.fakes.doctor_services import ACCOUNT, Factory, Reports, Storage
from tests.fakes.entra import Entra
from tests.support.canaries import find_leaks_in, plant
from tests.unit.midnight_airflow.conftest import DagRun


class PostgresThatRefuses(socketserver.BaseRequestHandler):
    """Responds that the password is wrong ("Message Formats" of PostgreSQL's frontend/backend protocol)."""

    def handle(self) -> None:
        (length,) = struct.unpack("!I", self.request.recv(4))
        self.request.recv(length - 4)
        text = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "reader"\0\0'
        self.request.sendall(b"E" + struct.pack("!I", len(text) + 4) + text)


@pytest.fixture(scope="module")
def refusing() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PostgresThatRefuses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


class FailedTask:
    """Everything that a failed task writes: error, log, XComs, state, trigger and requests."""

    def __init__(self, cloud: Cloud, services: list[Any], canaries: dict[str, str], log: io.StringIO) -> None:
        self.cloud, self.services, self.canaries, self.log = cloud, services, canaries, log
        self.run = DagRun()
        self.left: dict[str, str] = {}

    def fail(self, work: Callable[[], Any]) -> str:
        """The message of the failure, or ``deferred``."""
        try:
            work()
        except TaskDeferred as deferred:
            self.left["trigger"] = json.dumps(deferred.trigger.serialize())
            return "deferred"
        except Exception as error:  # noqa: BLE001 - every exception is searched
            self.left["exception"] = "".join(traceback.format_exception(error))
            return str(error)
        pytest.fail("nothing failed")

    def execute(self, operator: Any) -> str:
        return self.fail(lambda: operator.execute(self.run.try_task(operator)))

    def check(self) -> None:
        """Assert that none of it contains a secret."""
        self.left["xcom"] = json.dumps([list(map(str, self.run.xcoms.items()))])
        self.left["store"] = json.dumps([store.values for store in self.run.stores.values()])
        self.left["log"] = self.log.getvalue()
        self.left["requests"] = "\n".join(line for service in self.services for line in service.seen)
        assert find_leaks_in(self.left, self.canaries) == []
        assert self.left["log"]  # otherwise the search proves nothing


@pytest.fixture
def task_run(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[FailedTask]:
    """A cloud in which Airflow's client secret is a canary; all loggers write to a buffer, with level DEBUG."""
    from airflow.sdk import configuration

    services: list[Any] = [Workspace(entra), Factory(entra), Reports(entra), Storage(entra)]
    with running_cloud(tmp_path, entra=entra, services=services) as cloud:
        enter(cloud, monkeypatch)
        canaries = {**plant(), "own_client_secret": cloud.client[1]}
        for name, value in {
            "AIRFLOW__SECRETS__BACKEND": "midnight_airflow.key_vault.KeyVaultBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(
                {"vault_url": "https://midnight-test.vault.azure.net/", "retry_backoff_factor": 0}
            ),
            "MIDNIGHT_PROFILE": "azure",
            "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
            "MIDNIGHT_LAKE_CONNECTION": "midnight_lake",
            "MIDNIGHT_DATABRICKS_JOB_ID": "1000",
            "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
            "MIDNIGHT_ADF_FACTORY": "factory",
            "MIDNIGHT_POWERBI_GROUP_ID": Reports.group,
            "MIDNIGHT_POWERBI_DATASET_ID": Reports.dataset,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(configuration, "_secrets_backend_cache", {})
        wrong = {"login": cloud.client[0], "password": canaries["client_secret"]}
        for name, connection in {
            "source": {"conn_type": "postgres", "schema": "shop", "login": "reader"},
            "lake": {**wrong, "extra": {"tenantId": TENANT}},
            "data-factory": {**wrong, "extra": {"tenantId": TENANT, "subscriptionId": "s"}},
            "databricks": {**wrong, "host": f"https://{HOST}", "extra": {"azure_tenant_id": TENANT}},
            "power-bi": {**wrong, "extra": {"tenant_id": TENANT, "trust_env": True}},
        }.items():
            value = json.dumps({"conn_type": "generic", **connection})
            cloud.key_vault.values[f"airflow-connections-midnight-{name}"] = value
        log, root = io.StringIO(), logging.getLogger()
        handler = logging.StreamHandler(log)
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        yield FailedTask(cloud, [cloud.entra, cloud.key_vault, *services], canaries, log)
        root.removeHandler(handler)
        root.setLevel(level)


def source(task_run: FailedTask, **fields: Any) -> None:
    value = {"conn_type": "postgres", "schema": "shop", "login": "reader", **fields}
    value["password"] = task_run.canaries["source_password"]
    task_run.cloud.key_vault.values["airflow-connections-midnight-source"] = json.dumps(value)


def test_a_source_that_refuses_the_password(task_run: FailedTask, refusing: int, monkeypatch: pytest.MonkeyPatch):
    source(task_run, host="127.0.0.1", port=refusing, extra={"sslmode": "disable"})
    monkeypatch.setattr("midnight_airflow.operators.postgres_to_bronze.open_lake", lambda _: open_local_lake())
    message = task_run.execute(PostgresToBronzeOperator(task_id="read", group="main", tables=[]))
    assert "password" in message
    task_run.check()


def test_an_unreachable_source(task_run: FailedTask, monkeypatch: pytest.MonkeyPatch):
    source(task_run, host="127.0.0.1", port=1)
    monkeypatch.setattr("midnight_airflow.operators.postgres_to_bronze.open_lake", lambda _: open_local_lake())
    message = task_run.execute(PostgresToBronzeOperator(task_id="read", group="main", tables=[]))
    assert "127.0.0.1:1" in message
    task_run.check()


def test_a_secret_that_is_not_a_connection(task_run: FailedTask):
    """A truncated JSON document, and a URI whose password is not encoded."""
    for broken in (
        f'{{"password": "{task_run.canaries["jwt_secret"]}',
        f"postgres://u:{task_run.canaries['sas']}@[h/d",
    ):
        task_run.cloud.key_vault.values["airflow-connections-midnight-source"] = broken
        message = task_run.fail(lambda: source_address("midnight_source"))
        assert "neither JSON nor a URI" in message
    task_run.check()


def test_a_lake_whose_client_secret_is_wrong_and_then_rotated(task_run: FailedTask):
    def read() -> str | None:
        settings = load_settings()
        return open_lake(settings).read_text(f"{settings.paths.bronze}/x")

    assert "AADSTS7000215" in task_run.fail(read)
    task_run.check()
    task_run.cloud.entra.secrets[task_run.cloud.client[0]] = task_run.canaries["client_secret"]
    open_lake(load_settings())  # the next try uses the new one


@pytest.mark.parametrize("fault", ["wrong", "expired"])
@pytest.mark.parametrize("task", ["silver", "report"])
def test_a_service_that_refuses_the_client_secret(
    task_run: FailedTask, monkeypatch: pytest.MonkeyPatch, fault: str, task: str
):
    if fault == "expired":
        task_run.cloud.entra.secrets[task_run.cloud.client[0]] = task_run.canaries["client_secret"]
        task_run.cloud.entra.expired.add(task_run.cloud.client[0])
        # The vault is read with another identity.
        client, secret = task_run.cloud.entra.add_application()
        task_run.cloud.key_vault.readers.add(client)
        monkeypatch.setenv("AZURE_CLIENT_ID", client)
        monkeypatch.setenv("AZURE_CLIENT_SECRET", secret)
    monkeypatch.setattr("midnight_airflow.operators.databricks_jobs.renew_rebuild_plan", lambda *_: None)
    monkeypatch.setattr("midnight_airflow.operators.databricks_jobs.open_lake", lambda settings: None)
    make = {"silver": stages.bronze_to_silver, "report": stages.refresh_report}[task]
    operator: Any = make(load_settings())
    if task == "silver":
        monkeypatch.setattr(type(operator.hook), "_get_retry_object", _once)
    message = task_run.execute(operator)
    assert ("AADSTS7000222" if fault == "expired" else "AADSTS7000215") in message
    task_run.check()


def _once(hook: Any) -> Any:
    from tenacity import Retrying, stop_after_attempt

    return Retrying(stop=stop_after_attempt(1), reraise=True)


def test_a_refusal_of_the_vault_is_reported_by_every_task(task_run: FailedTask, monkeypatch: pytest.MonkeyPatch):
    """Also where the provider's hook reads the connection."""
    task_run.cloud.key_vault.readers.clear()
    monkeypatch.setattr("midnight_airflow.operators.databricks_jobs.renew_rebuild_plan", lambda *_: None)
    settings = load_settings()
    operators = [stages.bronze_to_silver(settings), stages.refresh_report(settings)]
    for operator in operators:
        message = task_run.execute(operator)
        assert "from Key Vault midnight-test: 403 Forbidden" in message
        assert "Key Vault Secrets User" in message
    with pytest.raises(MidnightError, match=r"read secret 'airflow-connections-midn.*: 403 Forbidden"):
        open_lake(settings)
    task_run.check()
