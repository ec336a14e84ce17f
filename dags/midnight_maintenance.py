"""
# midnight_maintenance: what no reader needs any more

**What.** `remove_expired_gold` deletes the folders of gold builds that none of the last 7 builds refers to (and those of
attempts that failed); `optimize_silver` merges small files of the Delta tables and deletes files that no version of the last
week needs. Bronze is never touched: it is the only layer that cannot be made again.

**When.** Every Sunday at noon in the time zone of `include/pipeline.yml`.

**Parameters.** None.

**When a task is red.** The lake was not reachable or not writable: see the last line of its log, then clear the task.
Nothing is harmed by a skipped week.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from midnight.configuration.dag_parsing import pipeline_for_parsing
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.optimize_tables import OptimizeTablesOperator, RemoveExpiredGoldOperator

settings = load_settings()
pipeline = pipeline_for_parsing(settings.config)

with DAG(
    dag_id="midnight_maintenance",
    doc_md=__doc__,
    description="Removes old gold builds; compacts and vacuums silver",
    schedule=CronTriggerTimetable(
        "0 12 * * 0", timezone=pipeline.schedule.timezone, run_immediately=timedelta(minutes=2)
    ),
    is_paused_upon_creation=False,
    **stages.dag_arguments(pipeline),
) as dag:
    RemoveExpiredGoldOperator(task_id="remove_expired_gold")
    OptimizeTablesOperator(task_id="optimize_silver")
