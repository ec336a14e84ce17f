"""An Airflow of the azure profile with three services whose work runs until the test ends it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.airflow.services import AirflowServices
from cli.instance.folder import Instance
from cli.postgres.embedded import Server, free_port
from midnight.settings import REPOSITORY, load_settings
from tests.fakes.cloud import TENANT, Cloud, running_cloud
from tests.fakes.data_factory import DataFactory
from tests.fakes.databricks import HOST, Databricks
from tests.fakes.entra import MANAGEMENT
from tests.fakes.power_bi import PowerBi

DAGS = REPOSITORY / "tests" / "support" / "lifecycle_dags"
# An incomplete connection: a task that wants to keep its costs cannot open the lake, and does not try for seconds.
NO_LAKE = "no_lake"
QUICKER = {
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",  # then another one takes over
}


@contextlib.contextmanager
def held_factory(databricks: Databricks, source: Server, jobs: Iterable[str]) -> Iterator[DataFactory]:
    """A factory in which the copies of ``jobs`` run until they are cancelled or removed from ``delays``."""
    made = DataFactory(
        check=lambda request: databricks.entra.check(request, MANAGEMENT),
        place=("sub", "group", "factory"),
        dsn=source.dsn,
        write=lambda folder, name, content: None,
        folder=REPOSITORY / "include" / "adf",
    )
    made.delays.update({f"public.{job}": 600 for job in jobs})
    yield made
    made.join()


@contextlib.contextmanager
def held_power_bi(databricks: Databricks) -> Iterator[PowerBi]:
    """A workspace whose refreshes run until the test ends them."""
    made, over = PowerBi(databricks.entra), threading.Event()

    def refresh(refresh_id: str) -> None:
        over.wait(600)

    made.refresh = refresh
    yield made
    over.set()


@contextlib.contextmanager
def running_airflow(
    folder: Path, databricks: Databricks, factory: DataFactory, power_bi: PowerBi
) -> Iterator[AirflowServices]:
    """Airflow's services in the azure profile, with an instance below ``folder``."""
    with (
        running_cloud(folder, entra=databricks.entra, services=[databricks, factory, power_bi]) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        databricks.users.add(cloud.client[0])
        power_bi.contributors.add(cloud.client[0])
        instance = Instance(folder / "home")
        instance.create()
        instance.connections.write_text(_connections(cloud))
        variables = {
            "MIDNIGHT_PROFILE": "azure",
            "MIDNIGHT_HOME": str(instance.home),
            "MIDNIGHT_STORAGE_ACCOUNT": "lake",
            "MIDNIGHT_LAKE_CONNECTION": NO_LAKE,
            "MIDNIGHT_DATABRICKS_JOB_ID": "1000",  # each run names its own
            "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
            "MIDNIGHT_ADF_FACTORY": "factory",
            "MIDNIGHT_POWERBI_GROUP_ID": power_bi.group,
            "MIDNIGHT_POWERBI_DATASET_ID": power_bi.dataset,
        }
        for name, value in {**cloud.environment(), **variables, **QUICKER}.items():
            patch.setenv(name, value)
        for name in [name for name in os.environ if name.startswith("AIRFLOW__CORE") or name == "AIRFLOW_HOME"]:
            patch.delenv(name)  # of the tests that import Airflow
        airflow = AirflowServices(instance, load_settings(), port=free_port(), dags=DAGS)
        try:
            airflow.start()
            airflow.wait_until_healthy()
            yield airflow
        finally:
            airflow.stop()


def _connections(cloud: Cloud) -> str:
    """The connections of the three services, as YAML."""
    identity, secret = cloud.client
    principal = {"login": identity, "password": secret}
    connections = {
        "midnight_databricks": {
            "conn_type": "databricks",
            "host": f"https://{HOST}",
            "extra": {"azure_tenant_id": TENANT},
        },
        "midnight_data_factory": {
            "conn_type": "azure_data_factory",
            "extra": {"tenantId": TENANT, "subscriptionId": "sub"},
        },
        "midnight_power_bi": {"conn_type": "powerbi", "extra": {"tenant_id": TENANT, "trust_env": True}},
    }
    complete = {name: fields | principal for name, fields in connections.items()}
    return yaml.safe_dump({**complete, NO_LAKE: {"conn_type": "azure_data_lake"}})


def copied(factory: DataFactory, job: str) -> list[dict[str, Any]]:
    """The pipeline runs of a scenario, which must not overlap."""
    runs = [run.document for run in factory.runs.values() if run.document["parameters"]["batch_id"] == job]
    for before, after in pairwise(runs):
        assert before["runEnd"] is not None
        assert before["runEnd"] <= after["runStart"]
    return runs
