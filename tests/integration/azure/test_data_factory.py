"""The fake Data Factory and the product's operator, hook and trigger, with the vendor's client over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import TaskDeferred
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.datafactory import DataFactoryManagementClient
from azure.mgmt.datafactory.models import RunFilterParameters
from pyarrow import parquet
from starlette.responses import JSONResponse

from midnight.data_factory.copy_request import copy_parameters
from midnight.errors import DeploymentError
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY, Settings
from midnight_airflow.operators.ingest import AzureIngestOperator
from midnight_airflow.operators.pipeline_run_attempt import DataFactoryRunError
from tests.fakes.adf_parquet import copy_to_parquet
from tests.fakes.cloud import TENANT, Cloud, running_cloud
from tests.fakes.data_factory import CANCEL_RUN, CREATE_RUN, DataFactory
from tests.fakes.entra import MANAGEMENT, Entra
from tests.integration.airflow.conftest import make_configuration
from tests.integration.azure.conftest import enter
from tests.support.ingest_run import run_sql
from tests.unit.midnight_airflow.conftest import DagRun

PLACE = ("sub", "group", "factory")
CONTENT = [
    "CREATE TABLE t0 (id bigint, amount numeric(12,2))",
    "INSERT INTO t0 VALUES (1, 1.50), (2, NULL)",
    "CREATE TABLE t1 (id bigint, amount numeric(12,2))",
    "INSERT INTO t1 SELECT i, i FROM generate_series(1, 100) i",
]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake" / "bronze"


@pytest.fixture
def factory(entra: Entra, database, lake: Path) -> Iterator[DataFactory]:
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
def azure_cloud(tmp_path: Path, entra: Entra, factory: DataFactory, monkeypatch) -> Iterator[Cloud]:
    with running_cloud(tmp_path, entra=entra, services=[factory]) as running:
        enter(running, monkeypatch)
        yield running


@pytest.fixture
def client(azure_cloud: Cloud) -> Iterator[DataFactoryManagementClient]:
    credential = ClientSecretCredential(TENANT, *azure_cloud.client)
    with DataFactoryManagementClient(credential, "sub", retry_total=0) as made:
        yield made


def parameters(*names: str) -> dict[str, Any]:
    from midnight.configuration.tables import Table

    columns = [{"name": "id", "type": "bigint"}, {"name": "amount", "type": "numeric(12,2)"}]
    tables = [Table(schema="public", table=name, silver=name, columns=columns) for name in names]
    given = copy_parameters(LakePaths.in_account("lake"), "shop", tables, "b1")
    return {**given, "tables": json.dumps(given["tables"]), "request_id": "r"}


def wait(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


def ended(client: DataFactoryManagementClient, run_id: str) -> Any:
    def run() -> Any:
        found = client.pipeline_runs.get("group", "factory", run_id)
        return found if found.status in ("Succeeded", "Failed", "Cancelled") else None

    return wait(run)


def activities(client: DataFactoryManagementClient, run_id: str) -> list[Any]:
    window = RunFilterParameters(
        last_updated_after=datetime.now(UTC) - timedelta(days=1), last_updated_before=datetime.now(UTC)
    )
    return client.activity_runs.query_by_pipeline_run("group", "factory", run_id, window).value


def test_the_fake_runs_the_committed_pipeline(client, factory, lake):
    run_id = client.pipelines.create_run("group", "factory", "midnight_copy", parameters=parameters("t0", "t1")).run_id

    run = ended(client, run_id)

    assert (run.status, run.message, run.parameters["request_id"]) == ("Succeeded", "", "r")
    assert [table["table"] for table in json.loads(run.parameters["tables"])] == ["t0", "t1"]
    read = parquet.read_table(lake / "shop" / "public.t0" / "b1" / f"{run_id}-00000.parquet")
    assert read.to_pylist() == [{"id": 1, "amount": "1.50"}, {"id": 2, "amount": None}]
    copies = {a["userProperties"]["Table"]: a.output for a in activities(client, run_id) if a.activity_type == "Copy"}
    assert {table: output["rowsCopied"] for table, output in copies.items()} == {"public.t0": 2, "public.t1": 100}
    assert factory.requests[CREATE_RUN] == 1


def test_the_fake_refuses_what_the_service_refuses(client, factory):
    for group, pipeline, change, message in [
        ("group", "midnight_copi", {}, "midnight_copi was not found"),
        ("other", "midnight_copy", {}, "was not found"),
        ("group", "midnight_copy", {"batch": "b"}, r"\['batch'\] are not present"),
        ("group", "midnight_copy", {"tables": ["t0"]}, "tables is not a String"),
    ]:
        body = {name: value for name, value in {**parameters("t0"), **change}.items() if value is not None}
        with pytest.raises(HttpResponseError, match=message):
            client.pipelines.create_run(group, "factory", pipeline, parameters=body)
    assert factory.runs == {}


def test_the_fake_refuses_a_token_for_another_service(azure_cloud, client):
    with mock.patch.object(azure_cloud.entra, "verify", side_effect=azure_cloud.entra.verify) as verify:
        verify.side_effect = lambda token, audience: Entra.verify(azure_cloud.entra, token, "https://vault.azure.net")
        with pytest.raises(ClientAuthenticationError):
            client.pipelines.get("group", "factory", "midnight_copy")
    assert client.pipelines.get("group", "factory", "midnight_copy").name == "midnight_copy"


def test_nothing_to_copy_fails(client):
    run_id = client.pipelines.create_run("group", "factory", "midnight_copy", parameters=parameters()).run_id
    run = ended(client, run_id)
    assert (run.status, "there is nothing to copy" in run.message) == ("Failed", True)


def test_the_copy_writes_what_data_factory_writes(database):
    run_sql(
        database,
        "CREATE TABLE raw (d date, ts timestamptz, n numeric, i interval, u uuid, j jsonb, b bytea, f real)",
        "INSERT INTO raw VALUES ('infinity', '2024-02-29 12:00+02', 1.5, '26 hours', "
        "'00000000-0000-0000-0000-0000000000ff', '{}', '\\x00', 'NaN')",
    )
    content, rows = copy_to_parquet(database.dsn, "SELECT * FROM raw", threading.Event())
    file = parquet.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit="us")
    physical = [file.schema.column(i).physical_type for i in range(len(file.schema))]
    assert (rows, physical[:2], str(file.schema_arrow.field("n").type)) == (1, ["INT96"] * 2, "decimal128(38, 18)")
    (row,) = file.read().to_pylist()
    assert row["d"] == datetime(9999, 12, 31, 23, 59, 59, 999999)  # the trap that our queries avoid
    assert (row["ts"], row["i"], row["b"]) == (datetime(2024, 2, 29, 10), "1.02:00:00", b"\x00")


@pytest.fixture
def operator(azure_cloud: Cloud, tmp_path, monkeypatch) -> Iterator[AzureIngestOperator]:
    """The ingest task, with a folder in place of the account."""
    identity, secret = azure_cloud.client
    extra = {"tenantId": TENANT, "subscriptionId": "sub"}
    connection = {"conn_type": "azure_data_factory", "login": identity, "password": secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_DATA_FACTORY", json.dumps(connection))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(make_configuration(tmp_path / "include", 2)))
    variables = {"PROFILE": "azure", "STORAGE_ACCOUNT": "lake", "DATABRICKS_JOB_ID": "7", "POLLING_SECONDS": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(f"MIDNIGHT_{name}", value)
    with (
        mock.patch.object(Settings, "paths", LakePaths.below(str(tmp_path / "lake"))),
        mock.patch("midnight_airflow.operators.ingest.open_lake", return_value=open_local_lake()),
    ):
        yield AzureIngestOperator(
            task_id="ingest",
            group="main",
            tables=[],
            retries=2,
            ingest_with="adf",
            azure_data_factory_conn_id="midnight_data_factory",
            resource_group_name="group",
            factory_name="factory",
            pipeline_name="midnight_copy",
            execution_timeout=timedelta(minutes=5),
        )


def deferred(operator: AzureIngestOperator, context: Any) -> Any:
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    trigger = raised.value.trigger
    trigger.check_interval = 0.05
    return trigger


async def first_event(trigger: Any) -> dict[str, Any]:
    async with contextlib.aclosing(trigger.run()) as events:
        return (await anext(events)).payload


def test_the_task_copies_waits_and_seals(operator, factory, caplog):
    dag_run = DagRun()
    event = asyncio.run(first_event(deferred(operator, dag_run.try_task(operator))))
    gc.collect()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []  # connections are closed
    rows = operator.resume_execution("execute_complete", {"event": event}, dag_run.try_task(operator))
    assert rows == {"public.t0": 2, "public.t1": 100}
    assert factory.requests[CREATE_RUN] == 1


def test_a_retry_finds_the_run_and_a_failure_names_table_and_reason(operator, factory):
    dag_run = DagRun()
    factory.page = 2
    factory.failures["public.t1"] = ["reset by peer", "disk full"]
    factory.delays["public.t1"] = 1
    first = deferred(operator, dag_run.try_task(operator))
    dag_run.stores["ingest"].values.clear()  # the worker died between the start and the note
    trigger = deferred(operator, dag_run.try_task(operator))
    assert trigger.run_id == first.run_id

    event = asyncio.run(first_event(trigger))
    with pytest.raises(DataFactoryRunError, match=r"CopyTable of public\.t1: disk full \(run .*: Failed\)"):
        operator.execute_complete(dag_run.try_task(operator), event)

    factory.delays.clear()
    again = deferred(operator, dag_run.try_task(operator))
    rows = operator.execute_complete(dag_run.try_task(operator), asyncio.run(first_event(again)))
    assert (again.run_id != first.run_id, rows) == (True, {"public.t0": 2, "public.t1": 100})  # no row came twice


def test_killing_a_waiting_task_and_a_timeout_cancel_the_run(operator, factory):
    def has_status(run_id: str, status: str) -> Callable[[], bool]:
        return lambda: factory.runs[run_id].document["status"] == status

    factory.delays["public.t1"] = 60
    for end in ("user", "time"):
        trigger = deferred(operator, DagRun(end).try_task(operator))
        wait(has_status(trigger.run_id, "InProgress"))
        if end == "user":
            asyncio.run(trigger.on_kill())
        else:
            trigger.end_time = time.time() + 0.2
            assert asyncio.run(first_event(trigger))["status"] == "timeout"
        wait(has_status(trigger.run_id, "Cancelled"))


def test_a_start_whose_response_is_lost_is_one_run(operator, factory):
    """The client would send the request again after such responses."""
    factory.losses[CREATE_RUN] = [JSONResponse({}, 503)]
    deferred(operator, DagRun().try_task(operator))
    assert (len(factory.runs), factory.requests[CREATE_RUN]) == (1, 1)


def test_a_pipeline_that_was_not_deployed_from_these_files_is_not_started(operator, factory):
    """Parallel copies raised in Studio; factory deployed from other files; pipeline deleted."""
    properties = factory.resources["pipeline"]["midnight_copy"]["properties"]
    properties["activities"][1]["typeProperties"]["batchCount"] = 50
    with pytest.raises(
        DeploymentError, match=r"CopyTables\]\.typeProperties\.batchCount is 50, expected 2.*terraform ap"
    ):
        operator.execute(DagRun().try_task(operator))

    properties["activities"][1]["typeProperties"]["batchCount"] = 2
    properties["annotations"][1] = "definition:0123456789abcdef"
    with pytest.raises(DeploymentError, match="is 'definition:0123456789abcdef', expected 'definition:"):
        operator.execute(DagRun().try_task(operator))

    del factory.resources["pipeline"]["midnight_copy"]
    with pytest.raises(DeploymentError, match=r"does not exist or .*\(404\); hint: .*source_database"):
        operator.execute(DagRun().try_task(operator))
    assert factory.runs == {}


def test_defaults_that_the_service_adds_are_not_differences(operator, factory):
    properties = factory.resources["pipeline"]["midnight_copy"]["properties"]
    properties |= {"lastPublishTime": "2026-01-01T00:00:00Z", "policy": {}}
    properties["activities"][0]["state"] = "Active"
    deferred(operator, DagRun().try_task(operator))


def test_airflows_identity_cannot_change_the_factory(client):
    with pytest.raises(HttpResponseError) as raised:
        client.pipelines.create_or_update("group", "factory", "midnight_copy", {"properties": {"activities": []}})
    assert raised.value.status_code == 403


@pytest.mark.parametrize("status", [429, 502])
def test_clearing_the_task_while_the_service_is_busy_cancels_the_run_before_the_next(operator, factory, status):
    """Neither the client nor the provider's hooks retry cancelling after such a response."""
    factory.delays["public.t1"] = 60
    dag_run = DagRun()
    first = deferred(operator, dag_run.try_task(operator)).run_id
    factory.fail(CANCEL_RUN, *[JSONResponse({}, status)] * 2)

    second = deferred(operator, dag_run.try_task(operator, cleared=True)).run_id

    states = {run_id: run.document["status"] for run_id, run in factory.runs.items()}
    assert states[first] == "Cancelled"
    assert (list(states), states[second] in ("Queued", "InProgress")) == ([first, second], True)
