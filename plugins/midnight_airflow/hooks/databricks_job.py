"""The saved Databricks job and its runs, as the operators need them, through the provider's hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from midnight.databricks_payload import DEFINITION_TAG, RUN_DOCUMENT
from midnight.databricks_runs import JobEnd, StepState, job_end, step_state
from midnight.errors import JobError

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

# Jobs API 2.2 answers so about a run that does not exist (any more): INVALID_PARAMETER_VALUE.
GONE = (400, 404)


def task_hook(connection_id: str, caller: str) -> DatabricksHook:
    """The provider's hook with the patience of a task; imported late, since it costs DAG parsing a second.

    Args:
        connection_id: Airflow connection.
        caller: name in the requests' user agent.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

    return DatabricksHook(connection_id, timeout_seconds=60, retry_limit=3, retry_delay=2, caller=caller)


def save_job(hook: DatabricksHook, job: dict[str, Any], log: Any) -> int:
    """Id of the job, made or brought up to date when its definition changed.

    Args:
        hook: of the workspace.
        job: ``JobSettings``.
        log: told what was changed.

    Raises:
        JobError: Airflow's identity may not, or the name belongs to a job of somebody else.
    """
    from airflow.providers.databricks.exceptions import DatabricksApiError

    try:
        saved = find_job(hook, job["name"], log)
        if saved is None:
            created = hook.create_job(job)
            # The nightly run and a rebuild may both have made it just now: everybody takes the older one.
            saved = find_job(hook, job["name"], log)
            return created if saved is None else int(saved["job_id"])
        settings, job_id = saved["settings"], int(saved["job_id"])
        edited = settings.get("max_concurrent_runs", 1) != job["max_concurrent_runs"]
        if edited or settings["tags"][DEFINITION_TAG] != job["tags"][DEFINITION_TAG]:
            log.info("Job %r has another definition; updating it", job["name"])
            hook.reset_job(str(job_id), job)
    except DatabricksApiError as error:
        if error.http_status_code != 403:
            raise
        raise JobError(
            f"Airflow's identity may not create or change the Databricks job {job['name']!r}; give it CAN_MANAGE, "
            "or let an administrator save what `python -m midnight.databricks_payload` prints"
        ) from error
    return job_id


def find_job(hook: DatabricksHook, name: str, log: Any) -> dict[str, Any] | None:
    """The saved job as ``jobs/list`` tells it; None when there is none of ours.

    Raises:
        JobError: the name belongs to a job of somebody else.
    """
    saved = hook.list_jobs(job_name=name)
    foreign = [job["job_id"] for job in saved if DEFINITION_TAG not in (job["settings"].get("tags") or {})]
    if foreign:
        raise JobError(
            f"the workspace has a job named {name!r} that is not ours ({foreign}); rename it, or set "
            "MIDNIGHT_DATABRICKS_JOB to another name"
        )
    if len(saved) > 1:
        log.warning("The workspace has %d jobs named %r; the oldest is used, delete the others", len(saved), name)
    return min(saved, key=lambda job: int(job["job_id"]), default=None)


def cancel_other_runs(hook: DatabricksHook, job_id: int, run_document: str, keep: int | None, log: Any) -> None:
    """Cancel what earlier tries have left running for the same batch; the run to keep waits in the queue behind it.

    A worker may die, and a person clear its task, before anybody has noted the run.

    Args:
        hook: of the workspace.
        job_id: of the saved job.
        run_document: URL of the batch's run document.
        keep: the run that shall go on; None when none shall.
        log: told what is cancelled.
    """
    for run in _active_runs(hook, job_id):
        parameters = {item["name"]: item.get("value") for item in run.get("job_parameters", [])}
        if parameters.get(RUN_DOCUMENT) == run_document and run["run_id"] != keep:
            log.warning("Cancelling Databricks run %s, which an earlier try has left", run["run_id"])
            hook.cancel_run(run["run_id"])


def _active_runs(hook: DatabricksHook, job_id: int) -> Iterator[dict[str, Any]]:
    # The hook has no method for this endpoint.
    query = {"job_id": job_id, "active_only": "true", "limit": 25}
    while True:
        page = hook._do_api_call(("GET", "2.2/jobs/runs/list"), query)
        yield from page.get("runs", [])
        if not page.get("next_page_token"):
            return
        query["page_token"] = page["next_page_token"]


def state_of_step(hook: DatabricksHook, run_id: int, step: str) -> StepState | None:
    """How a step of a run stands; None when the run does not exist any more."""
    from airflow.providers.databricks.exceptions import DatabricksApiError

    try:
        return step_state(hook.get_run(run_id), step)
    except DatabricksApiError as error:
        if error.http_status_code in GONE:
            return None
        raise


def last_words(hook: DatabricksHook, state: StepState, log: Any) -> JobEnd:
    """What the job of a failed step said at its end."""
    from airflow.providers.databricks.exceptions import DatabricksApiError

    if state.run_id is None:
        return JobEnd("", False)
    try:
        return job_end(hook.get_run_output(state.run_id))
    except DatabricksApiError as error:
        log.warning("Databricks does not show the output of task run %s: %s", state.run_id, error)
        return JobEnd("", False)
