"""The ingest task of the azure profile: Data Factory copies, the task checks and seals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import TaskDeferred

from midnight.bronze.batches import BronzeStore
from midnight.errors import BronzeError
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.settings import Settings
from midnight_airflow.hooks.data_factory_runs import PipelineRuns
from midnight_airflow.operators.data_factory import DataFactoryCopyOperator
from midnight_airflow.operators.ingest import AzureIngestOperator
from midnight_airflow.run_context import batch_id


@pytest.fixture
def azure_operator(configuration, azure, tmp_path) -> Iterator[AzureIngestOperator]:
    """With a local folder as lake."""
    paths = LakePaths.below(str(tmp_path / "lake"))
    with (
        mock.patch.object(Settings, "paths", paths),
        mock.patch("midnight_airflow.operators.ingest.open_lake", return_value=open_local_lake()),
        mock.patch.object(DataFactoryCopyOperator, "runs", new=mock.create_autospec(PipelineRuns, instance=True)),
    ):
        yield AzureIngestOperator(
            task_id="ingest.postgres_to_bronze_main",
            group="main",
            tables=[],
            retries=0,
            ingest_with="adf",
            azure_data_factory_conn_id="midnight_data_factory",
            resource_group_name="group",
            factory_name="factory",
            pipeline_name="midnight_copy",
        )


def write_copy(tmp_path: Path, operator: DataFactoryCopyOperator, run_id: str = "run-1") -> None:
    """The files of a pipeline run of Data Factory."""
    operator.run_id = run_id
    for table in operator.parameters["tables"]:
        folder = tmp_path / "lake" / "bronze" / table["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        rows = pa.table({"id": pa.array([1, 2]), "amount": ["1.50", None]})
        pq.write_table(rows, folder / f"{run_id}-{table['part']}.parquet")


@pytest.fixture(autouse=True)
def activities() -> Iterator[mock.MagicMock]:
    """The activity runs that Data Factory returns."""
    with mock.patch.object(DataFactoryCopyOperator, "activities", return_value=[]) as activities:
        yield activities


def copied(table: str, rows: int) -> dict[str, Any]:
    return {
        "activityName": "CopyTable",
        "status": "Succeeded",
        "userProperties": {"Table": table},
        "output": {"rowsCopied": rows},
    }


def test_in_azure_data_factory_copies_and_the_batch_is_sealed(azure_operator, read, dag_run, tmp_path):
    context = dag_run.try_task(azure_operator)
    waiting = TaskDeferred(trigger=mock.MagicMock(), method_name="execute_complete")
    with mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True, side_effect=waiting) as copy:
        with pytest.raises(TaskDeferred):
            azure_operator.execute(context)
        parameters = copy.call_args.args[0].parameters
        write_copy(tmp_path, copy.call_args.args[0], "failed-run")
        write_copy(tmp_path, copy.call_args.args[0])
        rows = azure_operator.execute_complete(context, {"status": "success", "run_id": "run-1", "message": ""})

        assert rows == {"public.t0": 2, "public.t1": 2}
        assert parameters["batch_id"] == batch_id(context)
        assert parameters["tables"][0] == {
            "schema": "public",
            "table": "t0",
            "query": mock.ANY,
            "folder": f"shop/public.t0/{batch_id(context)}",
            "part": "00000",
        }
        assert parameters["tables"][0]["query"].endswith(
            'SELECT source_row."id" AS "id", (source_row."amount")::pg_catalog.text AS "amount" '
            'FROM midnight_session CROSS JOIN "public"."t0" AS source_row'
        )
        assert copy.call_args.args[0].pipeline_name == "midnight_copy"

        # Cleared: what is sealed and intact is kept, as with the operator; nothing is copied into it.
        assert azure_operator.execute(dag_run.try_task(azure_operator, cleared=True)) == rows
        assert (copy.call_count, read.call_count) == (1, 0)


def test_nothing_is_copied_again_if_a_killed_try_had_begun_to_seal(azure_operator, dag_run, tmp_path):
    context = dag_run.try_task(azure_operator)
    with mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True) as copy:
        copy.side_effect = lambda operator, _: write_copy(tmp_path, operator, f"run-{copy.call_count}")
        # Twice there is nothing to complete; the third time the manifests of this batch would be written.
        killed = mock.patch.object(BronzeStore, "complete_sealing", side_effect=[(), (), KeyboardInterrupt])
        with killed, pytest.raises(KeyboardInterrupt):
            azure_operator.execute(context)
        rows = azure_operator.execute(dag_run.try_task(azure_operator, cleared=True))
    assert copy.call_count == 1
    assert rows == {"public.t0": 2, "public.t1": 2}


@pytest.mark.parametrize("lost", ["*", "*.parquet"], ids=["the batch", "its files"])
def test_only_what_is_damaged_is_copied_again(azure_operator, dag_run, tmp_path, lost):
    context = dag_run.try_task(azure_operator)
    with mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True) as copy:
        copy.side_effect = lambda operator, _: write_copy(tmp_path, operator, f"run-{copy.call_count}")
        azure_operator.execute(context)
        folder = tmp_path / "lake" / "bronze" / "shop" / "public.t1" / batch_id(context)
        damaged = list(folder.glob(lost))
        for file in damaged:
            file.unlink()

        rows = azure_operator.execute(dag_run.try_task(azure_operator, cleared=True))

    assert damaged
    assert [[t["table"] for t in call.args[0].parameters["tables"]] for call in copy.call_args_list] == [
        ["t0", "t1"],
        ["t1"],
    ]
    assert rows == {"public.t0": 2, "public.t1": 2}


def test_rows_that_data_factory_counted_must_be_in_its_files(azure_operator, dag_run, tmp_path, activities):
    activities.return_value = [copied("public.t0", 2), copied("public.t1", 2), copied("public.t1", 1)]
    with mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True) as copy:
        copy.side_effect = lambda operator, _: write_copy(tmp_path, operator)
        with pytest.raises(BronzeError, match=r"public\.t1: Data Factory reports 3 copied rows, but .* hold 2;"):
            azure_operator.execute(dag_run.try_task(azure_operator))


def test_a_large_table_is_cut_into_ranges_by_its_last_batch(azure_operator, dag_run, tmp_path):
    pipeline = tmp_path / "include" / "pipeline.yml"
    pipeline.write_text(pipeline.read_text().replace("{name: main}", "{name: main, connections: 3}"))

    def big(operator: DataFactoryCopyOperator, context: Any) -> None:
        write_copy(tmp_path, operator)
        for file in (tmp_path / "lake" / "bronze" / "shop" / "public.t0").rglob("*.parquet"):
            pq.write_table(pa.table({"id": range(100), "amount": ["1.50"] * 100}), file)

    with (
        mock.patch("midnight.data_factory.key_ranges.SMALLEST_RANGE_ROWS", 25),
        mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True, side_effect=big) as copy,
    ):
        azure_operator.execute(dag_run.try_task(azure_operator))
        second_run = type(dag_run)("manual__2")
        azure_operator.execute(second_run.try_task(azure_operator))

    tables = copy.call_args.args[0].parameters["tables"]
    assert [(t["table"], t["part"], t["query"].partition(" WHERE ")[2]) for t in tables] == [
        ("t0", "00000", '(source_row."id" < 25 OR source_row."id" IS NULL)'),
        ("t0", "00001", 'source_row."id" >= 25 AND source_row."id" < 50'),
        ("t0", "00002", 'source_row."id" >= 50 AND source_row."id" < 75'),
        ("t0", "00003", 'source_row."id" >= 75'),
        ("t1", "00000", ""),
    ]


def test_an_incremental_table_is_copied_from_where_its_last_batch_ended(
    azure_operator, dag_run, configuration, tmp_path
):
    """Also after the deferral in another process; key ranges are used for a full snapshot only."""
    file = configuration / "tables" / "public.t0.yml"
    file.write_text(f"{file.read_text()}mode: incremental\ncursor: id\ncursor_lag: 1\n")
    azure_operator.full_reload = "False"  # as rendered
    queries, marks = [], []

    def load(number: int, ids: range) -> None:
        context = type(dag_run)(f"manual__{number}").try_task(azure_operator)
        context["dag_run"].run_after += timedelta(days=number)
        waiting = TaskDeferred(trigger=mock.MagicMock(), method_name="execute_complete")
        with mock.patch.object(DataFactoryCopyOperator, "copy", autospec=True, side_effect=waiting) as copy:
            with pytest.raises(TaskDeferred):
                azure_operator.execute(context)
            operator = copy.call_args.args[0]
        write_copy(tmp_path, operator, f"run-{number}")
        for path in (tmp_path / "lake" / "bronze" / "shop" / "public.t0").rglob(f"run-{number}-*.parquet"):
            pq.write_table(pa.table({"id": pa.array(ids, pa.int64()), "amount": ["1.50"] * len(ids)}), path)
        azure_operator.execute_complete(context, {"status": "success", "run_id": f"run-{number}", "message": ""})
        copied = [table for table in operator.parameters["tables"] if table["table"] == "t0"]
        queries.append([table["query"].partition(" WHERE ")[2] for table in copied])
        marks.append([table["part"] for table in copied])

    with mock.patch("midnight.data_factory.key_ranges.SMALLEST_RANGE_ROWS", 25):
        load(1, range(100))
        load(2, range(98, 110))
        load(3, range(0))
        azure_operator.full_reload = "True"
        load(4, range(50))

    assert queries == [
        [""],
        ['(source_row."id" >= 98 OR source_row."id" IS NULL)'],
        ['(source_row."id" >= 108 OR source_row."id" IS NULL)'],
        [
            '(source_row."id" < 25 OR source_row."id" IS NULL)',
            'source_row."id" >= 25 AND source_row."id" < 50',
            'source_row."id" >= 50 AND source_row."id" < 75',
            'source_row."id" >= 75',
        ],
    ]
    assert [[part.partition("-since-")[0] for part in parts] for parts in marks[:3]] == [["00000"]] * 3
    assert ["-since-" in parts[0] for parts in marks] == [False, True, True, False]
