"""One pipeline run of Data Factory per attempt of a task, also when a worker dies or a response is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryPipelineRunStatus
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.errors import MidnightError
from midnight_airflow.hooks.data_factory_runs import ACTIVE_STATUSES, PipelineRuns
from midnight_airflow.run_context import attempt_token, attempt_tokens, run_time

if TYPE_CHECKING:
    from airflow.sdk import Context
    from azure.mgmt.datafactory.models import PipelineRun

# Parameter of the pipeline: identifies the attempt that requested the run.
REQUEST_ID = "request_id"
# Key in the task's state: the newest run and its request id.
STATE_KEY = "midnight_data_factory_run"
FAILED_STATUSES = AzureDataFactoryPipelineRunStatus.FAILURE_STATES | {AzureDataFactoryPipelineRunStatus.CANCELING}
# How long a cancelled run may take to end before the next one is started.
CANCEL_TIMEOUT = timedelta(minutes=10)
MAX_POLL_SECONDS = 5

_log = logging.getLogger(__name__)


class DataFactoryRunError(MidnightError):
    """The pipeline run failed or was cancelled."""


class PipelineRunAttempt:
    """Finds or starts the pipeline run of one attempt of a task.

    A run is looked up in Airflow's state of the task, then among the factory's runs by ``request_id``: a worker can die
    after it has started a run and before it has stored its id. A cleared task has another request id.

    Args:
        runs: the runs of the pipeline.
        pipeline: name of the pipeline, for error messages.
        context: Airflow's.
        poll_seconds: time between two requests for a state.
        stop_if_killed: called before a run is started and while waiting; raises when the task was killed.
    """

    def __init__(
        self,
        runs: PipelineRuns,
        pipeline: str,
        context: Context,
        *,
        poll_seconds: float,
        stop_if_killed: Callable[[], None],
    ) -> None:
        self._runs, self._pipeline, self._context = runs, pipeline, context
        self._poll_seconds = min(poll_seconds, MAX_POLL_SECONDS)
        self._stop_if_killed = stop_if_killed
        self._request_id = attempt_token(context, 0)

    def find(self) -> PipelineRun | None:
        """The run of this attempt that is active or has succeeded."""
        runs = self._earlier_runs([self._request_id])
        return next((run for run in runs if run.status not in FAILED_STATUSES), None)

    def cancel_earlier(self) -> None:
        """Cancel the runs that earlier tries left running, and wait until they have ended: only one run may read.

        A triggerer that should have cancelled them may have died, or may be cancelling them now.

        Raises:
            DataFactoryRunError: a run does not end within ``CANCEL_TIMEOUT``.
        """
        deadline = time.monotonic() + CANCEL_TIMEOUT.total_seconds()
        for run in self._earlier_runs(attempt_tokens(self._context, 0)):
            status, run_id = run.status, str(run.run_id)
            if status in ACTIVE_STATUSES:
                _log.warning("Cancelling pipeline run %s of an earlier try (%s)", run_id, status)
                self._runs.cancel(run_id)
            while status in (*ACTIVE_STATUSES, AzureDataFactoryPipelineRunStatus.CANCELING):
                self._stop_if_killed()
                if time.monotonic() > deadline:
                    raise DataFactoryRunError(
                        f"pipeline {self._pipeline!r}: run {run_id} of an earlier try was cancelled, but is still "
                        f"{status}; hint: cancel it in Data Factory's monitor, then clear this task"
                    )
                time.sleep(self._poll_seconds)
                status = self._runs.get(run_id).status

    def start(self, parameters: dict[str, Any]) -> str:
        """Start a run, store its id in the task's state, and return it.

        Args:
            parameters: of the pipeline; strings.
        """
        self._stop_if_killed()
        run_id = self._start_once({**parameters, REQUEST_ID: self._request_id})
        state: Any = {REQUEST_ID: self._request_id, "run_id": run_id}
        self._context["task_state_store"].set(STATE_KEY, state, retention=NEVER_EXPIRE)
        return run_id

    def _start_once(self, parameters: dict[str, Any]) -> str:
        """Start a run, or find the one that was started although the response was lost."""
        from azure.core.exceptions import AzureError

        try:
            return self._runs.start(parameters)
        except AzureError as error:
            status = getattr(error, "status_code", None)
            if status is not None and status < 500:  # refused
                raise
            time.sleep(self._poll_seconds)  # a new run is not listed at once
            runs = self._requested_by([self._request_id])
            started = next((run for run in runs if run.status not in FAILED_STATUSES), None)
            if started is None:
                raise
            _log.warning("The response was lost (%s), but run %s was started", error, started.run_id)
            return str(started.run_id)

    def _earlier_runs(self, request_ids: Collection[str]) -> Iterator[PipelineRun]:
        from azure.core.exceptions import ResourceNotFoundError

        state: Any = self._context["task_state_store"].get(STATE_KEY)
        if isinstance(state, dict) and state[REQUEST_ID] in request_ids:
            try:
                yield self._runs.get(state["run_id"])
            except ResourceNotFoundError:
                _log.warning("Run %s of an earlier try no longer exists", state["run_id"])
        if self._context["ti"].try_number > 1:
            yield from self._requested_by(request_ids)

    def _requested_by(self, request_ids: Collection[str]) -> Iterator[PipelineRun]:
        recent = self._runs.recent(run_time(self._context))
        return (run for run in recent if (run.parameters or {}).get(REQUEST_ID) in request_ids)
