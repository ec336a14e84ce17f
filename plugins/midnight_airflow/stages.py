"""The operator of each stage in the current profile. The DAG files only wire these operators.

Task ids are the same in both profiles. The Azure providers are imported in the azure profile only: importing them takes
seconds of DAG parsing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import CronTriggerTimetable, ExceptionRetryPolicy, Param, RetryAction, RetryRule

from midnight.configuration.connections import (
    DATA_FACTORY_CONNECTION,
    DATABRICKS_CONNECTION,
    POWER_BI_CONNECTION,
    check_connection_ids,
)
from midnight.configuration.dag_parsing import list_table_names
from midnight.configuration.pipeline import LoadGroup, Pipeline
from midnight.errors import NON_RETRYABLE_ERRORS, NON_RETRYABLE_MARKER
from midnight.settings import Settings, load_settings
from midnight_airflow.failure_callback import mark_report_failed

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def dag_arguments(pipeline: Pipeline) -> dict[str, Any]:
    """Arguments of every DAG of Midnight; a new dictionary each time.

    Raises:
        ConfigurationError: two connections have the same Key Vault secret (azure profile).
    """
    settings = load_settings()
    if settings.profile == "azure":
        check_connection_ids(pipeline.source.connection, settings.lake_connection)
    timeout = timedelta(minutes=pipeline.timeout_minutes)
    return {
        "catchup": False,
        "max_active_runs": 1,
        "dagrun_timeout": timedelta(minutes=pipeline.run_timeout_minutes),
        "render_template_as_native_obj": True,
        "tags": list(pipeline.tags),
        "default_args": {
            "owner": pipeline.owner,
            "retries": pipeline.retries,
            "retry_delay": timedelta(seconds=pipeline.retry_delay_seconds),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=30),
            "retry_policy": ExceptionRetryPolicy(
                rules=[
                    RetryRule(
                        exception=list(NON_RETRYABLE_ERRORS), action=RetryAction.FAIL, reason=NON_RETRYABLE_MARKER
                    )
                ]
            ),
            "execution_timeout": timeout,
        },
    }


def nightly_arguments(pipeline: Pipeline) -> dict[str, Any]:
    """Arguments of the nightly DAG: those of every DAG, the failure callback and the allowed run types.

    Airflow refuses a backfill: the source only exposes its current state, so a run for a past date could only store
    today's rows under that date.
    """
    arguments = dag_arguments(pipeline)
    arguments["default_args"]["on_failure_callback"] = mark_report_failed
    return arguments | {"allowed_run_types": ("scheduled", "manual", "operator_triggered")}


def nightly_schedule(pipeline: Pipeline) -> CronTriggerTimetable | None:
    """The schedule of pipeline.yml in its time zone; None when it has no cron expression."""
    if pipeline.schedule.cron is None:
        return None
    # No first run for a time long past. Two minutes of grace: when the DAG is parsed right after the scheduled time,
    # the first run must not move to the next day before the scheduler has started it.
    return CronTriggerTimetable(
        pipeline.schedule.cron, timezone=pipeline.schedule.timezone, run_immediately=timedelta(minutes=2)
    )


def tables_parameter(settings: Settings) -> Param:
    """The parameter ``tables``; the form in the UI suggests the configured tables."""
    return Param(
        [],
        title="Tables",
        description="Tables to load, as schema.table. Empty means all.",
        type=["array", "null"],
        items={"type": "string", "minLength": 1},
        examples=list_table_names(settings.config),
    )


def ingest(settings: Settings, group: LoadGroup) -> BaseOperator:
    """Task that reads one load group into bronze and seals the batch."""
    task_id = f"postgres_to_bronze_{group.name}"
    if settings.profile == "azure":
        from midnight_airflow.operators.ingest import AzureIngestOperator

        return AzureIngestOperator(
            task_id=task_id,
            group=group.name,
            azure_data_factory_conn_id=DATA_FACTORY_CONNECTION,
            resource_group_name=settings.adf_resource_group,
            factory_name=settings.adf_factory,
            pipeline_name=settings.adf_pipeline,
        )
    from midnight_airflow.operators.ingest import IngestOperator

    return IngestOperator(task_id=task_id, group=group.name)


def bronze_to_silver(settings: Settings) -> BaseOperator:
    """Task that cleans the batches of the run document."""
    if settings.profile == "azure":
        from midnight_airflow.operators.databricks_jobs import DatabricksSilverOperator

        return DatabricksSilverOperator(
            task_id="bronze_to_silver",
            databricks_conn_id=DATABRICKS_CONNECTION,
            polling_seconds=settings.polling_seconds,
        )
    from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator

    return LocalSparkJobOperator(task_id="bronze_to_silver", step="bronze_to_silver")


def silver_to_gold(settings: Settings) -> BaseOperator:
    """Task that builds the gold models of the run document."""
    if settings.profile == "azure":
        from midnight_airflow.operators.databricks_jobs import DatabricksGoldOperator

        return DatabricksGoldOperator(
            task_id="silver_to_gold",
            databricks_conn_id=DATABRICKS_CONNECTION,
            polling_seconds=settings.polling_seconds,
            silver_task_id="silver.bronze_to_silver",
        )
    from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator

    return LocalSparkJobOperator(task_id="silver_to_gold", step="silver_to_gold")


def gold_to_serving() -> BaseOperator:
    """Task that publishes the views of the newest complete gold build."""
    from midnight_airflow.operators.publish_views import PublishViewsOperator

    return PublishViewsOperator(task_id="gold_to_serving")


def refresh_report(settings: Settings) -> BaseOperator:
    """Task that refreshes the Power BI dataset, or renders the local page."""
    if settings.profile == "azure":
        from midnight_airflow.operators.refresh_power_bi import RefreshPowerBiOperator

        return RefreshPowerBiOperator(
            task_id="refresh_report",
            power_bi_conn_id=POWER_BI_CONNECTION,
            group_id=settings.powerbi_group_id,
            dataset_id=settings.powerbi_dataset_id,
            polling_seconds=settings.polling_seconds,
        )
    from midnight_airflow.operators.refresh_report import RefreshReportOperator

    return RefreshReportOperator(task_id="refresh_report")


def cancel_orphaned_runs(settings: Settings, report: BaseOperator, ingest_with: str = "") -> None:
    """Add a teardown after the last task that cancels the Azure runs which this DAG run left running (azure profile).

    The local profile needs no such task: a local job ends with its task.

    Args:
        settings: determines the profile.
        report: the last task.
        ingest_with: template of the run's parameter; empty in a DAG without ingest.
    """
    if settings.profile != "azure":
        return
    from midnight_airflow.operators.cancel_orphaned_runs import CancelOrphanedRunsOperator

    cancel = CancelOrphanedRunsOperator(
        task_id="cancel_orphaned_runs", refresh_task_id=report.task_id, ingest_with=ingest_with
    )
    report >> cancel.as_teardown()
