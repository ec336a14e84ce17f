"""All services that a nightly run in Azure uses, set up as docs/azure.md describes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from databricks.sdk import WorkspaceClient

from cli.postgres.embedded import Server
from midnight.gold_to_serving.synapse_setup import check_setup, run_setup, setup_scripts
from midnight.lake.azure.credential import LakeCredential
from midnight.lake.azure.files import AzureLakeFiles
from midnight.settings import REPOSITORY
from midnight.synapse.connection import SynapseServer
from tests.fakes.azurite import Azurite, running_azurite
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT, VAULT, Cloud, running_cloud
from tests.fakes.data_factory import DataFactory
from tests.fakes.databricks import HOST as DATABRICKS_HOST
from tests.fakes.databricks import Databricks
from tests.fakes.entra import MANAGEMENT, SYNAPSE, Entra
from tests.fakes.power_bi import PowerBi
from tests.fakes.synapse import Synapse
from tests.integration.azure.conftest import enter
from tests.support.deployed import deployed_job
from tools.publish_wheel import publish
from tools.wheel import build_wheel

ACCOUNT = "midnightlake"
BLOB_HOST = f"{ACCOUNT}.blob.core.windows.net"
GOLD = f"abfss://gold@{ACCOUNT}.dfs.core.windows.net"
FACTORY = ("22222222-0000-4000-8000-000000000000", "midnight-dev", "midnight-dev-test")
WHEELS = "/Volumes/main/midnight/wheels"
READER = "azure_reader"
VAULT_URL = f"https://{VAULT}.vault.azure.net/"


@dataclass(frozen=True)
class WholeCloud:
    """All running fakes.

    Args:
        cloud: Entra ID, Key Vault and the proxy to all hosts.
        azurite: the lake.
        variables: environment variables of the azure profile, as in .env.
        canaries: description -> value of every secret.
    """

    cloud: Cloud
    azurite: Azurite
    data_factory: DataFactory
    databricks: Databricks
    synapse: Synapse
    power_bi: PowerBi
    variables: dict[str, str]
    canaries: dict[str, str]

    def lake_options(self) -> dict[str, str]:
        """Storage options for reading the lake with delta-rs."""
        client, secret = self.cloud.client
        return _lake_options(client, secret)

    def azurite_container(self, layer: str) -> ContainerClient:
        """A container of the lake, as its owner."""
        return BlobServiceClient.from_connection_string(self.azurite.connection_string()).get_container_client(layer)

    def lake(self) -> AzureLakeFiles:
        """The lake, as Airflow's identity."""
        return AzureLakeFiles(ACCOUNT, LakeCredential(TENANT, *self.cloud.client))


@contextlib.contextmanager
def running_whole_cloud(folder: Path, source: Server, authority: CertificateAuthority) -> Iterator[WholeCloud]:
    """Start all fakes, set them up with the product's own commands, and put the connections into the vault.

    Args:
        folder: for certificates and the services' files.
        source: superuser's login of the source; a reader is created there.
        authority: issuer of all certificates.
    """
    entra = Entra(TENANT)
    with contextlib.ExitStack() as stack:
        azurite = stack.enter_context(
            running_azurite(account=ACCOUNT, certificate=authority.issue("127.0.0.1", BLOB_HOST))
        )
        reader = stack.enter_context(_reader(source))
        power_bi = PowerBi(entra)
        databricks = Databricks(entra, folder / "databricks")
        stack.callback(databricks.close)
        lake = _Lake(azurite)
        data_factory = DataFactory(
            check=lambda request: entra.check(request, MANAGEMENT),
            place=FACTORY,
            dsn=reader.dsn,
            write=lake.write,
            folder=REPOSITORY / "include" / "adf",
        )
        stack.callback(data_factory.join)
        cloud = stack.enter_context(
            running_cloud(
                folder,
                entra=entra,
                services=[power_bi, databricks, data_factory],
                authority=authority,
                ports={BLOB_HOST: azurite.port},
            )
        )
        enter(cloud, stack.enter_context(pytest.MonkeyPatch.context()))
        azurite.make_containers()
        connector = entra.add_application()  # the access connector: the identity with which the jobs access the lake
        databricks.environment |= {**cloud.environment(), **_object_store(*connector)}
        synapse = stack.enter_context(_synapse(cloud, authority, folder))
        job_id = databricks.deploy(deployed_job(_publish_wheel(databricks)))
        client, secret = cloud.client
        power_bi.contributors.add(client)
        databricks.users.add(client)
        connections = _connections(cloud, reader, synapse)
        cloud.key_vault.values |= {
            f"airflow-connections-{name}": json.dumps(connection) for name, connection in connections.items()
        }
        yield WholeCloud(
            cloud,
            azurite,
            data_factory,
            databricks,
            synapse,
            power_bi,
            {**_variables(power_bi, job_id), **cloud.environment()},
            {
                "client secret of Airflow": secret,
                "password of the source": str(reader.password),
                "client secret of the access connector": connector[1],
                "key of the storage account": azurite.key,
            },
        )


