"""The deployed Databricks job and its runs, through the provider's hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from midnight.configuration.pipeline import Pipeline
from midnight.databricks.job_payload import RUN_DOCUMENT, job_differences
from midnight.databricks.runs import JobFailure, StepState, parse_job_failure, step_state
from midnight.databricks.wheel_name import wheel_name
from midnight.errors import DeploymentError

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

# Status of Jobs API 2.2 for a run that does not exist or was deleted; 400 is INVALID_PARAMETER_VALUE.
NOT_FOUND_STATUSES = (400, 404)


def task_hook(connection_id: str, caller: str) -> DatabricksHook:
    """The provider's hook with the timeouts and retries of a task. Imported late: the import takes a second.

    Args:
        connection_id: Airflow connection.
        caller: name in the user agent of requests.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

    return DatabricksHook(connection_id, timeout_seconds=60, retry_limit=3, retry_delay=2, caller=caller)


def verify_job(hook: DatabricksHook, job_id: int, pipeline: Pipeline) -> None:
    """Compare the deployed job with the one that this code and this configuration expect.

    Args:
        hook: hook of the workspace.
        job_id: id of the deployed job.
        pipeline: the configuration's ``pipeline.yml``.

    Raises:
        DeploymentError: the job does not exist, is not visible, or differs; the message lists every difference.
    """
    from airflow.providers.databricks.exceptions import DatabricksApiError

    hint = "run `python -m tools.generated_files`, `make publish-wheel`, then `terraform apply` (docs/azure.md, step 5)"
    try:
        # The hook has no method for this endpoint.
        job = hook._do_api_call(("GET", "2.2/jobs/get"), {"job_id": job_id})
    except DatabricksApiError as error:
        if error.http_status_code not in (*NOT_FOUND_STATUSES, 403):
            raise
        raise DeploymentError(
            f"could not read Databricks job {job_id}: {error}; hint: MIDNIGHT_DATABRICKS_JOB_ID must be the job that "
            "Terraform deployed (terraform output environment_variables), with CAN_MANAGE_RUN for Airflow's identity"
        ) from error
    differences = job_differences(job["settings"], pipeline, wheel_name())
    if differences:
        found = "; ".join(differences)
        raise DeploymentError(
            f"Databricks job {job_id} differs from the one that this code expects: {found}; hint: {hint}"
        )


def cancel_other_runs(hook: DatabricksHook, job_id: int, run_document: str, keep: int | None, log: Any) -> None:
    """Cancel the runs that earlier tries left running for the same batch; they block the run to keep in the queue.

    A worker can die before it has stored the id of its run, and the task can then be cleared.

    Args:
        hook: hook of the workspace.
        job_id: id of the deployed job.
        run_document: URL of the batch's run document.
        keep: id of the run to keep; None to cancel all.
        log: logger.
    """
    for run in _active_runs(hook, job_id):
        parameters = {item["name"]: item.get("value") for item in run.get("job_parameters", [])}
        if parameters.get(RUN_DOCUMENT) == run_document and run["run_id"] != keep:
            log.warning("Cancelling Databricks run %s of an earlier try", run["run_id"])
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
    """State of a step of a run; None when the run no longer exists."""
    from airflow.providers.databricks.exceptions import DatabricksApiError

    try:
        return step_state(hook.get_run(run_id), step)
    except DatabricksApiError as error:
        if error.http_status_code in NOT_FOUND_STATUSES:
            return None
        raise


def read_job_failure(hook: DatabricksHook, state: StepState, log: Any) -> JobFailure:
    """The error of a failed step's job; an empty message when Databricks does not return the job's output."""
    from airflow.providers.databricks.exceptions import DatabricksApiError

    if state.run_id is None:
        return JobFailure("", False)
    try:
        return parse_job_failure(hook.get_run_output(state.run_id))
    except DatabricksApiError as error:
        log.warning("Could not read the output of Databricks task run %s: %s", state.run_id, error)
        return JobFailure("", False)
