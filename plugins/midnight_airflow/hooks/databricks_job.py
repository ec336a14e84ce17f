"""The deployed Databricks job and its runs, as the operators need them, through the provider's hook."""

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

# Jobs API 2.2 answers so about a run that does not exist (any more): INVALID_PARAMETER_VALUE.
NOT_FOUND_STATUSES = (400, 404)


def task_hook(connection_id: str, caller: str) -> DatabricksHook:
    """The provider's hook with the patience of a task; imported late, since it costs DAG parsing a second.

    Args:
        connection_id: Airflow connection.
        caller: name in the requests' user agent.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

    return DatabricksHook(connection_id, timeout_seconds=60, retry_limit=3, retry_delay=2, caller=caller)


def verify_job(hook: DatabricksHook, job_id: int, pipeline: Pipeline) -> None:
    """Compare the deployed job with what this code and this configuration expect.

    Args:
        hook: of the workspace.
        job_id: of the deployed job.
        pipeline: of this configuration.

    Raises:
        DeploymentError: the job does not exist, is not visible, or is another: with every difference.
    """
    from airflow.providers.databricks.exceptions import DatabricksApiError

    hint = "run `python -m tools.generated_files`, `make publish-wheel`, then `terraform apply` (docs/azure.md, step 5)"
    try:
        # The hook has no method for this endpoint.
        found = hook._do_api_call(("GET", "2.2/jobs/get"), {"job_id": job_id})
    except DatabricksApiError as error:
        if error.http_status_code not in (*NOT_FOUND_STATUSES, 403):
            raise
        raise DeploymentError(
            f"Databricks job {job_id} cannot be used: {error}; hint: MIDNIGHT_DATABRICKS_JOB_ID must be the job that "
            "Terraform deployed (terraform output environment_variables), with CAN_MANAGE_RUN for Airflow's identity"
        ) from error
    differences = job_differences(found["settings"], pipeline, wheel_name())
    if differences:
        raise DeploymentError(
            f"Databricks job {job_id} is not the one that this code expects: {'; '.join(differences)}; hint: {hint}"
        )


def cancel_other_runs(hook: DatabricksHook, job_id: int, run_document: str, keep: int | None, log: Any) -> None:
    """Cancel what earlier tries have left running for the same batch; the run to keep waits in the queue behind it.

    A worker may die, and a person clear its task, before anybody has noted the run.

    Args:
        hook: of the workspace.
        job_id: of the deployed job.
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
        if error.http_status_code in NOT_FOUND_STATUSES:
            return None
        raise


def read_job_failure(hook: DatabricksHook, state: StepState, log: Any) -> JobFailure:
    """What the job of a failed step said at its end."""
    from airflow.providers.databricks.exceptions import DatabricksApiError

    if state.run_id is None:
        return JobFailure("", False)
    try:
        return parse_job_failure(hook.get_run_output(state.run_id))
    except DatabricksApiError as error:
        log.warning("Databricks does not show the output of task run %s: %s", state.run_id, error)
        return JobFailure("", False)
