"""DAGs with a copy or a refresh. In a file of their own: importing Data Factory takes each task seconds."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from midnight.configuration.connections import DATA_FACTORY_CONNECTION
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.cancel_orphaned_runs import CancelOrphanedRunsOperator
from midnight_airflow.operators.data_factory import DataFactoryCopyOperator
from midnight_airflow.run_context import batch_id
from tests.support.lifecycle_tasks import ARGUMENTS, POLLING, Silver, use_job_of_run

settings = load_settings().model_copy(update={"polling_seconds": 1})


class Copy(DataFactoryCopyOperator):
    """Copies one table, named after the job of the DAG run."""

    def __init__(self, **kwargs: Any) -> None:
        table = {
            "schema": "public",
            "table": "{{ dag_run.conf.job }}",
            "query": "SELECT 1 AS id",
            "folder": "{{ dag_run.conf.job }}",
            "part": "p0",  # a number would be rendered as int
        }
        super().__init__(
            azure_data_factory_conn_id=DATA_FACTORY_CONNECTION,
            resource_group_name=settings.adf_resource_group,
            factory_name=settings.adf_factory,
            pipeline_name=settings.adf_pipeline,
            check_interval=1,
            parameters={"batch_id": "{{ dag_run.conf.job }}", "tables": [table]},
            **kwargs,
        )


class CopyOfTheRunsBatch(Copy):
    """With the batch id that the pipeline itself would use."""

    def execute(self, context: Any) -> None:
        self.parameters = {**(self.parameters or {}), "batch_id": batch_id(context)}
        super().execute(context)


class CancelOrphanedRuns(CancelOrphanedRunsOperator):
    def execute(self, context: Any) -> None:
        use_job_of_run(context)
        super().execute(context)


with DAG("copy_only", schedule=None, **ARGUMENTS):
    Copy(task_id="copy")

with DAG("refresh_only", schedule=None, **ARGUMENTS):
    stages.refresh_report(settings)

with DAG("left_behind", schedule=None, **ARGUMENTS):
    work = [
        Silver(task_id="bronze_to_silver", **POLLING),
        CopyOfTheRunsBatch(task_id="copy"),
        stages.refresh_report(settings),
    ]
    end = CancelOrphanedRuns(task_id="cancel_orphaned_runs", refresh_task_id="refresh_report", ingest_with="adf")
    work >> end.as_teardown()
