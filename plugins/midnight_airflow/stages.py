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
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.source import LoadGroup
from midnight.errors import NON_RETRYABLE_ERRORS, NON_RETRYABLE_MARKER
from midnight.report.run_history import CHECK_TASK_ID
from midnight.settings import Settings, load_settings
from midnight_airflow.alerts import alert_failed, alert_recovered, alert_retrying, alert_run_failed
from midnight_airflow.assets import GOLD_ALIAS, SILVER_ALIAS
from midnight_airflow.failure_callback import mark_report_failed
from midnight_airflow.notices import alert_notices, alert_source_log
from midnight_airflow.run_summary import complete_summary, summarise_failure, summarise_skip, summarise_timeout

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
        "tags": [*pipeline.tags, settings.profile],
        "owner_links": {pipeline.owner: pipeline.owner_link} if pipeline.owner_link else {},
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


def publishing_arguments(pipeline: Pipeline) -> dict[str, Any]:
    """Arguments of a DAG that publishes: those of every DAG, and the summary of a failed run."""
    arguments = dag_arguments(pipeline)
    arguments["default_args"]["on_failure_callback"] = summarise_failure
    arguments["on_failure_callback"] = summarise_timeout
    return arguments


def nightly_arguments(pipeline: Pipeline) -> dict[str, Any]:
    """Arguments of the nightly DAG: those of a DAG that publishes, the alerts and the allowed run types.

    Airflow refuses a backfill: the source only exposes its current state, so a run for a past date could only store
    today's rows under that date.
    """
    arguments = publishing_arguments(pipeline)
    arguments["default_args"]["on_failure_callback"] = [alert_failed, summarise_failure, mark_report_failed]
    arguments["default_args"]["on_retry_callback"] = alert_retrying
    arguments["on_failure_callback"] = [alert_run_failed, summarise_timeout]
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


def deadline_schedule(pipeline: Pipeline) -> CronTriggerTimetable | None:
    """Daily at ``publish_by`` of pipeline.yml; None without that time, or without a schedule of runs."""
    at = pipeline.alerts.publish_time
    if at is None or pipeline.schedule.cron is None:
        return None
    return CronTriggerTimetable(
        f"{at.minute} {at.hour} * * *", timezone=pipeline.schedule.timezone, run_immediately=timedelta(minutes=2)
    )


def pipeline_parameters(settings: Settings) -> dict[str, Param]:
    """The parameters of a run; without those that the profile does not have."""
    parameters = {
        "tables": tables_parameter(settings),
        "full_reload": Param(
            False,
            type="boolean",
            title="Full reload",
            description="Read a full snapshot of incremental tables, and rebuild silver from all sealed batches "
            "instead of merging the newest one.",
        ),
        "publish_unexpected": Param(
            False,
            type="boolean",
            title="Publish unexpected figures",
            description="Publish although an expectation with on_failure: fail is not met.",
        ),
        "ignore_budget": Param(
            False,
            type="boolean",
            title="Ignore the budget",
            description="Run although the runs before have cost more than the budget of pipeline.yml.",
        ),
    }
    if settings.profile == "azure":
        parameters["ingest_with"] = Param(
            settings.ingest,
            type="string",
            enum=["operator", "adf"],
            title="Ingest with",
            description="operator: PostgresToBronzeOperator. adf: Azure Data Factory.",
        )
    return parameters


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
            on_skipped_callback=summarise_skip,
            on_success_callback=alert_source_log,
        )
    from midnight_airflow.operators.ingest import IngestOperator

    return IngestOperator(
        task_id=task_id,
        group=group.name,
        ingest_with=settings.ingest,
        on_success_callback=alert_source_log,
        on_skipped_callback=summarise_skip,
    )


def bronze_to_silver(settings: Settings) -> BaseOperator:
    """Task that cleans the batches of the run document."""
    if settings.profile == "azure":
        from midnight_airflow.operators.databricks_jobs import DatabricksSilverOperator

        return DatabricksSilverOperator(
            task_id="bronze_to_silver",
            databricks_conn_id=DATABRICKS_CONNECTION,
            polling_seconds=settings.polling_seconds,
            on_success_callback=alert_notices,
            outlets=[SILVER_ALIAS],
        )
    from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator

    return LocalSparkJobOperator(
        task_id="bronze_to_silver",
        step="bronze_to_silver",
        on_success_callback=alert_notices,
        outlets=[SILVER_ALIAS],
    )


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


def gold_to_serving(publish_unexpected: str = "") -> BaseOperator:
    """Task that publishes the views of the newest complete gold build.

    Args:
        publish_unexpected: template of the run's parameter; empty in a DAG without it.
    """
    from midnight_airflow.operators.publish_views import PublishViewsOperator

    return PublishViewsOperator(task_id="gold_to_serving", publish_unexpected=publish_unexpected, outlets=[GOLD_ALIAS])


def refresh_report(settings: Settings, *, is_last: bool = False) -> BaseOperator:
    """Task that refreshes the Power BI dataset, or renders the local page; ``is_last`` if nothing follows it."""
    done = [complete_summary] if is_last else []
    if settings.profile == "azure":
        from midnight_airflow.operators.refresh_power_bi import RefreshPowerBiOperator

        return RefreshPowerBiOperator(
            task_id="refresh_report",
            power_bi_conn_id=POWER_BI_CONNECTION,
            group_id=settings.powerbi_group_id,
            dataset_id=settings.powerbi_dataset_id,
            polling_seconds=settings.polling_seconds,
            on_success_callback=done,
            on_skipped_callback=complete_summary,  # the tasks after it are skipped as well
        )
    from midnight_airflow.operators.refresh_report import RefreshReportOperator

    return RefreshReportOperator(task_id="refresh_report", on_success_callback=done)


def check_stopped_tables() -> BaseOperator:
    """Task that fails the run, when all else is published, if ingestion has stopped a table."""
    from midnight_airflow.operators.check_stopped_tables import CheckStoppedTablesOperator

    return CheckStoppedTablesOperator(task_id=CHECK_TASK_ID, on_success_callback=[complete_summary, alert_recovered])


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
