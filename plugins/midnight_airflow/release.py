"""Waits for a person to release a publication that failed checks have stopped (pipeline.yml, ``release``)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param
from airflow.sdk.exceptions import TaskAwaitingInput

from midnight.configuration.pipeline import load_pipeline
from midnight.errors import NonRetryableJobError, ReleasableError
from midnight.run.document import Release
from midnight.run.release import record_release
from midnight.settings import load_settings
from midnight_airflow.alerts import alert_waits_for_release
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.run_context import batch_id

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

# Key in the task's state: how many releases the task has had in this run.
RELEASES_KEY = "midnight_releases"
# … and the id of the try that has asked.
ASKED_KEY = "midnight_asked"
APPROVE = "Approve"


def ask_for_release(operator: BaseOperator, context: Any, error: NonRetryableJobError | ReleasableError) -> None:
    """Park the task until a person decides, if the pipeline asks; otherwise return, so that the error fails the task.

    The task holds no lock and no process meanwhile. It resumes in the operator's ``execute_released``.

    Args:
        operator: of the failed task.
        context: Airflow's.
        error: of the job, or of the task itself.

    Raises:
        TaskAwaitingInput: the task is parked.
    """
    pipeline = load_pipeline(load_settings().config)
    release = pipeline.release
    if not (release.ask and error.releasable):
        return
    store, instance = context["task_state_store"], context["ti"]
    if store.get(ASKED_KEY) == str(instance.id):
        # Airflow keeps the text of the first question of a try: the person would approve something else.
        operator.log.warning("Something else fails after the release; clear this task to be asked about it")
        return
    store.set(ASKED_KEY, str(instance.id))
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    ask = ApprovalOperator(
        task_id=operator.task_id,
        subject=f"Publish although {_counted(error.releasable)}?",
        body=_body(error),
        params={"reason": Param("", type="string", minLength=5, title="Reason", description="Kept in the ledger.")},
        assigned_users=[{"id": user, "name": user} for user in release.users] or None,
        response_timeout=timedelta(hours=release.wait_hours),
    )
    alert_waits_for_release(context, error, release.wait_hours)
    try:
        # The operator's own code without the decorator, which warns of an operator inside another one.
        inspect.unwrap(ApprovalOperator.execute)(ask, context)
    except TaskAwaitingInput as waiting:
        waiting.method_name = "execute_released"
        waiting.kwargs = {"message": str(error), "releasable": list(error.releasable)}
        raise


def decide(context: Context, event: Mapping[str, Any], message: str, releasable: Sequence[str]) -> None:
    """Record the release in the run document; afterwards the job is to be run again.

    Args:
        context: Airflow's.
        event: the person's answer, or a timeout.
        message: of the error that stopped the publication.
        releasable: what stopped it.

    Raises:
        NonRetryableJobError: it was not released; the message is that of the error, and the reason.
        LakeError: the release cannot be recorded.
    """
    if "error" in event:
        raise NonRetryableJobError(f"{message}; not released: no answer in time")
    user = event.get("responded_by_user") or {}
    by = str(user.get("name") or user.get("id") or "an unknown user")
    reason = " ".join(str((event.get("params_input") or {}).get("reason") or "").split())
    if list(event["chosen_options"]) != [APPROVE]:
        raise NonRetryableJobError(f"{message}; not released: rejected by {by}{f': {reason}' if reason else ''}")
    if not reason:
        raise NonRetryableJobError(
            f"{message}; not released: {by} gave no reason; hint: clear the task and answer again"
        )
    settings = load_settings()
    release = Release(releasable=tuple(releasable), reason=reason, by=by, at=event["responded_at"])
    record_release(open_lake(settings), settings.paths, batch_id(context), release)
    store: Any = context["task_state_store"]
    store.set(RELEASES_KEY, number_of_releases(context) + 1)


def number_of_releases(context: Context) -> int:
    """How often this task was released in this run, so that it does not find the job run that had failed."""
    store: Any = context["task_state_store"]
    return int(store.get(RELEASES_KEY) or 0)


def _counted(releasable: Sequence[str]) -> str:
    one = releasable[0].partition("/")[2].replace("/", ": ")
    return f"{one} failed" if len(releasable) == 1 else f"{len(releasable)} things failed"


def _body(error: NonRetryableJobError | ReleasableError) -> str:
    names = "\n".join(f"* `{name}`" for name in error.releasable)
    return (
        f"{error}\n\n**What stops the publication**\n\n{names}\n\n"
        "*Approve* publishes this run's data: rows that fail these checks are in it, as if the checks only warned. "
        "The reason is kept in the ledger. The next run checks again.\n\n"
        "*Reject* fails the task; readers keep the earlier data."
    )
