"""The most recent runs of the nightly DAG, from Airflow's database. Used in the API server only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from midnight.report.run_history import RUNS_SHOWN, PipelineRun, RunHistory, RunTask
from midnight.report.task_log import failure_message

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.log.file_task_handler import LogMetadata
    from sqlalchemy.orm import Session

    from midnight.report.run_history import RunState

SERVE_TASK_ID = "serve.gold_to_serving"
_ACTIVE_STATES = ("running", "deferred", "up_for_retry", "restarting", "queued", "scheduled")
# The log of the last try contains an error.
_FAILED_STATES = ("failed", "up_for_retry")


def read_recent_runs(session: Session, dag_id: str, *, may_read_logs: bool) -> RunHistory:
    """State of the nightly DAG and its most recent runs.

    Args:
        session: session of Airflow's database.
        dag_id: id of the DAG.
        may_read_logs: whether the user may read task logs, and so see why a task failed.
    """
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    dag = session.get(DagModel, dag_id)
    newest_first = select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.run_after.desc()).limit(RUNS_SHOWN)
    runs = list(session.scalars(newest_first))
    run_ids = [run.run_id for run in runs]
    tasks: dict[str, list[TaskInstance]] = {}
    for task in session.scalars(
        select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id.in_(run_ids))
    ):
        tasks.setdefault(task.run_id, []).append(task)
    # Logs are slow to read and may be in a remote store: read them only for runs whose errors the page shows.
    explained = {run.run_id for run in runs if run.state in ("queued", "running")}
    explained |= {next((run.run_id for run in runs if run.state == "failed"), "")}
    return RunHistory(
        runs=tuple(
            _pipeline_run(run, tasks.get(run.run_id, []), may_read_logs and run.run_id in explained) for run in runs
        ),
        next_due=dag.next_dagrun_create_after if dag else None,
        paused=bool(dag and dag.is_paused),
    )


def _pipeline_run(run: DagRun, tasks: Iterable[TaskInstance], explain: bool) -> PipelineRun:
    tasks = list(tasks)
    wanted = _FAILED_STATES if run.state == "failed" else (*_ACTIVE_STATES, *_FAILED_STATES)
    found = [task for task in tasks if task.state in wanted] if run.state != "success" else []
    if run.state == "running":  # show tasks that run rather than tasks that wait
        busy = [task for task in found if task.state not in ("queued", "scheduled")]
        found = busy or found
    published = next((task for task in tasks if task.task_id == SERVE_TASK_ID and task.state == "success"), None)
    # The page is at <base>/midnight/
    url = f"../dags/{quote(run.dag_id)}/runs/{quote(run.run_id, safe='')}"
    return PipelineRun(
        run_id=run.run_id,
        state=cast("RunState", run.state),
        due=run.logical_date or run.run_after,
        started=run.start_date,
        ended=run.end_date if run.state in ("success", "failed") else None,
        tasks=tuple(_run_task(task, url, explain) for task in found),
        published_at=published.end_date if published else None,
        url=url,
        logical_date=run.logical_date,
    )


def _run_task(task: TaskInstance, run_url: str, explain: bool) -> RunTask:
    mapped = f"/mapped/{task.map_index}" if task.map_index >= 0 else ""
    return RunTask(
        task_id=task.task_id,
        message=_failure_message(task) if explain and task.state in _FAILED_STATES else "",
        state=str(task.state or ""),
        attempt=task.try_number,
        attempts=task.max_tries + 1,
        url=f"{run_url}/tasks/{quote(task.task_id, safe='')}{mapped}",
    )


def _failure_message(task: TaskInstance) -> str:
    """The error of the last try; empty when its log is not available."""
    from airflow.utils.log.log_reader import TaskLogReader

    reader = TaskLogReader()
    if not reader.supports_read or not task.try_number:
        return ""
    try:
        lines, _ = reader.read_log_chunks(task, task.try_number, cast("LogMetadata", {"download_logs": True}))
        return failure_message(line.model_dump() for line in lines)
    except (OSError, ValueError) as error:  # a failure of the remote log store must not break the page
        return f"(could not read the task log: {error})"
