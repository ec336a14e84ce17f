"""The services of a nightly run, set up with the product's own commands, as docs/azure.md describes."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobServiceClient, ContainerClient
from databricks.sdk import WorkspaceClient

from cli.postgres.embedded import Server
from midnight.gold_to_serving.synapse_setup import check_setup, run_setup, setup_scripts
from midnight.settings import REPOSITORY
from midnight.synapse.connection import SynapseServer
from tests.fakes.azurite import Azurite
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT, Cloud
from tests.fakes.databricks import HOST as DATABRICKS_HOST
from tests.fakes.databricks import Databricks
from tests.fakes.entra import SYNAPSE
from tests.fakes.lake_copy import LakeCopy
from tests.fakes.power_bi import PowerBi
from tests.fakes.synapse import Synapse
from tools.publish_wheel import publish
from tools.wheel import build_wheel

ACCOUNT = "midnightlake"
BLOB_HOST = f"{ACCOUNT}.blob.core.windows.net"
GOLD = f"abfss://gold@{ACCOUNT}.dfs.core.windows.net"
FACTORY = ("22222222-0000-4000-8000-000000000000", "midnight-dev", "midnight-dev-test")
WHEELS = "/Volumes/main/midnight/wheels"
READER = "azure_reader"


def profile_variables(power_bi: PowerBi, job_id: int) -> dict[str, str]:
    return {
        "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
        "MIDNIGHT_LAKE_CONNECTION": "midnight_lake",
        "MIDNIGHT_ADF_RESOURCE_GROUP": FACTORY[1],
        "MIDNIGHT_ADF_FACTORY": FACTORY[2],
        "MIDNIGHT_DATABRICKS_JOB_ID": str(job_id),
        "MIDNIGHT_POWERBI_GROUP_ID": power_bi.group,
        "MIDNIGHT_POWERBI_DATASET_ID": power_bi.dataset,
    }


def connections(cloud: Cloud, reader: Server, synapse: Synapse) -> dict[str, dict[str, Any]]:
    """The connections of docs/azure.md, step 3."""
    client, secret = cloud.client
    principal = {"login": client, "password": secret}
    return {
        "midnight-lake": {"conn_type": "generic", **principal, "extra": {"tenantId": TENANT}},
        "midnight-data-factory": {
            "conn_type": "azure_data_factory",
            **principal,
            "extra": {"tenantId": TENANT, "subscriptionId": FACTORY[0]},
        },
        "midnight-databricks": {
            "conn_type": "databricks",
            "host": f"https://{DATABRICKS_HOST}",
            **principal,
            "extra": {"azure_tenant_id": TENANT},
        },
        "midnight-synapse": {
            "conn_type": "odbc",
            "host": "localhost",
            "port": synapse.port,
            **principal,
            "extra": {"tenantId": TENANT},
        },
        "midnight-power-bi": {"conn_type": "powerbi", **principal, "extra": {"tenant_id": TENANT, "trust_env": True}},
        "midnight-source": {
            "conn_type": "postgres",
            "host": reader.host,
            "port": reader.port,
            "schema": reader.database,
            "login": reader.user,
            "password": reader.password,
        },
    }


class FactoryLake:
    """Writes files for Data Factory; with the account's key instead of Data Factory's identity."""

    def __init__(self, azurite: Azurite) -> None:
        self._azurite = azurite

    def write(self, folder: str, name: str, content: bytes) -> None:
        with BlobServiceClient.from_connection_string(self._azurite.connection_string()) as service:
            service.get_blob_client("bronze", f"{folder}/{name}").upload_blob(content)


def lake_options(client: str, secret: str) -> dict[str, str]:
    return {
        "azure_storage_account_name": ACCOUNT,
        "azure_tenant_id": TENANT,
        "azure_client_id": client,
        "azure_client_secret": secret,
    }


def object_store(client: str, secret: str) -> dict[str, str]:
    """How Sail signs in to the lake."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": client,
        "AZURE_CLIENT_SECRET": secret,
    }


@contextlib.contextmanager
def set_up_synapse(cloud: Cloud, authority: CertificateAuthority, folder: Path) -> Iterator[Synapse]:
    """A workspace after ``python -m cli synapse``."""
    administrator, workspace = cloud.entra.add_application(), cloud.entra.add_application()
    names = {administrator[0]: None, cloud.client[0]: "midnight-dev-serving"}

    def check(token: str) -> str | None:
        return names[cloud.entra.verify(token, SYNAPSE)["appid"]]

    def locate(url: str) -> Path:
        assert url.startswith(GOLD), url
        return gold.refresh(url.removeprefix(GOLD))

    with (
        ClientSecretCredential(TENANT, *workspace) as identity,
        ContainerClient(f"https://{BLOB_HOST}", "gold", credential=identity) as container,
        Synapse(check, locate, authority.issue("localhost")).running() as synapse,
    ):
        gold = LakeCopy(container, folder / "gold")
        server = SynapseServer(
            host="localhost",
            port=synapse.port,
            database="midnight",
            client_id=administrator[0],
            client_secret=administrator[1],
            tenant_id=TENANT,
            name="administrator",
        )
        scripts = setup_scripts(
            REPOSITORY / "include", "dev", database="midnight", storage_account=ACCOUNT, weekly_limit_tb=1
        )
        run_setup(server, scripts, lambda line: None)
        check_setup(server, GOLD)
        yield synapse


def published_wheel(databricks: Databricks) -> str:
    """``make publish-wheel``."""
    token = f"dapi{secrets.token_hex(16)}"
    databricks.tokens.add(token)
    with tempfile.TemporaryDirectory(prefix="midnight_wheel_") as temporary:
        client = WorkspaceClient(host=f"https://{DATABRICKS_HOST}", token=token)
        path, _ = publish(client, build_wheel(Path(temporary)), WHEELS)
    databricks.requests.clear()  # the tests count the requests of the runs only
    return path


@contextlib.contextmanager
def reading_login(source: Server) -> Iterator[Server]:
    """A login that may only read."""
    password = f"canary-{secrets.token_hex(12)}"
    with psycopg.connect(source.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{password}' IN ROLE midnight_reader")
        try:
            yield dataclasses.replace(source, user=READER, password=password)
        finally:
            connection.execute(f"DROP ROLE {READER}")
