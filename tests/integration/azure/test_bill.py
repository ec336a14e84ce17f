"""Thirty simulated runs cost, to the cent, what the meters of the fakes say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook
from deltalake import write_deltalake

from midnight.bronze.batch_id import make_batch_id
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.prices import Prices, load_prices
from midnight.cost.facts import data_factory_facts, databricks_facts, refresh_facts, scan_facts
from midnight.cost.kept import kept_bytes
from midnight.gold_to_serving.synapse_statements import DATA_PROCESSED
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.run.costs import cost_of_run
from midnight.settings import REPOSITORY, load_settings
from midnight.summary.document import CostSummary, ModelSummary, RunFigures
from midnight_airflow.hooks.data_factory_runs import PipelineRuns
from midnight_airflow.hooks.power_bi import PowerBiDataset
from midnight_airflow.key_vault import KeyVaultBackend
from midnight_airflow.run_costs import record_costs
from tests.fakes.adf_runs import Run, billed
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT, VAULT, Cloud, enter, running_cloud
from tests.fakes.data_factory import DataFactory
from tests.fakes.databricks import HOST, Databricks
from tests.fakes.databricks_runs import JobRun, TaskRun
from tests.fakes.entra import MANAGEMENT, Entra
from tests.fakes.power_bi import PowerBi
from tests.fakes.synapse import Synapse
from tests.fakes.synapse_session import Session
from tests.integration.azure.conftest import PLACE
from tests.support.deployed import deployed_job

RUNS = 30
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = ("bronze_to_silver", "silver_to_gold")


@dataclass
class Services:
    """The fakes, each with its meter, and the product's clients of them."""

    cloud: Cloud
    databricks: Databricks
    factory: DataFactory
    power_bi: PowerBi
    synapse: Synapse
    byte_hours: float = 0

    def bill(self, prices: Prices) -> float:
        """What the meters say, times the prices: not by the product's code."""
        hours = self.databricks.machine_ms / 3_600_000
        activities = sum(len(run.activities) for run in self.factory.runs.values())
        return sum(
            (
                hours * (prices.machine_hour.price + prices.dbu_per_machine_hour.price * prices.dbu.price),
                self.factory.runner.copy_minutes / 60 * prices.copy_hour.price,
                activities / 1000 * prices.activity_runs.price,
                self.synapse.processed_mb / 2**20 * prices.scanned_tb.price,
                len(self.cloud.key_vault.asked) / 10_000 * prices.key_vault_operations.price,
                self.power_bi.capacity_seconds / 60 * prices.capacity_minute.price,
                self.byte_hours / 2**30 / 730 * prices.storage_gb_month.price,
            )
        )


@pytest.fixture
def services(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setenv("MIDNIGHT_PROFILE", "local")  # the facts are kept in a folder
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path))
    databricks = Databricks(entra, tmp_path / "databricks", engine=None)
    factory = DataFactory(
        check=lambda request: entra.check(request, MANAGEMENT),
        place=PLACE,
        dsn="",
        write=lambda *_: None,
        folder=REPOSITORY / "include" / "adf",
    )
    power_bi = PowerBi(entra)
    authority = CertificateAuthority(tmp_path)
    synapse = Synapse(lambda token: None, Path, authority.issue("localhost"))
    everything = [databricks, factory, power_bi]
    with (
        contextlib.closing(databricks),
        running_cloud(tmp_path, entra=entra, services=everything, authority=authority) as cloud,
    ):
        enter(cloud, monkeypatch)
        client, secret = cloud.client
        databricks.users.add(client)
        power_bi.contributors.add(client)
        connections: dict[str, dict[str, Any]] = {
            "DATABRICKS": {
                "conn_type": "databricks",
                "host": f"https://{HOST}",
                "extra": {"azure_tenant_id": TENANT},
            },
            "DATA_FACTORY": {
                "conn_type": "azure_data_factory",
                "extra": {"tenantId": TENANT, "subscriptionId": PLACE[0]},
            },
            "POWER_BI": {"conn_type": "powerbi", "extra": {"tenant_id": TENANT, "trust_env": True}},
        }
        for name, connection in connections.items():
            value = json.dumps(connection | {"login": client, "password": secret})
            monkeypatch.setenv(f"AIRFLOW_CONN_MIDNIGHT_{name}", value)
        yield Services(cloud, databricks, factory, power_bi, synapse)


def test_thirty_runs_cost_what_the_meters_say(services: Services) -> None:
    """Runs of one machine and of three, with failed tries, without Data Factory, with and without a capacity."""
    prices = load_prices(REPOSITORY / "include")
    assert prices is not None
    minute = prices.prices.capacity_minute.model_copy(update={"price": 0.011})
    prices = prices.model_copy(update={"prices": prices.prices.model_copy(update={"capacity_minute": minute})})
    chance = random.Random(4)  # noqa: S311 - a test
    session = Session(services.synapse, "master", None)
    services.synapse.processed_mb = 400  # of others, earlier that day
    others = services.bill(prices.prices)
    costs = [_run(services, number, chance, session, prices) for number in range(RUNS)]
    total = sum(cost.total for cost in costs)
    assert round(total, 2) == round(services.bill(prices.prices) - others, 2)
    assert total > 50
    amounts = [item.amount for cost in costs for item in cost.items]
    assert sum(amounts) == pytest.approx(total)
    parts = {item.part for cost in costs for item in cost.items if item.amount > 0}
    assert parts == {"databricks", "data_factory", "synapse", "storage", "key_vault", "power_bi"}
    tables = {item.table for cost in costs for item in cost.items}
    assert tables == {"", "flights", "planes", "fact_flight"}


