"""
# midnight_pipeline: the nightly run

**What.** Loads what changed in the source database through bronze, silver and gold, and publishes the reporting views:

| stage | task | does |
|---|---|---|
| ingest | `postgres_to_bronze_<group>` | reads all tables of a load group in one snapshot and seals them as one batch |
| bronze | `plan_batch` | verifies the sealed batch against its files, writes the run document for the Spark jobs |
| silver | `bronze_to_silver` | cleans the rows; a row that fails a check goes to quarantine; the ledger accounts for every row |
| gold | `silver_to_gold` | builds and checks the models; the build is complete only if every check passed |
| serve | `gold_to_serving` | points the views at the new build |
| report | `refresh_report` | refreshes the report (Power BI in Azure, an HTML page on a laptop) |
| | `check_stopped_tables` | fails if a table was not loaded, for example since its columns changed; everything else is published then |
| | `cancel_orphaned_runs` | Azure only, always runs last: cancels the Azure runs that a failed task left running |

**When.** On the schedule and in the time zone of `include/pipeline.yml`; one run at a time, no catch-up: the next run
includes what a missed run would have loaded. Past dates cannot be loaded, because the source only exposes its current
state: backfills are refused, and a run that is older than the newest sealed batch is skipped.

**Parameters** (button *Trigger*, or `airflow dags trigger midnight_pipeline -c '{"tables": ["public.flights"]}'`).

* `tables`: load these tables only; empty means all.
* `full_reload`: read a full snapshot of incremental tables, and rebuild silver from all sealed batches instead of
  merging the newest one.
* `ingest_with` (Azure only): read with the operator (`operator`) or with Azure Data Factory (`adf`).
* `publish_unexpected`: publish although a figure is outside of an expectation with `on_failure: fail`.
* `ignore_budget`: run although the runs before have cost more than the budget.

**When a task fails.** The error after *Task failed with exception* in its log names the table, the value and a hint
what to do; the page *Midnight* in the navigation shows it, too. Readers never see a partial result: they keep the views
of the last successful run. Fix the cause, then run the command of the alert or of that page: it clears the failed tasks,
or starts a new run where they would repeat what was corrected. Clearing a task is always safe: it does its work again
with the same result. Non-retryable errors fail the task at once.

| failed task | usual causes | what to do |
|---|---|---|
| `postgres_to_bronze_*` | wrong configuration (all errors are listed), source unreachable, missing permission, a value that the lake cannot hold | follow the hint, clear the task |
| `plan_batch` | a batch is not sealed, or its files were changed | clear the ingest task |
| `bronze_to_silver` | a check with `on_failure: fail`, memory, disk | look at the rows in quarantine; fix the source or the check; start a new run |
| `silver_to_gold` | duplicate key in a model, a failed check, wrong SQL | fix the model in `include/sql/gold/`, the check or the source; start a new run |
| `gold_to_serving` | wrong SQL in a reporting view, serving engine unreachable | fix the view in `include/sql/serving/`, clear the task |
| | a figure is not as expected (`on_failure: fail`) | correct the source, or start a run with `publish_unexpected` |
| `refresh_report` | Power BI is busy or refuses the refresh | clear the task; the views are already published |
| `check_stopped_tables` | a table was dropped or renamed, a column's type changed, a permission is missing | follow the hint of each table, then start a new run; readers have everything else |
| `cancel_orphaned_runs` | Databricks, Data Factory or Power BI unreachable | cancel this run's work there by hand, or clear the task |
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
    dag_id="midnight_pipeline",
    dag_display_name="Midnight: nightly run",
    doc_md=__doc__,
    description="PostgreSQL to reporting views: bronze, silver, gold",
    schedule=stages.nightly_schedule(pipeline),
    is_paused_upon_creation=False,
    params=stages.pipeline_parameters(settings),
    **stages.nightly_arguments(pipeline),
) as dag:
    with TaskGroup("ingest", tooltip="Source tables to sealed bronze batches"):
        read = [stages.ingest(settings, group) for group in pipeline.groups]
    with TaskGroup("bronze", tooltip="Verifies the sealed batches"):
        plan = PlanBatchOperator(
            task_id="plan_batch", rebuild="{{ params.full_reload }}", ignore_budget="{{ params.ignore_budget }}"
        )
    with TaskGroup("silver", tooltip="One clean row per key; the rest in quarantine"):
        silver = stages.bronze_to_silver(settings)
    with TaskGroup("gold", tooltip="Star schema and marts"):
        gold = stages.silver_to_gold(settings)
    with TaskGroup("serve", tooltip="Views for reporting"):
        views = stages.gold_to_serving("{{ params.publish_unexpected }}")
    with TaskGroup("report", tooltip="The report on the views"):
        report = stages.refresh_report(settings)

    chain(read, plan, silver, gold, views, report, stages.check_stopped_tables())
    stages.cancel_orphaned_runs(settings, report, ingest_with="{{ params.ingest_with }}")
