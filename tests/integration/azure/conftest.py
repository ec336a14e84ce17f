"""Fixtures of the azure profile's tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.postgres.embedded import Server
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from midnight_airflow import run_summary
from midnight_airflow.operators import publish_views
from midnight_airflow.operators.publish_views import PublishViewsOperator
from midnight_airflow.run_context import batch_id
from tests.fakes import doctor_databricks, doctor_services
from tests.fakes.azure_lake import AzureLake
from tests.fakes.azurite import Azurite, running_azurite
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT, Cloud, enter, running_cloud
from tests.fakes.data_factory import DataFactory
from tests.fakes.entra import MANAGEMENT, Entra
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.synapse_workspace import ACCOUNT, Workspace, in_folder, running_workspace
from tests.support.doctor_setup import Setup, complete_setup
from tests.support.ingest_run import run_sql
from tests.support.whole_cloud import cloud_source, whole_cloud
from tests.unit.conftest import SmallLake
from tests.unit.midnight_airflow.conftest import DagRun

__all__ = ["cloud_source", "whole_cloud"]  # fixtures
Publish = Callable[[], dict[str, Any]]
PLACE = ("sub", "group", "factory")
CONTENT = [
    "CREATE TABLE t0 (id bigint, amount numeric(12,2))",
    "INSERT INTO t0 VALUES (1, 1.50), (2, NULL)",
    "CREATE TABLE t1 (id bigint, amount numeric(12,2))",
    "INSERT INTO t1 SELECT i, i FROM generate_series(1, 100) i",
]


@pytest.fixture
def entra() -> Entra:
    """A tenant; its applications are made by the test."""
    return Entra(TENANT)


@pytest.fixture
def cloud(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Entra and a Key Vault; this process finds them under their real names."""
    with running_cloud(tmp_path, entra=entra, services=[]) as running:
        enter(running, monkeypatch)
        yield running


@pytest.fixture
def setup(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    """A setup in which ``make doctor`` finds nothing wrong, for the test to break."""
    workspace, factory = doctor_databricks.Workspace(entra), doctor_services.Factory(entra)
    reports, storage = doctor_services.Reports(entra), doctor_services.Storage(entra)
    with running_cloud(tmp_path, entra=entra, services=[workspace, factory, reports, storage]) as cloud:
        enter(cloud, monkeypatch)
        yield complete_setup(
            cloud, workspace=workspace, factory=factory, reports=reports, storage=storage, monkeypatch=monkeypatch
        )


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A blob service with the three containers, without TLS; tests stay apart by the fixture ``azure_lake``."""
    with running_azurite() as running:
        running.make_containers()
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """One for all that the driver for Synapse talks to: it reads the trusted authorities once per process."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def synapse_cloud(tmp_path_factory: pytest.TempPathFactory, authority: CertificateAuthority) -> Iterator[Cloud]:
    """A cloud for all tests of Synapse."""
    folder = tmp_path_factory.mktemp("synapse")
    with running_cloud(folder, entra=Entra(TENANT), services=[], authority=authority) as running:
        yield running


@pytest.fixture
def fault_proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy before Azurite, without any fault yet."""
    with FaultProxy(azurite.port).running() as proxy:
        yield proxy


@pytest.fixture
def azure_lake(azurite: Azurite) -> AzureLake:
    """A lake of the test's own in Azurite."""
    return AzureLake(azurite)


@pytest.fixture
def faulty_lake(azurite: Azurite, fault_proxy: FaultProxy) -> AzureLake:
    """A lake of the test's own in Azurite, behind ``fault_proxy``; it waits 2 s for an answer."""
    return AzureLake(azurite, port=fault_proxy.port, read_timeout=2)


@pytest.fixture
def small_lake(tmp_path: Path) -> SmallLake:
    """A lake without any build, as folders of this machine."""
    return SmallLake(tmp_path)


@pytest.fixture
def workspace(synapse_cloud: Cloud, small_lake: SmallLake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A Synapse workspace without any database; ``set_up`` makes it."""
    enter(synapse_cloud, monkeypatch)
    with running_workspace(synapse_cloud, synapse_cloud.authority, in_folder(Path(small_lake.paths.gold))) as running:
        yield running


@pytest.fixture(scope="session")
def set_up_once() -> dict[str, Any]:
    """What the set-up made, for the tests after the first that needs it."""
    return {}


@pytest.fixture
def ready_workspace(workspace: Workspace, set_up_once: dict[str, Any]) -> Workspace:
    """A workspace after the set-up."""
    synapse = workspace.synapse
    if not set_up_once:
        workspace.set_up()
        set_up_once.update(databases=synapse.databases, logins=synapse.logins)
    synapse.databases = {name: database.copy() for name, database in set_up_once["databases"].items()}
    synapse.logins = set(set_up_once["logins"])
    synapse.requests.clear()
    synapse.statements.clear()
    return workspace


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The folder in place of the container to which Data Factory copies."""
    return tmp_path / "lake" / "bronze"


@pytest.fixture
def factory(entra: Entra, database: Server, lake: Path) -> Iterator[DataFactory]:
    """A Data Factory whose source has two small tables."""

    def write(folder: str, name: str, content: bytes) -> None:
        (lake / folder).mkdir(parents=True, exist_ok=True)
        (lake / folder / name).write_bytes(content)

    run_sql(database, *CONTENT)
    made = DataFactory(
        check=lambda request: entra.check(request, MANAGEMENT),
        place=PLACE,
        dsn=database.dsn,
        write=write,
        folder=REPOSITORY / "include" / "adf",
    )
    yield made
    made.join()


@pytest.fixture
def azure_cloud(tmp_path: Path, entra: Entra, factory: DataFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Entra and the Data Factory."""
    with running_cloud(tmp_path, entra=entra, services=[factory]) as running:
        enter(running, monkeypatch)
        yield running


@pytest.fixture
def run() -> DagRun:
    """One run of the pipeline."""
    return DagRun()


@pytest.fixture
def publish(ready_workspace: Workspace, small_lake: SmallLake, run: DagRun, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Run the task in the azure profile, with folders of this machine as containers."""
    for name, value in {
        "MIDNIGHT_PROFILE": "azure",
        "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
        "MIDNIGHT_DATABRICKS_JOB_ID": "7",
        "MIDNIGHT_CONFIG": str(small_lake.configuration),
        "AIRFLOW_CONN_MIDNIGHT_SYNAPSE": json.dumps(ready_workspace.connection_uri()),
    }.items():
        monkeypatch.setenv(name, value)
    small_lake.configuration.mkdir(exist_ok=True)
    monkeypatch.setattr(LakePaths, "in_account", classmethod(lambda cls, account: small_lake.paths))
    for module in (publish_views, run_summary):
        monkeypatch.setattr(module, "open_lake", lambda settings, *policy: open_local_lake())

    def execute() -> dict[str, Any]:
        operator = PublishViewsOperator(task_id="gold_to_serving")
        return operator.execute(run.try_task(operator))

    return execute


@pytest.fixture
def batch(run: DagRun) -> str:
    """The id of the run's batch."""
    return batch_id(run.try_task(PublishViewsOperator(task_id="gold_to_serving")))
