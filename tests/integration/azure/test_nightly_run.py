"""Complete runs of the azure profile: a real Airflow, the providers' hooks, fakes behind the real host names.

Three runs on a source that changes. In the first, Data Factory copies full snapshots; then the flights are read
incrementally, by the operator in the second run and by Data Factory in the third. Silver, gold and views must equal
those of the local profile, row for row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import duckdb
import pytest

from cli.demo.new_day import CORRECTED_FLIGHTS, advance_one_day
from cli.postgres.embedded import Server
from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import Manifest
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.names import TableName
from midnight.settings import Settings, load_settings
from midnight.summary.storage import read_newest_summary
from tests.fakes.databricks import RUN_NOW
from tests.fakes.power_bi import START
from tests.support.azure_instance import AzureInstance
from tests.support.canaries import find_leaks
from tests.support.lineage_events import columns_of, names, problems, read_events
from tests.support.profile_comparison import ProfileComparison, accounts
from tests.support.view_reader import ask
from tests.support.whole_cloud import VAULT_URL, WholeCloud

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = "midnight_pipeline"
# The tasks that read and write data.
OF_DATA = (
    "ingest.postgres_to_bronze_main",
    "silver.bronze_to_silver",
    "gold.silver_to_gold",
    "serve.gold_to_serving",
)
# Run ids in order; the part after the dash is the parameter ``ingest_with``.
SNAPSHOT_BY_ADF, CHANGES_BY_OPERATOR, CHANGES_BY_ADF = "snapshot-adf", "changes-operator", "changes-adf"


def sealed_flights(lake: LakeFiles, settings: Settings) -> list[Manifest]:
    """Manifests of all runs."""
    return BronzeStore(lake, settings.paths, "nycflights").sealed_batches(TableName("public", "flights"))


def extremes(batch: Manifest) -> tuple[str | None, ...]:
    """The cursor values of a batch."""
    assert batch.cursor is not None
    return batch.cursor.since, batch.cursor.lowest, batch.cursor.highest, batch.cursor.reached


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
def after_first_run(
    tmp_path_factory: pytest.TempPathFactory, azure: AzureInstance, whole_cloud: WholeCloud, cloud_source: Server
) -> ProfileComparison:
    """After the run that reads full snapshots with Data Factory."""
    home = tmp_path_factory.mktemp("local")
    local = load_settings({"MIDNIGHT_HOME": str(home), "MIDNIGHT_CONFIG": str(azure.settings.config)})
    comparison = ProfileComparison(azure, local, cloud_source, whole_cloud.lake_options(), {})
    comparison.run(SNAPSHOT_BY_ADF)
    return comparison


@pytest.fixture(scope="module")
def after_all_runs(after_first_run: ProfileComparison) -> ProfileComparison:
    """After two more runs, in which flights were added, corrected and deleted."""
    for run_id in (CHANGES_BY_OPERATOR, CHANGES_BY_ADF):
        advance_one_day(after_first_run.source)
        after_first_run.run(run_id)
    return after_first_run


def view_queries(views: Iterable[str]) -> dict[str, str]:
    """All rows of each view; of the two with a row per flight every 40th and the number of all.

    The driver takes minutes for those two; all of their rows are compared in gold.
    """
    queries = {}
    for view in views:
        if view in ("gold.fact_flight", "reporting.flight"):
            queries[f"{view}, number"] = f"SELECT COUNT_BIG(*) AS rows_of_view FROM {view}"
            queries[f"{view}, every 40th"] = f"SELECT * FROM {view} WHERE flight_key % 40 = 0"
        else:
            queries[view] = f"SELECT * FROM {view}"
    return queries


# The columns of the runs' views that both profiles must agree on: no id, no time. Rows are in the order of the runs.
RUNS = "SELECT state, rows_in, changed, quarantined, quarantined_new, warnings FROM midnight.runs ORDER BY due"
LEDGER = (
    "SELECT [table], source_table, status, rows_in, inserted, updated, unchanged, deleted, duplicates, dropped, "
    "quarantined, obsolete, marked, warnings, unrepresentable, silver_after, schema_changes FROM midnight.ledger "
    "ORDER BY due, [table]"
)


def comparable(rows: Iterable[tuple]) -> list[tuple]:
    """Sorted, and without the last digits of floats: an average depends on the order in which its values were added."""
    rounded = (tuple(float(f"{v:.12g}") if isinstance(v, float) else v for v in row) for row in rows)
    return sorted(rounded, key=repr)


def test_full_snapshots_equal_those_of_the_local_profile(after_first_run: ProfileComparison) -> None:
    after_first_run.check_tables()


def test_both_ingest_methods_read_the_same_changes(whole_cloud: WholeCloud, after_all_runs: ProfileComparison) -> None:
    """A value that Data Factory returns differently would be an update: the last hour is read again."""
    there = sealed_flights(whole_cloud.lake(), after_all_runs.azure.settings)
    here = sealed_flights(open_local_lake(), after_all_runs.local)
    assert [(batch.mode, batch.written_by) for batch in there] == [
        ("snapshot", "adf"),
        ("incremental", "operator"),
        ("incremental", "adf"),
    ]
    for batch, expected in zip(there, here, strict=True):
        assert (batch.rows, extremes(batch)) == (expected.rows, extremes(expected))
    assert CORRECTED_FLIGHTS < max(batch.rows for batch in there[1:]) < 3_000
    for run_id, entries in after_all_runs.accounts.items():
        assert after_all_runs.rows_of_azure(run_id) == accounts(entries)
    for run_id in (CHANGES_BY_OPERATOR, CHANGES_BY_ADF):
        _, outcomes = after_all_runs.rows_of_azure(run_id)["flights"]
        assert (outcomes["updated"], outcomes.get("deleted", 0)) == (CORRECTED_FLIGHTS, 0)


def test_changed_tables_equal_those_of_the_local_profile(after_all_runs: ProfileComparison) -> None:
    after_all_runs.check_tables()


def test_the_views_equal_those_of_the_local_profile(whole_cloud: WholeCloud, after_all_runs: ProfileComparison) -> None:
    queries = view_queries(name for name in whole_cloud.synapse.views() if not name.startswith("midnight."))
    published = ask(whole_cloud.synapse_server(), queries)
    with duckdb.connect(str(after_all_runs.local.serving_database), read_only=True) as local:
        names = local.execute(
            "SELECT schema_name || '.' || view_name FROM duckdb_views() "
            "WHERE schema_name IN ('gold', 'reporting', 'midnight')"
        ).fetchall()
        assert {name for (name,) in names} == whole_cloud.synapse.views().keys()
        local.execute("SET TimeZone = 'UTC'")
        for name, query in queries.items():
            expected = local.execute(query.replace("COUNT_BIG", "COUNT")).fetchall()
            assert len(expected) > 0
            assert comparable(published[name]) == comparable(expected), name


def test_the_views_of_the_runs_equal_those_of_the_local_profile(
    whole_cloud: WholeCloud, after_all_runs: ProfileComparison
) -> None:
    there = ask(whole_cloud.synapse_server(), {"runs": RUNS, "ledger": LEDGER})
    with duckdb.connect(str(after_all_runs.local.serving_database), read_only=True) as local:
        runs = local.execute(RUNS).fetchall()
        ledger = local.execute(LEDGER.replace("[", '"').replace("]", '"')).fetchall()
    assert there["runs"] == runs
    assert [state for state, *_ in runs] == ["published"] * 3
    assert there["ledger"] == ledger
    assert len(ledger) > 3


def test_the_summary_of_a_run_equals_that_of_the_local_profile(
    whole_cloud: WholeCloud, after_all_runs: ProfileComparison
) -> None:
    there = read_newest_summary(whole_cloud.lake(), after_all_runs.azure.settings.paths)
    here = read_newest_summary(open_local_lake(), after_all_runs.local.paths)
    assert there.figures.stages.keys() == {"ingest", "bronze", "silver", "gold", "serve", "report"}
    assert there.figures.seconds > sum(there.figures.stages.values())
    assert [figures.state for figures in (*there.earlier, there.figures)] == ["published"] * 3
    for checks in (there.checks, here.checks):
        assert any(check.failed_rows and len(check.failed_before) == 2 for check in checks)
    counted = [[(c.layer, c.table, c.name, c.rows, c.failed_rows) for c in each.checks] for each in (there, here)]
    assert counted[0] == counted[1]
    rejected = [[(rule.table, rule.rule, rule.rows) for rule in each.quarantine] for each in (there, here)]
    assert rejected[0] == rejected[1] != []
    assert [(m.name, m.rows) for m in there.models] == [(m.name, m.rows) for m in here.models]
    assert there.data_up_to == min(table.batch.current_at for table in there.tables)


def test_the_events_of_lineage_are_valid_and_lead_from_the_source_to_the_views(
    azure: AzureInstance, after_all_runs: ProfileComparison
) -> None:
    events = read_events(azure.lineage_events)
    assert {problem for event in events for problem in problems(event)} == set()
    named = {
        kind: Counter(e["job"]["name"] for e in events if e["eventType"] == kind) for kind in ("START", "COMPLETE")
    }
    jobs = (PIPELINE, *(f"{PIPELINE}.{task}" for task in OF_DATA))
    assert named["COMPLETE"] == dict.fromkeys(jobs, 3)
    assert named["START"].keys() == set(jobs), "a task that was deferred starts twice"
    ended = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}  # of the last run
    bronze, silver, gold, serving = (ended[f"{PIPELINE}.{task}"] for task in OF_DATA)
    flights = f"{after_all_runs.source.database}.public.flights"
    assert [name for _, name in names(bronze["inputs"]) if name.endswith(".flights")] == [flights]
    assert names(silver["inputs"]) == names(bronze["outputs"])
    assert names(gold["inputs"]) == names(silver["outputs"])
    assert names(serving["inputs"]) == names(gold["outputs"])
    assert {name for _, name in names(serving["outputs"])} >= {"midnight.gold.dim_date", "midnight.reporting.flight"}
    (source,) = columns_of(gold, "fact_flight")["fields"]["arrival_delay_minutes"]["inputFields"]
    assert (source["name"], source["field"]) == ("flights", "arr_delay")
    (day,) = columns_of(serving, "midnight.reporting.flight")["fields"]["flight_date"]["inputFields"]
    assert day["name"].endswith("dim_date")


def test_each_service_was_called_once_per_run(whole_cloud: WholeCloud, after_all_runs: ProfileComparison) -> None:
    assert len(whole_cloud.data_factory.runs) == 2
    assert whole_cloud.databricks.requests[RUN_NOW] == 3
    assert whole_cloud.databricks.writers == 1
    assert whole_cloud.power_bi.requests[START] == 3
    assert [entry["status"] for entry in whole_cloud.power_bi.refreshes.values()] == ["Completed"] * 3
    for service in (whole_cloud.data_factory, whole_cloud.databricks, whole_cloud.power_bi, whole_cloud.cloud.entra):
        assert [name for name in service.requests if name.startswith("unknown")] == []
    assert whole_cloud.cloud.tunnel.refused == set()


def test_no_staging_is_left(whole_cloud: WholeCloud, after_all_runs: ProfileComparison) -> None:
    container = whole_cloud.azurite_container("silver")
    assert list(container.list_blob_names(name_starts_with="_midnight/ledger")) != []
    assert list(container.list_blob_names(name_starts_with="_midnight/staging")) == []


def test_a_missing_secret_fails_the_task_whatever_the_environment_says(
    whole_cloud: WholeCloud, azure: AzureInstance, after_all_runs: ProfileComparison
) -> None:
    """The environment has a connection of the same id (``AzureInstance``), which no task has used so far either."""
    secret = "airflow-connections-midnight-source"
    kept = whole_cloud.cloud.key_vault.values.pop(secret)
    states = azure.run("no-secret", {"ingest_with": "operator"})
    whole_cloud.cloud.key_vault.values[secret] = kept
    assert states["ingest.postgres_to_bronze_main"] == "failed"
    errors = [line for line in azure.errors() if f"has no secret '{secret}' for 'midnight_source'" in line]
    assert "az keyvault secret set --vault-name midnight-test" in errors[0]
    assert [line for line in azure.errors() if "stranger" in line or "127.0.0.1:1" in line] == []


def test_no_secret_is_left_anywhere(
    whole_cloud: WholeCloud, azure: AzureInstance, after_all_runs: ProfileComparison
) -> None:
    """Logs, rendered fields, XComs, triggers and serialized DAGs (the metadata database), and what the jobs wrote."""
    places = [azure.home, whole_cloud.databricks.runner.folder]
    assert find_leaks(places, whole_cloud.canaries) == []
    assert find_leaks(places, {"no secret, and in a rendered field": whole_cloud.power_bi.dataset}) != []
