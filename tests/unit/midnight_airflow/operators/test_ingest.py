"""The ingest task with the operator: what it skips, and what it refuses before it reads anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from midnight.bronze.manifest import BronzeColumn, Manifest, ReadFrom
from midnight.errors import ConfigurationError
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight_airflow.operators.ingest import IngestOperator
from midnight_airflow.run_context import batch_id


def ingest_operator(**arguments: Any) -> IngestOperator:
    return IngestOperator(task_id="ingest.postgres_to_bronze_main", group="main", retries=0, tables=[], **arguments)


def seal(paths: LakePaths, table: str, batch: str) -> None:
    """An empty batch of a table."""
    moment = datetime(2026, 1, 3, tzinfo=UTC)
    manifest = Manifest(
        source="shop",
        schema_name="public",
        table=table,
        batch_id=batch,
        columns=(BronzeColumn(name="id", source="id", postgres_type="bigint", stored_as="bigint"),),
        rows=0,
        files=(),
        read_from=ReadFrom(server="1", server_version="18.6", database="shop"),
        written_by="operator",
        run_id="r",
        started_at=moment,
        sealed_at=moment,
    )
    open_local_lake().write_text(paths.manifest("shop", "public", table, batch), manifest.to_json())


def test_the_operator_reads(configuration, local_home, read, dag_run):
    operator = ingest_operator(ingest_with="operator")
    operator.execute(dag_run.try_task(operator))
    assert read.call_count == 1


def test_a_run_older_than_the_newest_batch_is_skipped(configuration, local_home, read, dag_run):
    """The source only exposes its current state: sealed under a past date, its rows would be wrong and never used."""
    operator = ingest_operator(ingest_with="operator")
    context = dag_run.try_task(operator)
    paths, newer = LakePaths.below(str(local_home / "lake")), "20260103T000000000Z-00000000"
    open_local_lake().write_text(paths.run_document(newer), "{}")
    seal(paths, "t0", newer)
    operator.execute(context)  # t1 has no newer batch: there is something to read
    assert read.call_count == 1

    seal(paths, "t1", newer)
    with pytest.raises(
        AirflowSkipException, match=f"batch {batch_id(context)} of this run is older than .* .from {newer} on."
    ):
        operator.execute(context)
    assert read.call_count == 1

    seal(paths, "t1", batch_id(context))  # cleared: its own batch is kept or completed, as in every run
    operator.execute(context)
    assert read.call_count == 2


def test_data_factory_is_refused_in_the_local_profile(configuration, local_home, read, dag_run):
    operator = ingest_operator(ingest_with="adf")
    with pytest.raises(ConfigurationError, match="the local profile does not have; hint: choose 'operator'"):
        operator.execute(dag_run.try_task(operator))
    assert read.call_count == 0


def test_all_errors_of_all_files_stop_the_run_before_anything_is_read(configuration, local_home, read, dag_run):
    for number in (0, 1):
        path = configuration / "tables" / f"public.t{number}.yml"
        path.write_text(path.read_text().replace("key:", "kee:"))
    operator = ingest_operator(ingest_with="operator")

    with pytest.raises(ConfigurationError) as raised:
        operator.execute(dag_run.try_task(operator))

    assert [str(problem) for problem in raised.value.problems] == [
        f"tables/public.t{number}.yml:4: kee: is not a known field; hint: remove it or correct its spelling"
        for number in (0, 1)
    ]
    assert read.call_count == 0


def test_an_unknown_table_and_a_wrong_model_are_reported_together(configuration, local_home, read, dag_run):
    (configuration / "sql" / "gold").mkdir(parents=True)
    (configuration / "sql" / "gold" / "m.sql").write_text("SELECT id FROM silver.nothing")
    (configuration / "sql" / "gold" / "m.yml").write_text(
        "description: d\nkey: [id]\ncolumns: [{name: id, type: bigint}]\n"
    )
    operator = ingest_operator(ingest_with="operator")
    operator.tables = ["public.t9"]

    with pytest.raises(ConfigurationError) as raised:
        operator.execute(dag_run.try_task(operator))

    assert len(raised.value.problems) == 2
    assert "public.t9: is not configured" in str(raised.value)
    assert "silver.nothing" in str(raised.value)
