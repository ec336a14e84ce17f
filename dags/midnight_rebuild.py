"""
# midnight_rebuild: silver and gold anew from bronze

**What.** Makes the silver tables anew from all sealed bronze batches, in their order, then gold, the views and the
report. The source is not asked. The result equals what the nights made, so it is safe at any time: after a change of
the cleaning rules or a model, after damage to silver or gold, or to see that nothing depends on history.

**When.** Never by itself; trigger it. A nightly run that starts meanwhile waits, since one job at a time writes the lake.

**Parameters.** `tables`: only these tables; empty means all.

**When a task is red.** As in `midnight_pipeline`: the log has the sentence; cure it, clear the task and those after
it. If `bronze_to_silver` says that a newer batch arrived meanwhile, clear `plan_batch` and those after it.
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
    doc_md=__doc__,
    description="Silver and gold anew from the sealed bronze batches",
    schedule=None,
    is_paused_upon_creation=False,
    params={"tables": stages.tables_parameter(settings)},
    **stages.dag_arguments(pipeline),
) as dag:
    with TaskGroup("bronze", tooltip="Verifies the sealed batches"):
        plan = PlanBatchOperator(task_id="plan_batch", rebuild=True)
    with TaskGroup("silver", tooltip="One clean row per key, and the quarantine"):
        silver = stages.bronze_to_silver(settings)
    with TaskGroup("gold", tooltip="Star schema and marts"):
        gold = stages.silver_to_gold(settings)
    with TaskGroup("serve", tooltip="Views for reporting"):
        views = stages.gold_to_serving()
    with TaskGroup("report", tooltip="What people look at in the morning"):
        report = stages.refresh_report(settings)

    chain(plan, silver, gold, views, report)
    stages.cancel_orphaned_runs(settings, report)
