"""Airflow's runs that fit the summaries, the pipeline around them, and the summary that a failure leaves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from midnight.report.run_history import PipelineRun, RunHistory, RunTask
from midnight.report.status_page import Surroundings
from midnight.summary.document import RunSummary, TableSummary
from tests.support.summaries import DEMO, DUE, figures, quiet, run_id, table

NOW = DUE + timedelta(hours=7, minutes=2)
SURROUNDINGS = Surroundings(
    pipeline="nycflights",
    timezone="America/New_York",
    publish_by=datetime(2026, 1, 1, 7).time(),
    last_due=DUE,
    next_due=DUE + timedelta(days=1),
    report_url="report",
    airflow_url="../dags/midnight_pipeline",
    airflow_command="midnight airflow",
)


def airflow_run(days_ago: int = 0, state: str = "success", **changes: Any) -> PipelineRun:
    """A run of 50 s, published if it succeeded."""
    due = DUE - timedelta(days=days_ago)
    ended = due + timedelta(minutes=4, seconds=50) if state in ("success", "failed") else None
    values: dict[str, Any] = {
        "run_id": run_id(days_ago),
        "state": state,
        "due": due,
        "started": None if state == "queued" else due,
        "ended": ended,
        "published_at": due + timedelta(minutes=4) if state == "success" else None,
        "url": f"../dags/midnight_pipeline/runs/run{days_ago}",
        "logical_date": due,
    }
    return PipelineRun(**values | changes)


def history(*newest: PipelineRun, **changes: Any) -> RunHistory:
    """These runs, after enough good ones to make 30."""
    older = tuple(airflow_run(days_ago) for days_ago in range(len(newest), 30))
    return RunHistory((*newest, *older), **{"next_due": DUE + timedelta(days=1)} | changes)


MESSAGE = (
    "StoppedTablesError: public.weather has no column 'pressure' (the source has 'pressure_hpa'); "
    "hint: correct include/tables/public.weather.yml"
)


def failed_history(message: str = MESSAGE, state: str = "failed", attempt: int = 1, attempts: int = 1) -> RunHistory:
    """The newest run has failed in its first task, or waits for another try of it."""
    url = "../dags/midnight_pipeline/runs/run0/tasks/ingest.main"
    task = RunTask("ingest.main", message, state, attempt, attempts, url)
    return history(airflow_run(0, "failed" if state == "failed" else "running", tasks=(task,)))


def before_the_failure() -> RunSummary:
    """The newest summary when the run of today has failed before it wrote one: yesterday's."""
    yesterday = figures(1)
    return quiet(
        figures=yesterday,
        earlier=tuple(figures(days_ago) for days_ago in range(29, 1, -1)),
        data_up_to=DUE - timedelta(days=1),
        written_at=DUE - timedelta(days=1),
        tables=tuple(_of_yesterday(table(n, c, entry={"run_id": yesterday.run_id})) for n, c in DEMO.items()),
    )


def _of_yesterday(found: TableSummary) -> TableSummary:
    day = timedelta(days=1)
    times = {name: getattr(found.batch, name) - day for name in ("read_at", "sealed_at")}
    return found.model_copy(update={"batch": found.batch and found.batch.model_copy(update=times)})
