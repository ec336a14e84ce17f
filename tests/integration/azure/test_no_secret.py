"""Whatever is wrong with a connection, no secret gets into a message, a log, an XCom, a trigger or a URL."""

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
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from tests.fakes.cloud import TENANT, Cloud, running_cloud
from tests.fakes.doctor_services import ACCOUNT, HOST, Factory, Reports, Storage, Workspace
from tests.fakes.entra import Entra
from tests.integration.azure.conftest import enter
from tests.support.canaries import find_leaks_in, plant
from tests.unit.midnight_airflow.conftest import DagRun


class PostgresThatRefuses(socketserver.BaseRequestHandler):
    """Says that the password is wrong ("Message Formats" of PostgreSQL's frontend/backend protocol)."""

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


class Night:
    """Everything that a failed task leaves behind."""

    def __init__(self, cloud: Cloud, services: list[Any], canaries: dict[str, str], log: io.StringIO) -> None:
        self.cloud, self.services, self.canaries, self.log = cloud, services, canaries, log
        self.run = DagRun()
        self.left: dict[str, str] = {}

    def fail(self, work: Callable[[], Any]) -> str:
        """The sentence with which it fails."""
        try:
            work()
        except TaskDeferred as deferred:
            self.left["trigger"] = json.dumps(deferred.trigger.serialize())
            return "deferred"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is searched
            self.left["exception"] = "".join(traceback.format_exception(error))
            return str(error)
        pytest.fail("nothing failed")

    def execute(self, operator: Any) -> str:
        return self.fail(lambda: operator.execute(self.run.try_task(operator)))

    def check(self) -> None:
        """Nothing of it holds a secret."""
        self.left["xcom"] = json.dumps([list(map(str, self.run.xcoms.items()))])
        self.left["store"] = json.dumps([store.values for store in self.run.stores.values()])
        self.left["log"] = self.log.getvalue()
        self.left["requests"] = "\n".join(line for service in self.services for line in service.seen)
        assert find_leaks_in(self.left, self.canaries) == []
        assert self.left["log"]  # the search has something to search in


@pytest.fixture
def night(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """A cloud in which Airflow's client secret is a canary; all loggers write down what they are told, with DEBUG."""
    from airflow.sdk import configuration  # noqa: PLC0415

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
        yield Night(cloud, [cloud.entra, cloud.key_vault, *services], canaries, log)
        root.removeHandler(handler)
        root.setLevel(level)


def source(night: Night, **fields: Any) -> None:
    value = {"conn_type": "postgres", "schema": "shop", "login": "reader", **fields}
    value["password"] = night.canaries["source_password"]
    night.cloud.key_vault.values["airflow-connections-midnight-source"] = json.dumps(value)


def test_a_source_that_refuses_the_password(night: Night, refusing: int, monkeypatch: pytest.MonkeyPatch):
    source(night, host="127.0.0.1", port=refusing, extra={"sslmode": "disable"})
    monkeypatch.setattr("midnight_airflow.operators.postgres_to_bronze.open_lake", lambda _: open_local_lake())
    message = night.execute(PostgresToBronzeOperator(task_id="read", group="main", tables=[]))
    assert "password" in message
    night.check()


def test_a_source_that_is_not_there(night: Night, monkeypatch: pytest.MonkeyPatch):
    source(night, host="127.0.0.1", port=1)
    monkeypatch.setattr("midnight_airflow.operators.postgres_to_bronze.open_lake", lambda _: open_local_lake())
    message = night.execute(PostgresToBronzeOperator(task_id="read", group="main", tables=[]))
    assert "127.0.0.1:1" in message
    night.check()


def test_a_secret_that_is_no_connection(night: Night):
    """Half of a JSON document, and a URI whose password was not encoded."""
    for broken in (f'{{"password": "{night.canaries["jwt_secret"]}', f"postgres://u:{night.canaries['sas']}@[h/d"):
        night.cloud.key_vault.values["airflow-connections-midnight-source"] = broken
        message = night.fail(lambda: PostgresToBronzeOperator(task_id="r", group="m").source_address("midnight_source"))
        assert "neither JSON nor a URI" in message
    night.check()


def test_a_lake_whose_client_secret_is_wrong_and_then_rotated(night: Night):
    def read() -> str:
        settings = load_settings()
        return open_lake(settings).read_text(f"{settings.paths.bronze}/x")

    assert "AADSTS7000215" in night.fail(read)
    night.check()
    night.cloud.entra.secrets[night.cloud.client[0]] = night.canaries["client_secret"]
    open_lake(load_settings())  # the next try takes the new one


@pytest.mark.parametrize("fault", ["wrong", "expired"])
@pytest.mark.parametrize("task", ["silver", "report"])
def test_a_service_that_refuses_the_client_secret(night: Night, monkeypatch: pytest.MonkeyPatch, fault: str, task: str):
    if fault == "expired":
        night.cloud.entra.secrets[night.cloud.client[0]] = night.canaries["client_secret"]
        night.cloud.entra.expired.add(night.cloud.client[0])
        # The vault is asked by another identity.
        client, secret = night.cloud.entra.add_application()
        night.cloud.key_vault.readers.add(client)
        monkeypatch.setenv("AZURE_CLIENT_ID", client)
        monkeypatch.setenv("AZURE_CLIENT_SECRET", secret)
    monkeypatch.setattr("midnight_airflow.operators.databricks_jobs.renew_rebuild_plan", lambda *_: None)
    monkeypatch.setattr("midnight_airflow.operators.databricks_jobs.open_lake", lambda settings: None)
    make = {"silver": stages.bronze_to_silver, "report": stages.refresh_report}[task]
    operator = make(load_settings())
    if task == "silver":
        monkeypatch.setattr(type(operator.hook), "_get_retry_object", _once)
    message = night.execute(operator)
    assert ("AADSTS7000222" if fault == "expired" else "AADSTS7000215") in message
    night.check()


def _once(hook: Any) -> Any:
    from tenacity import Retrying, stop_after_attempt  # noqa: PLC0415

    return Retrying(stop=stop_after_attempt(1), reraise=True)


def test_a_vault_that_refuses_says_so_in_every_task(night: Night, monkeypatch: pytest.MonkeyPatch):
    """Also where the provider's hook looks the connection up, and whichever task it is."""
    night.cloud.key_vault.readers.clear()
    monkeypatch.setattr("midnight_airflow.operators.databricks_jobs.renew_rebuild_plan", lambda *_: None)
    settings = load_settings()
    operators = [stages.bronze_to_silver(settings), stages.refresh_report(settings)]
    for operator in operators:
        message = night.execute(operator)
        assert "from Key Vault midnight-test: 403 Forbidden" in message
        assert "Key Vault Secrets User" in message
    with pytest.raises(MidnightError, match=r"read secret 'airflow-connections-midn.*: 403 Forbidden"):
        open_lake(settings)
    night.check()
