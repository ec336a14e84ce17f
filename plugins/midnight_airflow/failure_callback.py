"""Says on the local report page that a night failed: nothing else writes that file before the next good night."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.settings import load_settings
from midnight_airflow.run_context import run_time

if TYPE_CHECKING:
    from airflow.sdk import Context


def mark_report_failed(context: Context) -> None:
    """Airflow's callback of a task that has failed for good (local profile).

    Raises:
        ServingError: the page cannot be written; Airflow logs it, and the task has failed anyway.
    """
    # DAG parsing shall not pay for the templates.
    from midnight.report.page_file import mark_failed
    from midnight.report.run_history import Attempt, PipelineRun

    settings = load_settings()
    if settings.profile != "local":
        return
    instance: Any = context["ti"]
    error: Any = context.get("exception")
    sentence = error if isinstance(error, str) else f"{type(error).__name__}: {error}" if error else ""
    run = PipelineRun(
        run_id=str(context["run_id"]),
        state="failed",
        due=run_time(context),
        ended=datetime.now(UTC),
        tasks=(Attempt(instance.task_id, sentence),),
        url=instance.log_url,
    )
    mark_failed(settings.report_page, run)
