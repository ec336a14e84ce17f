"""
# midnight_maintenance: remove files that no reader needs

**What.** `remove_expired_gold` deletes the folders of gold builds that none of the last 7 builds refers to, those of
failed builds, and the summaries of all but the last 100 runs. `optimize_silver` compacts small files of the silver Delta tables, vacuums files that no version
of the last week needs, and deletes change sets of silver that are older than a week, and what a failed read of a large
table left in bronze if no try came back for it within a day. Sealed batches are never touched: bronze is the only layer
that cannot be recomputed.

**When.** Every Sunday at noon in the time zone of `include/pipeline.yml`.

**Parameters.** None.

**When a task fails.** The lake was not reachable or not writable: see the error in the task's log, then clear the task.
Skipping a week does no harm.
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
    dag_display_name="Midnight: maintenance",
    doc_md=__doc__,
    description="Removes expired gold builds; compacts and vacuums silver",
    schedule=CronTriggerTimetable(
        "0 12 * * 0", timezone=pipeline.schedule.timezone, run_immediately=timedelta(minutes=2)
    ),
    is_paused_upon_creation=False,
    **stages.dag_arguments(pipeline),
) as dag:
    RemoveExpiredGoldOperator(task_id="remove_expired_gold")
    OptimizeTablesOperator(task_id="optimize_silver")
