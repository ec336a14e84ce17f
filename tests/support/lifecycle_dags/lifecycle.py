"""DAGs with the Databricks tasks only; each DAG run names the job that it uses, so that runs do not queue."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, TaskGroup

from midnight.configuration.connections import DATABRICKS_CONNECTION
from midnight.configuration.pipeline import load_pipeline
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.databricks_jobs import DatabricksGoldOperator, DatabricksSilverOperator
from midnight_airflow.operators.databricks_step import DatabricksStepOperator


def use_job_of_run(context: Any) -> None:
    os.environ["MIDNIGHT_DATABRICKS_JOB_ID"] = str(context["dag_run"].conf["job_id"])


class Silver(DatabricksSilverOperator):
    def find_or_start(self, context: Any) -> int:
        use_job_of_run(context)
        # Does not renew the rebuild plan: there is no lake.
        return DatabricksStepOperator.find_or_start(self, context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        # Does not read the ledger: there is no lake.
        DatabricksStepOperator.execute_complete(self, context, event)


class Gold(DatabricksGoldOperator):
    def find_or_start(self, context: Any) -> int:
        use_job_of_run(context)
        return super().find_or_start(context)


arguments = stages.dag_arguments(load_pipeline(load_settings().config))
arguments["default_args"] |= {"retries": 2, "retry_delay": timedelta(0), "retry_exponential_backoff": 0}
arguments |= {"max_active_runs": 16, "is_paused_upon_creation": False}
POLLING: dict[str, Any] = {"databricks_conn_id": DATABRICKS_CONNECTION, "polling_seconds": 0.5}

with DAG("silver_only", schedule=None, **arguments):
    Silver(task_id="bronze_to_silver", **POLLING)

with DAG("short_of_time", schedule=None, **arguments):
    Silver(task_id="bronze_to_silver", retries=0, execution_timeout=timedelta(seconds=15), **POLLING)

with DAG("both_steps", schedule=None, **arguments):
    with TaskGroup("silver"):
        silver = Silver(task_id="bronze_to_silver", **POLLING)
    with TaskGroup("gold"):
        silver >> Gold(task_id="silver_to_gold", silver_task_id="silver.bronze_to_silver", **POLLING)
