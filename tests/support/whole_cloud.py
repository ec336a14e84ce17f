"""All services that a nightly run in Azure uses, and the fixtures that start them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from cli.postgres.embedded import Server
from midnight.lake.azure.credential import LakeCredential
from midnight.lake.azure.files import AzureLakeFiles
from midnight.settings import REPOSITORY
from midnight.synapse.connection import SynapseServer
from tests.fakes.azurite import Azurite, running_azurite
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT, VAULT, Cloud, enter, running_cloud
from tests.fakes.data_factory import DataFactory
from tests.fakes.databricks import Databricks
from tests.fakes.entra import MANAGEMENT, Entra
from tests.fakes.power_bi import PowerBi
from tests.fakes.synapse import Synapse
from tests.support.cloud_setup import (
    ACCOUNT,
    BLOB_HOST,
    FACTORY,
    FactoryLake,
    connections,
    lake_options,
    object_store,
    profile_variables,
    published_wheel,
    reading_login,
    set_up_synapse,
)
from tests.support.demo_copy import copied_demo
from tests.support.deployed import deployed_job

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
        return lake_options(client, secret)

    def azurite_container(self, layer: str) -> ContainerClient:
        """A container of the lake, as its owner."""
        return BlobServiceClient.from_connection_string(self.azurite.connection_string()).get_container_client(layer)

    def lake(self) -> AzureLakeFiles:
        """The lake, as Airflow's identity."""
        return AzureLakeFiles(ACCOUNT, LakeCredential(TENANT, *self.cloud.client))

    def synapse_server(self) -> SynapseServer:
        """The views, with a reader's credential."""
        client, secret = self.cloud.client
        return SynapseServer(
            host="localhost",
            port=self.synapse.port,
            database="midnight",
            client_id=client,
            client_secret=secret,
            tenant_id=TENANT,
            name="test",
        )


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
        reader = stack.enter_context(reading_login(source))
        power_bi = PowerBi(entra)
        databricks = Databricks(entra, folder / "databricks")
        stack.callback(databricks.close)
        lake = FactoryLake(azurite)
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
        databricks.environment |= {**cloud.environment(), **object_store(*connector)}
        synapse = stack.enter_context(set_up_synapse(cloud, authority, folder))
        job_id = databricks.deploy(deployed_job(published_wheel(databricks)))
        client, secret = cloud.client
        power_bi.contributors.add(client)
        databricks.users.add(client)
        secret_connections = connections(cloud, reader, synapse)
        cloud.key_vault.values |= {
            f"airflow-connections-{name}": json.dumps(connection) for name, connection in secret_connections.items()
        }
        yield WholeCloud(
            cloud,
            azurite,
            data_factory,
            databricks,
            synapse,
            power_bi,
            {**profile_variables(power_bi, job_id), **cloud.environment()},
            {
                "client secret of Airflow": secret,
                "password of the source": str(reader.password),
                "client secret of the access connector": connector[1],
                "key of the storage account": azurite.key,
            },
        )


@pytest.fixture(scope="module")
def cloud_source(demo_source: Server) -> Iterator[Server]:
    """A copy of the demo source for a module, which its tests change; with the flights of two months instead of nine.

    Each row takes processor time in every service, and all of them run on this machine.
    """
    with copied_demo(demo_source) as copy:
        with psycopg.connect(copy.dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM flights WHERE month < 8")
            connection.execute("VACUUM (FULL, ANALYZE) flights")
        yield copy


@pytest.fixture(scope="module")
def whole_cloud(
    tmp_path_factory: pytest.TempPathFactory, cloud_source: Server, authority: CertificateAuthority
) -> Iterator[WholeCloud]:
    """All fakes; the source is ``cloud_source``."""
    with running_whole_cloud(tmp_path_factory.mktemp("cloud"), cloud_source, authority) as running:
        yield running