def _variables(power_bi: PowerBi, job_id: int) -> dict[str, str]:
    return {
        "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
        "MIDNIGHT_LAKE_CONNECTION": "midnight_lake",
        "MIDNIGHT_ADF_RESOURCE_GROUP": FACTORY[1],
        "MIDNIGHT_ADF_FACTORY": FACTORY[2],
        "MIDNIGHT_DATABRICKS_JOB_ID": str(job_id),
        "MIDNIGHT_POWERBI_GROUP_ID": power_bi.group,
        "MIDNIGHT_POWERBI_DATASET_ID": power_bi.dataset,
    }


def _connections(cloud: Cloud, reader: Server, synapse: Synapse) -> dict[str, dict[str, Any]]:
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


class _Lake:
    """Writes files for Data Factory; with the account's key instead of Data Factory's identity."""

    def __init__(self, azurite: Azurite) -> None:
        self._azurite = azurite

    def write(self, folder: str, name: str, content: bytes) -> None:
        with BlobServiceClient.from_connection_string(self._azurite.connection_string()) as service:
            service.get_blob_client("bronze", f"{folder}/{name}").upload_blob(content)


def _lake_options(client: str, secret: str) -> dict[str, str]:
    return {
        "azure_storage_account_name": ACCOUNT,
        "azure_tenant_id": TENANT,
        "azure_client_id": client,
        "azure_client_secret": secret,
    }


def _object_store(client: str, secret: str) -> dict[str, str]:
    """How Sail signs in to the lake."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": client,
        "AZURE_CLIENT_SECRET": secret,
    }


@contextlib.contextmanager
def _synapse(cloud: Cloud, authority: CertificateAuthority, folder: Path) -> Iterator[Synapse]:
    """A workspace after ``python -m cli synapse``."""
    administrator, workspace = cloud.entra.add_application(), cloud.entra.add_application()
    names = {administrator[0]: None, cloud.client[0]: "midnight-dev-serving"}

    def check(token: str) -> str | None:
        return names[cloud.entra.verify(token, SYNAPSE)["appid"]]

    def locate(url: str) -> tuple[str, dict[str, str]]:
        assert url.startswith(GOLD), url
        return url, _lake_options(*workspace)

    with Synapse(check, locate, authority.issue("localhost")).running() as synapse:
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


def _publish_wheel(databricks: Databricks) -> str:
    """``make publish-wheel``."""
    token = f"dapi{secrets.token_hex(16)}"
    databricks.tokens.add(token)
    with tempfile.TemporaryDirectory(prefix="midnight_wheel_") as temporary:
        client = WorkspaceClient(host=f"https://{DATABRICKS_HOST}", token=token)
        path, _ = publish(client, build_wheel(Path(temporary)), WHEELS)
    databricks.requests.clear()  # the tests count the requests of the runs only
    return path


@contextlib.contextmanager
def _reader(source: Server) -> Iterator[Server]:
    """A login that may only read."""
    password = f"canary-{secrets.token_hex(12)}"
    with psycopg.connect(source.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{password}' IN ROLE midnight_reader")
        try:
            yield dataclasses.replace(source, user=READER, password=password)
        finally:
            connection.execute(f"DROP ROLE {READER}")
