"""
# midnight_deadline: tell people when nothing was published in time

**What.** `check_deadline` looks, at the time `alerts: publish_by` of `include/pipeline.yml`, whether a run has published
since it was last due. If not, it sends the alert `late` to the channels of `alerts: channels`, and this DAG's run fails.

**When.** Every day at `publish_by`, in the schedule's time zone; never without that field. An outage of Airflow itself
stops this DAG, too: see docs/alerts.md for the check from outside (cron, systemd, Azure Monitor).

**Parameters.** None.

**When a task fails.** Nothing was published in time: look at the newest run of `midnight_pipeline`. Or the lake
cannot be reached: see the error in the task's log. You need not clear this task.
"""

from __future__ import annotations

from airflow.sdk import DAG

from midnight.configuration.dag_parsing import pipeline_for_parsing
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.check_deadline import CheckDeadlineOperator

settings = load_settings()
pipeline = pipeline_for_parsing(settings.config)

with DAG(
    dag_id="midnight_deadline",
    dag_display_name="Midnight: check of the deadline",
    doc_md=__doc__,
    description="Alerts if nothing was published by alerts: publish_by",
    schedule=stages.deadline_schedule(pipeline),
    is_paused_upon_creation=False,
    **stages.dag_arguments(pipeline),
) as dag:
    CheckDeadlineOperator(task_id="check_deadline")
