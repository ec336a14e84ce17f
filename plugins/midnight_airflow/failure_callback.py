"""Writes the local page again when a run failed: no task does so before the next successful run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.settings import load_settings
from midnight_airflow.run_context import first_try_number, run_time

if TYPE_CHECKING:
    from airflow.sdk import Context


def mark_report_failed(context: Context) -> None:
    """``on_failure_callback`` of the pipeline's tasks (local profile): Airflow calls it when no retry is left.

    Raises:
        ConfigurationError: pipeline.yml is wrong. Airflow logs it.
        ServingError: the page cannot be written.
    """
    # Imported here: DAG parsing must not load the templates.
    from midnight.configuration.pipeline import load_pipeline
    from midnight.report.page_file import write_status_page
    from midnight.report.run_history import PipelineRun, RunTask
    from midnight.report.status_page import surroundings
    from midnight_airflow.hooks.lake import open_lake

    settings = load_settings()
    if settings.profile != "local":
        return
    instance: Any = context["ti"]
    dag_run: Any = context["dag_run"]
    error: Any = context.get("exception")
    message = error if isinstance(error, str) else f"{type(error).__name__}: {error}" if error else ""
    first = first_try_number(context)
    task = RunTask(
        instance.task_id,
        message,
        "failed",
        attempt=max(1, int(instance.try_number) - first + 1),
        attempts=int(instance.max_tries) - first + 2,
        url=instance.log_url,
    )
    run = PipelineRun(
        run_id=str(context["run_id"]),
        state="failed",
        due=run_time(context),
        ended=datetime.now(UTC),
        tasks=(task,),
        url=instance.log_url.partition("/tasks/")[0],
        logical_date=dag_run.logical_date,
    )
    now = datetime.now(UTC)
    report = settings.report_page.with_name("report.html")
    around = surroundings(
        load_pipeline(settings.config),
        now,
        from_airflow=False,
        airflow_url=instance.log_url.partition("/runs/")[0],
        report_url=report.name if report.exists() else "",
        airflow_command="midnight airflow",
    )
    files = open_lake(settings)
    write_status_page(settings.report_page, files=files, paths=settings.paths, around=around, now=now, failed=run)
