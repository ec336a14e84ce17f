"""
# midnight_rebuild: rebuild silver and gold from bronze

**What.** Rebuilds the silver tables from all sealed bronze batches in order, then gold, the views and the report. It
does not read the source. The result equals that of the nightly runs, so a rebuild is safe at any time: after a change of
the cleaning rules or a model, after damage to silver or gold, or to verify that the tables follow from bronze alone.

**When.** Only when triggered. A nightly run that starts meanwhile waits: one job at a time writes to the lake.

**Parameters.** `tables`: rebuild these tables only; empty means all.

**When a task fails.** As in `midnight_pipeline`: follow the hint in the task's log, then clear the task with its
downstream tasks. If `bronze_to_silver` reports that a newer batch arrived meanwhile, clear `plan_batch` with its
downstream tasks.
"""

from __future__ import annotations

from airflow.sdk import DAG, TaskGroup, chain

from midnight.configuration.dag_parsing import pipeline_for_parsing
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.plan_batch import PlanBatchOperator

settings = load_settings()
pipeline = pipeline_for_parsing(settings.config)

with DAG(
    dag_id="midnight_rebuild",
    dag_display_name="Midnight: rebuild from bronze",
    doc_md=__doc__,
    description="Rebuilds silver and gold from the sealed bronze batches",
    schedule=None,
    is_paused_upon_creation=False,
    params={"tables": stages.tables_parameter(settings)},
    **stages.publishing_arguments(pipeline),
) as dag:
    with TaskGroup("bronze", tooltip="Verifies the sealed batches"):
        plan = PlanBatchOperator(task_id="plan_batch", rebuild=True)
    with TaskGroup("silver", tooltip="One clean row per key; the rest in quarantine"):
        silver = stages.bronze_to_silver(settings)
    with TaskGroup("gold", tooltip="Star schema and marts"):
        gold = stages.silver_to_gold(settings)
    with TaskGroup("serve", tooltip="Views for reporting"):
        views = stages.gold_to_serving()
    with TaskGroup("report", tooltip="The report on the views"):
        report = stages.refresh_report(settings, is_last=True)

    chain(plan, silver, gold, views, report)
    stages.cancel_orphaned_runs(settings, report)