def _run(services: Services, number: int, chance: random.Random, session: Session, prices: Any) -> CostSummary:
    due = FIRST + timedelta(days=number)
    context: Any = {
        "ti": SimpleNamespace(task_id="task"),
        "dag_run": SimpleNamespace(run_id=f"r{number}", logical_date=due, run_after=due),
    }
    backend = KeyVaultBackend(vault_url=f"https://{VAULT}.vault.azure.net/")
    for name in ("source", "lake")[: chance.randint(1, 2)]:
        services.cloud.key_vault.values[f"airflow-connections-{name}"] = "postgresql://u@h/d"
        backend.get_connection(name)
    if number % 3:
        _copy(services, chance, context, due)
    for _ in range(chance.randint(1, 2)):  # a failed try is billed as well
        _databricks(services, chance, context, prices.prices)
    before = _processed(session)
    for _ in range(chance.randint(1, 5)):
        services.synapse.bill_query(chance.randint(0, 3 * 2**30))
    after = _processed(session)
    record_costs(context, "views", lambda: scan_facts(after - before, "scanned"))
    services.power_bi.on_capacity = True
    seconds = asyncio.run(_refresh(services, chance))
    record_costs(context, "refresh", lambda: refresh_facts(seconds))
    settings, files = load_settings(), open_local_lake()
    path = Path(settings.paths.silver_table("flights"))
    write_deltalake(path, pa.table({"a": [chance.random() for _ in range(2_000)]}), mode="append")
    services.byte_hours += 24 * sum(file.stat().st_size for file in path.glob("*.parquet"))
    batch = make_batch_id(due, f"r{number}")
    entry = {"batch_id": batch, "run_id": f"r{number}", "attempt_at": due, "source_table": "x", "status": "applied"}
    return cost_of_run(
        settings.paths,
        files,
        pipeline=Pipeline.model_validate({"source": {"name": "shop"}}),
        prices=prices,
        figures=RunFigures(run_id=f"r{number}", batch_id=batch, due=due, state="published"),
        entries=[
            LedgerEntry.model_validate(entry | {"table": name, "milliseconds": chance.randint(1, 9_999)})
            for name in ("flights", "planes")
        ],
        models=[ModelSummary(name="fact_flight", description="", rows=1, built="whole", seconds=chance.random())],
        kept=kept_bytes(files, [("flights", str(path)), ("planes", settings.paths.silver_table("planes"))]),
    )


def _processed(session: Session) -> float:
    (result,) = session.batch(DATA_PROCESSED)
    return float(result.rows[0][0])


def _copy(services: Services, chance: random.Random, context: Any, due: datetime) -> None:
    """A pipeline run with a copy per table; its activities are read through Data Factory's API."""
    run_id = f"run-{due:%d}"
    run = Run({"runId": run_id, "pipelineName": "midnight_copy"}, {})
    services.factory.runs[run_id] = run
    for table in ("flights", "planes"):
        for failed in (chance.random() < 0.2, False):
            minutes = services.factory.runner.bill_copy(chance.uniform(1, 900))
            output = {"rowsCopied": 1, "billingReference": billed(minutes)}
            properties = {"Table": f"public.{table}"}
            activity = {"name": "Copy", "type": "Copy"}
            services.factory.runner._record(run, activity, properties, output, ValueError("x") if failed else None)
    hook = AzureDataFactoryHook("midnight_data_factory")
    activities = PipelineRuns(hook, PLACE[1:], "midnight_copy").activities(run_id, due)
    names = {"public.flights": "flights", "public.planes": "planes"}
    record_costs(context, run_id, lambda: data_factory_facts(activities, names))


def _databricks(services: Services, chance: random.Random, context: Any, prices: Prices) -> None:
    """A run that has ended; its machine hours are read through the Jobs API."""
    settings = deployed_job("/w.whl", workers=2 * chance.randint(0, 1))
    tasks = [TaskRun(task) for task in settings["tasks"]]
    for task in tasks:
        task.end("SUCCESS")
        task.execution_ms = chance.randint(10_000, 3_000_000)
    tasks[0].setup_ms, tasks[-1].cleanup_ms = chance.randint(120_000, 400_000), chance.randint(1_000, 30_000)
    parameters = {item["name"]: item["default"] for item in settings["parameters"]}
    run = JobRun(1000, settings, parameters, tasks, life_cycle="TERMINATED", result="SUCCESS")
    run.cluster_ms = sum(task.setup_ms + task.execution_ms + task.cleanup_ms for task in tasks)
    services.databricks.runner.runs.append(run)
    hook = DatabricksHook("midnight_databricks", retry_limit=1)
    answer = hook.get_run(run.run_id)
    for step in STEPS:
        record_costs(context, f"{step}.{run.run_id}", partial(databricks_facts, answer, step, prices))


async def _refresh(services: Services, chance: random.Random) -> float:
    fake = services.power_bi
    refresh_id = fake.begin()
    fake.end(refresh_id, "Completed")
    end = datetime.fromisoformat(fake.refreshes[refresh_id]["startTime"]) + timedelta(seconds=chance.randint(5, 900))
    fake.refreshes[refresh_id]["endTime"] = end.isoformat().replace("+00:00", "Z")
    async with PowerBiDataset("midnight_power_bi", fake.group, fake.dataset) as dataset:
        return (await dataset.state(refresh_id)).seconds
