"""Marks the local report page as failed: no task writes that page again before the next successful run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.settings import load_settings
from midnight_airflow.run_context import run_time

if TYPE_CHECKING:
    from airflow.sdk import Context


def mark_report_failed(context: Context) -> None:
    """``on_failure_callback`` of the pipeline's tasks (local profile): Airflow calls it when no retry is left.

    Raises:
        ServingError: the page cannot be written. Airflow logs it.
    """
    # Imported here: DAG parsing must not load the templates.
    from midnight.report.page_file import mark_failed
    from midnight.report.run_history import PipelineRun, RunTask

    settings = load_settings()
    if settings.profile != "local":
        return
    instance: Any = context["ti"]
    error: Any = context.get("exception")
    message = error if isinstance(error, str) else f"{type(error).__name__}: {error}" if error else ""
    run = PipelineRun(
        run_id=str(context["run_id"]),
        state="failed",
        due=run_time(context),
        ended=datetime.now(UTC),
        tasks=(RunTask(instance.task_id, message),),
        url=instance.log_url,
    )
    mark_failed(settings.report_page, run)
