"""The ingest task: what it refuses before it reads anything, and its two ways of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import TaskDeferred

from midnight.errors import ConfigurationError
from midnight_airflow.operators.data_factory import DataFactoryCopyOperator
from midnight_airflow.operators.ingest import AzureIngestOperator, IngestOperator
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from tests.dags.conftest import make_configuration


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_configuration(tmp_path / "include", 2)
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(folder))
    return folder


@pytest.fixture
def read() -> Any:
    with mock.patch.object(PostgresToBronzeOperator, "execute", autospec=True) as execute:
        yield execute


def ingest_operator(**arguments: Any) -> IngestOperator:
    return IngestOperator(task_id="ingest.postgres_to_bronze_main", group="main", retries=0, tables=[], **arguments)


def test_the_operator_reads(configuration, local_home, read, dag_run):
    operator = ingest_operator(ingest_with="operator")
    operator.execute(dag_run.try_task(operator))
    assert read.call_count == 1


def test_data_factory_is_refused_in_the_local_profile(configuration, local_home, read, dag_run):
    operator = ingest_operator(ingest_with="adf")
    with pytest.raises(ConfigurationError, match="the local profile does not have; choose 'operator'"):
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
        f"tables/public.t{number}.yml:4: kee: is not a known field; remove it or correct its spelling"
        for number in (0, 1)
    ]
    assert read.call_count == 0


def test_an_unknown_table_and_a_broken_model_are_told_together(configuration, local_home, read, dag_run):
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


def test_in_azure_data_factory_copies_and_the_batch_is_sealed(configuration, azure, read, dag_run):
    operator = AzureIngestOperator(
        task_id="ingest.postgres_to_bronze_main",
        group="main",
        tables=[],
        retries=0,
        ingest_with="adf",
        data_factory_connection="midnight_data_factory",
        resource_group_name="group",
        factory_name="factory",
        pipeline_name="midnight_copy",
    )
    context = dag_run.try_task(operator)
    waiting = TaskDeferred(trigger=mock.MagicMock(), method_name="execute_complete")
    event = {"status": "success", "run_id": "run-1", "message": ""}

    with (
        mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True, side_effect=waiting) as copy,
        mock.patch.object(AzureIngestOperator, "seal", autospec=True) as seal,
    ):
        with pytest.raises(TaskDeferred):
            operator.execute(context)
        assert seal.call_count == 0
        operator.execute_complete(context, event)

    assert (copy.call_count, seal.call_count, read.call_count) == (1, 1, 0)
    assert copy.call_args.args[0].pipeline_name == "midnight_copy"
