"""Whole nights of the azure profile: a real Airflow, the providers' hooks, every service behind its real name over TLS.

Three nights of a source that changes. Data Factory copies the first, and every table whole; then the flights are read
incrementally, by our operator in the second night and by Data Factory in the third. Silver, gold and views must be
those of the local profile, row for row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import duckdb
import pytest

from cli.demo.night import CORRECTED_FLIGHTS, advance_one_day
from cli.postgres.embedded import Server
from midnight.bronze.batches import sealed_batches
from midnight.bronze.manifest import Manifest
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger
from midnight.settings import Settings, load_settings
from midnight.synapse.connection import SynapseServer
from tests.conftest import copied_demo
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT
from tests.fakes.databricks import RUN_NOW
from tests.fakes.power_bi import START
from tests.support import lake_comparison
from tests.support.azure_instance import AzureInstance
from tests.support.canaries import find_leaks
from tests.support.local_run import run_pipeline
from tests.support.sealed_batches import counts
from tests.support.view_reader import ask
from tests.support.whole_cloud import VAULT_URL, WholeCloud, running_whole_cloud

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

TASKS = {
    "ingest.postgres_to_bronze_main",
    "bronze.plan_batch",
    "silver.bronze_to_silver",
    "gold.silver_to_gold",
    "serve.gold_to_serving",
    "report.refresh_report",
    "cancel_orphaned_runs",
}
# With how it was ingested; the order of the nights.
WHOLE_BY_ADF, CHANGES_BY_OPERATOR, CHANGES_BY_ADF = "whole-adf", "changes-operator", "changes-adf"


@dataclass
class Nights:
    """The two profiles, night after night on the same source.

    Args:
        azure: the azure profile under Airflow.
        local: settings of the local profile; it has the same configuration.
        source: superuser's login.
        options: what delta-rs needs to read the lake in Azure.
        accounts: of each night what became of the rows in the local profile.
    """

    azure: AzureInstance
    local: Settings
    source: Server
    options: Mapping[str, str]
    accounts: dict[str, list[LedgerEntry]]

    def run(self, run_id: str) -> None:
        """Both profiles load what the source holds."""
        states = self.azure.run(run_id, {"ingest_with": run_id.partition("-")[2]})
        assert states == dict.fromkeys(TASKS, "success"), self.azure.errors()
        batch_id = f"202611{len(self.accounts) + 1:02}T000000000Z-00000001"
        self.accounts[run_id] = run_pipeline(self.local, self.source, batch_id)

    def rows_of_azure(self, run_id: str) -> dict[str, tuple[int, dict[str, int]]]:
        """Of each table how many rows a night read, and what became of them."""
        return accounts(latest_entries(read_ledger(self.azure.settings.paths.ledger, self.options), run_id))

    def check_tables(self) -> None:
        """Silver and gold are the same in both profiles."""
        for layer in (lake_comparison.silver, lake_comparison.gold):
            here, there = layer(self.local), layer(self.azure.settings, self.options)
            assert here.keys() == there.keys()
            for name, rows in here.items():
                assert rows.num_rows > 0
                assert there[name].equals(rows), name


def accounts(entries: Iterable[LedgerEntry]) -> dict[str, tuple[int, dict[str, int]]]:
    """Comparable, by table."""
    return {entry.table: (entry.rows_in, counts(entry)) for entry in entries}


def sealed_flights(lake: LakeFiles, settings: Settings) -> list[Manifest]:
    """Of every night."""
    return sealed_batches(lake, settings.paths, "nycflights", "public", "flights")


def extremes(batch: Manifest) -> tuple[str | None, ...]:
    """What a batch says about its cursor, apart from the names of batches."""
    assert batch.cursor is not None
    return batch.cursor.since, batch.cursor.lowest, batch.cursor.highest, batch.cursor.reached


@pytest.fixture(scope="module")
def source(demo_source: Server) -> Iterator[Server]:
    """The demo source of this module, in which the days go by."""
    with copied_demo(demo_source) as copy:
        yield copy


@pytest.fixture(scope="module")
def whole_cloud(
    tmp_path_factory: pytest.TempPathFactory, source: Server, authority: CertificateAuthority
) -> Iterator[WholeCloud]:
    with running_whole_cloud(tmp_path_factory.mktemp("cloud"), source, authority) as running:
        yield running


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory, whole_cloud: WholeCloud) -> Iterator[AzureInstance]:
    instance = AzureInstance(tmp_path_factory.mktemp("azure"), whole_cloud.variables, VAULT_URL)
    flights = instance.settings.config / "tables" / "public.flights.yml"
    before, mode, after = flights.read_text().partition("mode: snapshot")
    assert mode
    flights.write_text(f"{before}mode: incremental\ncursor: updated_at{after}")
    whole_cloud.data_factory.deploy(instance.settings.config / "adf")
    with instance.running():
        yield instance


@pytest.fixture(scope="module")
def first_night(
    tmp_path_factory: pytest.TempPathFactory, azure: AzureInstance, whole_cloud: WholeCloud, source: Server
) -> Nights:
    """After the night that reads every table whole, with Data Factory."""
    home = tmp_path_factory.mktemp("local")
    local = load_settings({"MIDNIGHT_HOME": str(home), "MIDNIGHT_CONFIG": str(azure.settings.config)})
    nights = Nights(azure, local, source, whole_cloud.lake_options(), {})
    nights.run(WHOLE_BY_ADF)
    return nights


@pytest.fixture(scope="module")
def all_nights(first_night: Nights) -> Nights:
    """After two more, in which flights came, were corrected and were withdrawn."""
    for run_id in (CHANGES_BY_OPERATOR, CHANGES_BY_ADF):
        advance_one_day(first_night.source)
        first_night.run(run_id)
    return first_night


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


def test_whole_tables_are_those_of_the_local_profile(first_night: Nights) -> None:
    first_night.check_tables()


def test_both_ways_read_the_same_changes(whole_cloud: WholeCloud, all_nights: Nights) -> None:
    """A value that Data Factory hands over differently would be an update: it reads the last hour before again."""
    there = sealed_flights(whole_cloud.lake(), all_nights.azure.settings)
    here = sealed_flights(open_local_lake(), all_nights.local)
    assert [(batch.mode, batch.written_by) for batch in there] == [
        ("snapshot", "adf"),
        ("incremental", "operator"),
        ("incremental", "adf"),
    ]
    for batch, expected in zip(there, here, strict=True):
        assert (batch.rows, extremes(batch)) == (expected.rows, extremes(expected))
    assert CORRECTED_FLIGHTS < max(batch.rows for batch in there[1:]) < 3_000
    for run_id, entries in all_nights.accounts.items():
        assert all_nights.rows_of_azure(run_id) == accounts(entries)
    for run_id in (CHANGES_BY_OPERATOR, CHANGES_BY_ADF):
        _, became = all_nights.rows_of_azure(run_id)["flights"]
        assert (became["updated"], became.get("deleted", 0)) == (CORRECTED_FLIGHTS, 0)


def test_changed_tables_are_those_of_the_local_profile(all_nights: Nights) -> None:
    all_nights.check_tables()


def test_the_views_are_those_of_the_local_profile(whole_cloud: WholeCloud, all_nights: Nights) -> None:
    queries = view_queries(whole_cloud.synapse.views())
    published = ask(synapse_reader(whole_cloud), queries)
    with duckdb.connect(str(all_nights.local.serving_database), read_only=True) as local:
        names = local.execute(
            "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE schema_name IN ('gold', 'reporting')"
        ).fetchall()
        assert {name for (name,) in names} == whole_cloud.synapse.views().keys()
        local.execute("SET TimeZone = 'UTC'")
        for name, query in queries.items():
            expected = local.execute(query.replace("COUNT_BIG", "COUNT")).fetchall()
            assert len(expected) > 0
            assert comparable(published[name]) == comparable(expected), name


def test_each_service_was_asked_once(whole_cloud: WholeCloud, all_nights: Nights) -> None:
    assert len(whole_cloud.data_factory.runs) == 2
    assert whole_cloud.databricks.requests[RUN_NOW] == 3
    assert whole_cloud.databricks.writers == 1
    assert whole_cloud.power_bi.requests[START] == 3
    assert [entry["status"] for entry in whole_cloud.power_bi.refreshes.values()] == ["Completed"] * 3
    for service in (whole_cloud.data_factory, whole_cloud.databricks, whole_cloud.power_bi, whole_cloud.cloud.entra):
        assert [name for name in service.requests if name.startswith("unknown")] == []
    assert whole_cloud.cloud.tunnel.refused == set()


def test_no_staging_is_left(whole_cloud: WholeCloud, all_nights: Nights) -> None:
    container = whole_cloud.azurite_container("silver")
    assert list(container.list_blob_names(name_starts_with="_midnight/ledger")) != []
    assert list(container.list_blob_names(name_starts_with="_midnight/staging")) == []


def test_a_missing_secret_fails_the_task_whatever_the_environment_says(
    whole_cloud: WholeCloud, azure: AzureInstance, all_nights: Nights
) -> None:
    """The environment has a connection of the same id (``AzureInstance``), which no task has used so far either."""
    secret = "airflow-connections-midnight-source"
    kept = whole_cloud.cloud.key_vault.values.pop(secret)
    states = azure.run("no-secret", {"ingest_with": "operator"})
    whole_cloud.cloud.key_vault.values[secret] = kept
    assert states["ingest.postgres_to_bronze_main"] == "failed"
    said = [line for line in azure.errors() if f"has no secret '{secret}' for 'midnight_source'" in line]
    assert "az keyvault secret set --vault-name midnight-test" in said[0]
    assert [line for line in azure.errors() if "stranger" in line or "127.0.0.1:1" in line] == []


def test_no_secret_is_left_anywhere(whole_cloud: WholeCloud, azure: AzureInstance, all_nights: Nights) -> None:
    """Logs, rendered fields, XComs, triggers and serialized DAGs (the metadata database), and what the jobs wrote."""
    places = [azure.home, whole_cloud.databricks.runner.folder]
    assert find_leaks(places, whole_cloud.canaries) == []
    assert find_leaks(places, {"no secret, and in a rendered field": whole_cloud.power_bi.dataset}) != []
