"""DAGs with the Databricks tasks only; each DAG run names the job that it uses, so that runs do not queue."""

from __future__ import annotations

from airflow.sdk import DAG, TaskGroup

from tests.support.lifecycle_tasks import ARGUMENTS, POLLING, Gold, ShortOfTime, Silver

with DAG("silver_only", schedule=None, **ARGUMENTS):
    Silver(task_id="bronze_to_silver", **POLLING)

with DAG("short_of_time", schedule=None, **ARGUMENTS):
    ShortOfTime(task_id="bronze_to_silver", retries=0, **POLLING)

with DAG("both_steps", schedule=None, **ARGUMENTS):
    with TaskGroup("silver"):
        silver = Silver(task_id="bronze_to_silver", **POLLING)
    with TaskGroup("gold"):
        silver >> Gold(task_id="silver_to_gold", silver_task_id="silver.bronze_to_silver", **POLLING)
