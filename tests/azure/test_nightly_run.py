"""Whole nights of the azure profile: a real Airflow, the providers' hooks, every service behind its real name over TLS.

The first night copies with Data Factory, the second with our own operator. Silver, gold and views must be those of the
local profile, row for row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import pytest

from local.embedded_postgres import Server
from midnight.ledger import latest_entries, read_ledger
from midnight.synapse_connection import SynapseServer
from tests.azure import lake_comparison
from tests.azure.azure_instance import AzureInstance
from tests.azure.canaries import find_leaks
from tests.azure.certificates import CertificateAuthority
from tests.azure.cloud import TENANT
from tests.azure.databricks import RUN_NOW
from tests.azure.power_bi import START
from tests.azure.view_reader import ask
from tests.azure.whole_cloud import VAULT_URL, WholeCloud, running_whole_cloud
from tests.demo_instance import DemoInstance

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

TASKS = {
    "ingest.postgres_to_bronze_main",
    "bronze.plan_batch",
    "silver.bronze_to_silver",
    "gold.silver_to_gold",
    "serve.gold_to_serving",
    "report.refresh_report",
    "end_left_runs",
}


@pytest.fixture(scope="module")
def whole_cloud(
    tmp_path_factory: pytest.TempPathFactory, demo_source: Server, authority: CertificateAuthority
) -> Iterator[WholeCloud]:
    with running_whole_cloud(tmp_path_factory.mktemp("cloud"), demo_source, authority) as running:
        yield running


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory, whole_cloud: WholeCloud) -> Iterator[AzureInstance]:
    instance = AzureInstance(tmp_path_factory.mktemp("azure"), whole_cloud.variables, VAULT_URL)
    with instance.running():
        yield instance


@pytest.fixture(scope="module")
def adf_night(azure: AzureInstance) -> str:
    """The run id of a night that Data Factory copied."""
    states = azure.run("adf", {"ingest_with": "adf"})
    assert states == dict.fromkeys(TASKS, "success"), azure.errors()
    return "adf"


@pytest.fixture(scope="module")
def operator_night(azure: AzureInstance, adf_night: str) -> str:
    """The run id of the night after it, which our operator copied."""
    states = azure.run("operator", {"ingest_with": "operator"})
    assert states == dict.fromkeys(TASKS, "success"), azure.errors()
    return "operator"


def view_queries(views: Iterable[str]) -> dict[str, str]:
    """All rows of each view; of the two with a row per flight every 40th and the number of all.

    The driver takes minutes for those two, and their rows in gold are compared whole.
    """
    queries = {}
    for view in views:
        if view in ("gold.fact_flight", "reporting.flight"):
            queries[f"{view}, number"] = f"SELECT COUNT_BIG(*) AS rows_of_view FROM {view}"
            queries[f"{view}, every 40th"] = f"SELECT * FROM {view} WHERE flight_key % 40 = 0"
        else:
            queries[view] = f"SELECT * FROM {view}"
    return queries


def comparable(rows: Iterable[tuple]) -> list[tuple]:
    """Sorted, and without the last digits of floats: an average depends on the order in which its values were added."""
    rounded = (tuple(float(f"{v:.12g}") if isinstance(v, float) else v for v in row) for row in rows)
    return sorted(rounded, key=repr)


def synapse_reader(whole_cloud: WholeCloud) -> SynapseServer:
    """How somebody signs in."""
    client, secret = whole_cloud.cloud.client
    return SynapseServer(
        host="localhost",
        port=whole_cloud.synapse.port,
        database="midnight",
        client_id=client,
        client_secret=secret,
        tenant_id=TENANT,
        name="test",
    )


def test_silver_and_gold_are_those_of_the_local_profile(
    whole_cloud: WholeCloud, azure: AzureInstance, adf_night: str, home: DemoInstance, first_run: str
) -> None:
    options = whole_cloud.lake_options()
    for layer in (lake_comparison.silver, lake_comparison.gold):
        here, there = layer(home.settings), layer(azure.settings, options)
        assert here.keys() == there.keys()
        for name, rows in here.items():
            assert rows.num_rows > 0
            assert there[name].equals(rows), name


def test_both_ways_of_reading_the_source_give_the_same_values(
    whole_cloud: WholeCloud, azure: AzureInstance, operator_night: str
) -> None:
    """Values that differed would be updates."""
    entries = latest_entries(read_ledger(azure.settings.paths.ledger, whole_cloud.lake_options()), operator_night)
    assert len(entries) == 5
    assert [(e.table, e.inserted, e.updated, e.deleted) for e in entries] == [(e.table, 0, 0, 0) for e in entries]
    assert sum(entry.unchanged for entry in entries) > 270_000


def test_the_views_are_those_of_the_local_profile(
    whole_cloud: WholeCloud, operator_night: str, home: DemoInstance, first_run: str
) -> None:
    queries = view_queries(whole_cloud.synapse.views())
    published = ask(synapse_reader(whole_cloud), queries)
    with duckdb.connect(str(home.settings.serving_database), read_only=True) as local:
        names = local.execute(
            "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE schema_name IN ('gold', 'reporting')"
        ).fetchall()
        assert {name for (name,) in names} == whole_cloud.synapse.views().keys()
        local.execute("SET TimeZone = 'UTC'")
        for name, query in queries.items():
            expected = local.execute(query.replace("COUNT_BIG", "COUNT")).fetchall()
            assert len(expected) > 0
            assert comparable(published[name]) == comparable(expected), name


def test_each_service_was_asked_once(whole_cloud: WholeCloud, operator_night: str) -> None:
    assert len(whole_cloud.data_factory.runs) == 1
    assert whole_cloud.databricks.requests[RUN_NOW] == 2
    assert whole_cloud.databricks.writers == 1
    assert whole_cloud.power_bi.requests[START] == 2
    assert [entry["status"] for entry in whole_cloud.power_bi.refreshes.values()] == ["Completed"] * 2
    for service in (whole_cloud.data_factory, whole_cloud.databricks, whole_cloud.power_bi, whole_cloud.cloud.entra):
        assert [name for name in service.requests if name.startswith("unknown")] == []
    assert whole_cloud.cloud.tunnel.refused == set()


def test_no_secret_is_left_anywhere(
    whole_cloud: WholeCloud, azure: AzureInstance, operator_night: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Logs, rendered fields, XComs, triggers and serialized DAGs (the metadata database), and what the jobs wrote."""
    places = [azure.home, whole_cloud.databricks.runner.folder]
    assert find_leaks(places, whole_cloud.canaries) == []
    assert find_leaks(places, {"no secret, and in a rendered field": whole_cloud.power_bi.dataset}) != []
