"""DAGs with nothing but a copy or a refresh. Not in the other file: importing Data Factory costs each task seconds."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from midnight.pipeline_config import load_pipeline
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.data_factory import DataFactoryCopyOperator

arguments = stages.dag_arguments(load_pipeline(load_settings().config))
arguments["default_args"] |= {"retries": 2, "retry_delay": timedelta(0), "retry_exponential_backoff": 0}
arguments |= {"max_active_runs": 16, "is_paused_upon_creation": False}

with DAG("copy_only", schedule=None, **arguments):
    DataFactoryCopyOperator(
        task_id="copy",
        azure_data_factory_conn_id=stages.DATA_FACTORY_CONNECTION,
        resource_group_name="group",
        factory_name="factory",
        pipeline_name="midnight_copy",
        check_interval=1,
        parameters={
            "batch_id": "{{ dag_run.conf.job }}",
            "tables": [
                {
                    "schema": "public",
                    "table": "{{ dag_run.conf.job }}",
                    "query": "SELECT 1 AS id",
                    "folder": "{{ dag_run.conf.job }}",
                    "part": "p0",  # what looks like a number would be rendered as one
                }
            ],
        },
    )

with DAG("refresh_only", schedule=None, **arguments):
    stages.refresh_report(load_settings().model_copy(update={"polling_seconds": 1}))
