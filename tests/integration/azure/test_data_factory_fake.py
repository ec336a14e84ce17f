"""The fake Data Factory, with the vendor's client over TLS."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.datafactory import DataFactoryManagementClient
from azure.mgmt.datafactory.models import RunFilterParameters
from pyarrow import parquet

from midnight.data_factory.copy_request import copy_parameters
from midnight.lake.paths import LakePaths
from tests.fakes.adf_parquet import copy_to_parquet
from tests.fakes.cloud import TENANT, Cloud
from tests.fakes.data_factory import CREATE_RUN
from tests.fakes.entra import Entra
from tests.support.ingest_run import run_sql
from tests.support.waiting import wait_for


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


def ended(client: DataFactoryManagementClient, run_id: str) -> Any:
    def run() -> Any:
        found = client.pipeline_runs.get("group", "factory", run_id)
        return found if found.status in ("Succeeded", "Failed", "Cancelled") else None

    return wait_for(run)


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


def test_airflows_identity_cannot_change_the_factory(client):
    with pytest.raises(HttpResponseError) as raised:
        client.pipelines.create_or_update("group", "factory", "midnight_copy", {"properties": {"activities": []}})
    assert raised.value.status_code == 403
