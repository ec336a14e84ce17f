"""What the DAG files of lifecycle_dags share. A module that defines no DAG, outside the folder that Airflow parses.

Airflow counts the DAGs of a module to each file that imports it: a task would then import the other file, too.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

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
        # Does not renew the rebuild plan: this test has no lake.
        return DatabricksStepOperator.find_or_start(self, context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        # Does not read the ledger: this test has no lake.
        DatabricksStepOperator.execute_complete(self, context, event)


class ShortOfTime(Silver):
    """Its run must end within five seconds; its own process may be as slow as the machine is."""

    def find_or_start(self, context: Any) -> int:
        run_id = super().find_or_start(context)
        self.execution_timeout = timedelta(seconds=5)  # of the deferral that follows
        return run_id


class Gold(DatabricksGoldOperator):
    def find_or_start(self, context: Any) -> int:
        use_job_of_run(context)
        return super().find_or_start(context)


ARGUMENTS = stages.dag_arguments(load_pipeline(load_settings().config))
ARGUMENTS["default_args"] |= {"retries": 2, "retry_delay": timedelta(0), "retry_exponential_backoff": 0}
ARGUMENTS |= {"max_active_runs": 16, "is_paused_upon_creation": False}
POLLING: dict[str, Any] = {"databricks_conn_id": DATABRICKS_CONNECTION, "polling_seconds": 0.5}
