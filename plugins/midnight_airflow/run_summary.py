"""Writes the summary of a run, and its rows for the views of the schema ``midnight``.

A summary that cannot be written is logged: it neither fails a task nor hides why a task failed.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.configuration.dag_parsing import list_table_names, pipeline_for_parsing
from midnight.errors import StoppedTablesError
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import BRIEFLY, open_lake
from midnight_airflow.run_context import batch_id, run_time

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.run.summarise import RunFacts
    from midnight.summary.document import Anomaly, RunSummary

_log = logging.getLogger(__name__)
FAILED, NOTHING_TO_DO = "failed", "nothing to do"


def summarise_publication(context: Context, anomalies: tuple[Anomaly, ...]) -> None:
    """Write the summary of a run that has published; the report is rendered from it.

    Args:
        context: Airflow's.
        anomalies: of the run, as they were found before the publication.
    """
    _write(context, "", anomalies)


def summarise_failure(context: Context) -> None:
    """``on_failure_callback`` of the tasks: Airflow calls it when no retry is left.

    The last task fails if some tables were not loaded; everything else is published then. A teardown fails no run.
    """
    if getattr(_get(context, "task"), "is_teardown", False):
        return
    partial = isinstance(_get(context, "exception"), StoppedTablesError)
    _write(context, "" if partial else FAILED)


def summarise_timeout(context: Context) -> None:
    """``on_failure_callback`` of the DAG: a run that timed out has no failed task that would have written a summary."""
    if "timed_out" in str(_get(context, "reason") or ""):
        _write(context, FAILED)


def summarise_skip(context: Context) -> None:
    """``on_skipped_callback`` of the ingest tasks: the run is older than the newest batch and does nothing."""
    _write(context, NOTHING_TO_DO)


def complete_summary(context: Context) -> None:
    """``on_success_callback`` of the last task: complete durations and cost. All else is as it was published."""
    from midnight.gold_to_serving.run_rows import write_run_rows
    from midnight.run.findings import with_cost
    from midnight.summary.storage import read_summary, write_summary

    settings = load_settings()
    try:
        lake = open_lake(settings, BRIEFLY)
        written = read_summary(lake, settings.paths, batch_id(context))
        if written is None:
            return
        seconds, stages = durations(context)
        figures = written.figures
        state = "published" if figures.state == "failed" and figures.published_at else figures.state  # it was cleared
        changes = {"seconds": seconds, "stages": {**figures.stages, **stages}, "state": state}
        figures = figures.model_copy(update=changes)
        summary = written.model_copy(update={"figures": figures, "written_at": datetime.now(UTC)})
        summary = with_cost(settings, lake, summary)  # of the report, too
        write_summary(lake, settings.paths, summary)
        write_run_rows(lake, settings.paths, summary, views=("runs",))
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has published
        _log.warning("The summary of the run lacks its last durations: %s", error)


def durations(context: Context) -> tuple[float, dict[str, float]]:
    """Seconds since the run started, and of each stage that has ended or that this task belongs to.

    Load groups are read by tasks of one stage: its duration is that of the longest.
    """
    now, dag_run, instance = datetime.now(UTC), _get(context, "dag_run"), _get(context, "ti")
    started = getattr(dag_run, "start_date", None)
    found: dict[str, float] = {}
    for task in _ended_tasks(instance):
        _add(found, str(task["task_id"]), float(task["duration"] or 0))
    own_start = getattr(instance, "start_date", None)
    if own_start is not None:
        _add(found, str(instance.task_id), (now - own_start).total_seconds())
    seconds = 0.0 if started is None else (now - started).total_seconds()
    return round(seconds, 1), {stage: round(each, 1) for stage, each in found.items()}


def _add(found: dict[str, float], task_id: str, seconds: float) -> None:
    stage, _, task = task_id.partition(".")
    if task:
        found[stage] = max(found.get(stage, 0.0), seconds)


def _ended_tasks(instance: Any) -> list[Any]:
    try:
        return list(instance.get_task_breadcrumbs(instance.dag_id, instance.run_id))
    except Exception as error:  # noqa: BLE001 - not a task (the DAG's callback), or Airflow does not answer
        _log.info("Airflow does not tell the durations of the run's tasks: %s", error)
        return []


def _write(context: Context, outcome: str, anomalies: tuple[Anomaly, ...] | None = None) -> RunSummary | None:
    # Imported here: DAG parsing imports this module, and must not load PyArrow.
    from midnight.gold_to_serving.run_rows import write_run_rows
    from midnight.run.findings import with_anomalies, with_cost
    from midnight.run.summarise import summarise_run
    from midnight.summary.storage import write_summary

    settings = load_settings()
    try:
        lake = open_lake(settings, BRIEFLY)
        summary = summarise_run(lake, settings.paths, _facts(context, outcome))
        if anomalies is None:
            summary = with_anomalies(settings, lake, summary)
        else:
            summary = summary.model_copy(update={"anomalies": anomalies})
        summary = with_cost(settings, lake, summary)
        write_summary(lake, settings.paths, summary)
        write_run_rows(lake, settings.paths, summary)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on, and its error is the one to report
        _log.warning("The summary of this run could not be written: %s", error)
        return None
    _log.info("Summary of the run: %s", settings.paths.summary(summary.figures.batch_id))
    return summary


def _facts(context: Context, outcome: str) -> RunFacts:
    from midnight.run.summarise import RunFacts

    settings = load_settings()
    pipeline = pipeline_for_parsing(settings.config)  # whatever the files hold: they may be why the run failed
    seconds, stages = durations(context)
    return RunFacts(
        run_id=str(context["run_id"]),
        batch_id=batch_id(context),
        due=run_time(context),
        pipeline=pipeline.source.name,
        timezone=pipeline.schedule.timezone,
        now=datetime.now(UTC),
        outcome=outcome,
        seconds=seconds,
        stages=stages,
        tables=frozenset(list_table_names(settings.config)),
    )


def _get(context: Context, key: str) -> Any:
    values: Any = context
    return values.get(key)
