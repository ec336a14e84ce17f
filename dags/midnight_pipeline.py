"""
# midnight_pipeline: the nightly run

**What.** Brings what changed in the source database through bronze, silver and gold to the reporting views:

| stage | task | does |
|---|---|---|
| ingest | `postgres_to_bronze_<group>` | reads all tables of a load group inside one snapshot and seals them as one batch |
| bronze | `plan_batch` | verifies the sealed batch against its files, writes the run document for the Spark jobs |
| silver | `bronze_to_silver` | cleans; a row that fails a check goes to quarantine; every row is accounted for in the ledger |
| gold | `silver_to_gold` | builds the models, checks them, and records the build only if every check passed |
| serve | `gold_to_serving` | points the views at the new build |
| report | `refresh_report` | refreshes the report (Power BI in Azure, an HTML page on a laptop) |
| | `cancel_orphaned_runs` | in Azure, last whatever went before: cancels what a failed run has left at work there |

**When.** At the hour and in the time zone of `include/pipeline.yml`; one run at a time, no catch-up: a missed night is
contained in the next one. Past dates cannot be loaded, since the source shows its rows of now: a backfill is refused,
and a run for a date before the newest batch has nothing to do and is skipped.

**Parameters** (button *Trigger*, or `airflow dags trigger midnight_pipeline -c '{"tables": ["public.flights"]}'`).
`tables`: only these tables; `full_reload`: read incremental tables whole, and make silver anew from all sealed batches
instead of merging the newest;
`ingest_with`: read with the operator or with Azure Data Factory.

**When a task is red.** Below *Task failed with exception* its log has one sentence that names the table, the value and
the cure; the page *Midnight* in the navigation shows it, too. Nothing half-done is visible to readers: they keep the
views of the last good night. After the cure, *clear* the red task and those after it; a cleared task does its work
again, with the same result. Errors that another try cannot cure are not tried again.

| red task | usual reasons | what to do |
|---|---|---|
| `postgres_to_bronze_*` | configuration (all errors are listed), source unreachable, permission, a value that the lake cannot hold | correct it as the sentence says, clear the task |
| `plan_batch` | a batch is not sealed or its files were changed | clear the ingest task |
| `bronze_to_silver` | a check with `on_failure: fail`, memory, disk | look at the rows in quarantine; correct the source or the check; clear the task |
| `silver_to_gold` | a model's key is not unique, a failed check, SQL | correct the model in `include/sql/gold/`, clear `plan_batch` and those after it |
| `gold_to_serving` | a reporting view is wrong; the serving engine is not reachable | correct `include/sql/serving/`, clear the task |
| `refresh_report` | Power BI is busy or refuses | clear the task; the views are already new |
| `cancel_orphaned_runs` | Databricks, Data Factory or Power BI cannot be asked | look there for a run of this night, or clear the task |
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, TaskGroup, chain

from midnight.configuration.dag_parsing import pipeline_for_parsing
from midnight.settings import load_settings
from midnight_airflow import stages
from midnight_airflow.operators.plan_batch import PlanBatchOperator

settings = load_settings()
pipeline = pipeline_for_parsing(settings.config)

with DAG(
    dag_id="midnight_pipeline",
    doc_md=__doc__,
    description="PostgreSQL to reporting views: bronze, silver, gold",
    schedule=stages.nightly_schedule(pipeline),
    is_paused_upon_creation=False,
    params={
        "tables": stages.tables_parameter(settings),
        "full_reload": Param(
            False,
            type="boolean",
            title="Full reload",
            description="Read incremental tables whole, and make silver anew from all sealed batches instead of merging "
            "the newest into it.",
        ),
        "ingest_with": Param(
            settings.ingest,
            type="string",
            enum=["operator", "adf"],
            title="Ingest with",
            description="operator: PostgresToBronzeOperator. adf: Azure Data Factory (azure profile only).",
        ),
    },
    **stages.nightly_arguments(pipeline),
) as dag:
    with TaskGroup("ingest", tooltip="Source tables to sealed bronze batches"):
        read = [stages.ingest(settings, group) for group in pipeline.groups]
    with TaskGroup("bronze", tooltip="Verifies the sealed batches"):
        plan = PlanBatchOperator(task_id="plan_batch", rebuild="{{ params.full_reload }}")
    with TaskGroup("silver", tooltip="One clean row per key, and the quarantine"):
        silver = stages.bronze_to_silver(settings)
    with TaskGroup("gold", tooltip="Star schema and marts"):
        gold = stages.silver_to_gold(settings)
    with TaskGroup("serve", tooltip="Views for reporting"):
        views = stages.gold_to_serving()
    with TaskGroup("report", tooltip="What people look at in the morning"):
        report = stages.refresh_report(settings)

    chain(read, plan, silver, gold, views, report)
    stages.cancel_orphaned_runs(settings, report, ingest_with="{{ params.ingest_with }}")
