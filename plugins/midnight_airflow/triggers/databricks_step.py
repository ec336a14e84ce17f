"""Waits for one step (task) of a Databricks run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import CANCEL_RUN_ENDPOINT, DatabricksHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from midnight.databricks.runs import StepState, step_state
from midnight_airflow.hooks.databricks_job import NOT_FOUND_STATUSES
from midnight_airflow.triggers.cancellation import cancel_on_kill, cancel_with_retry

# How long requests for the state may fail before the trigger gives up.
POLL_TIMEOUT_SECONDS = 30 * 60


class DatabricksStepTrigger(BaseTrigger):
    """Fires when a step of a run has ended, or when the deadline has passed and the run was cancelled.

    The provider's trigger waits for the complete run, but the silver task of the DAG must not wait for gold. It also
    fails after a lost connection, an expired token or three errors of the service, and does not cancel a run whose
    deadline has passed.

    Args:
        run_id: id of the job run.
        step: task key in the job.
        databricks_conn_id: Airflow connection.
        polling_seconds: time between two requests for the state.
        deadline: seconds since 1970; None for no limit.
    """

    def __init__(
        self,
        *,
        run_id: int,
        step: str,
        databricks_conn_id: str,
        polling_seconds: float = 15,
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self.run_id = run_id
        self.step = step
        self.databricks_conn_id = databricks_conn_id
        self.polling_seconds = polling_seconds
        self.deadline = deadline

    @cached_property
    def _hook(self) -> DatabricksHook:
        """Without the hook's own retries: ``run`` repeats a failed request itself."""
        return DatabricksHook(
            self.databricks_conn_id, timeout_seconds=30, retry_limit=1, caller="Midnight.DatabricksStepTrigger"
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "midnight_airflow.triggers.databricks_step.DatabricksStepTrigger",
            {
                "run_id": self.run_id,
                "step": self.step,
                "databricks_conn_id": self.databricks_conn_id,
                "polling_seconds": self.polling_seconds,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the step has ended. The event has ``run_id``, and ``problem`` when the result is not known."""
        failing_since: float | None = None
        async with self._hook:
            while self.deadline is None or time.time() < self.deadline:
                # The operator has just read the state. In addition, Airflow 3.3.2 treats a task as killed when it
                # resumes before the scheduler has noticed the end of the process that deferred it.
                await asyncio.sleep(self.polling_seconds)
                try:
                    state = await self._read_state()
                except Exception as error:  # noqa: BLE001 - of the hook, aiohttp, azure-identity: all may be transient
                    failing_since = failing_since or time.monotonic()
                    if time.monotonic() - failing_since > POLL_TIMEOUT_SECONDS:
                        yield self._event(f"Databricks could not be reached for half an hour: {error}")
                        return
                    self.log.warning("Polling failed (%r); trying again in %s s", error, self.polling_seconds)
                    self._hook.oauth_tokens.clear()  # the token may be the reason
                    continue
                failing_since = None
                if state is None:
                    yield self._event("the run was deleted in the workspace")
                    return
                if state.ended:
                    yield self._event()
                    return
        await cancel_with_retry(self, self._cancel)
        yield self._event("the run did not end before the deadline and was cancelled")

    async def on_kill(self) -> None:
        """Cancel the complete run: the deferred task was cleared or marked by hand."""
        await cancel_on_kill(self, self._cancel)

    async def _read_state(self) -> StepState | None:
        try:
            return step_state(await self._hook.a_get_run(self.run_id), self.step)
        except DatabricksApiError as error:
            if error.http_status_code in NOT_FOUND_STATUSES:
                return None
            raise

    async def _cancel(self) -> None:
        # Not ``hook.cancel_run`` in a thread. There is one lock per cached property of the hook's class in Python 3.11:
        # the thread holds it while the event loop gets it the connection, and the loop waits for the lock as soon as
        # another trigger's hook needs its own connection. Then no trigger goes on.
        hook = DatabricksHook(
            self.databricks_conn_id,
            timeout_seconds=10,  # Airflow gives on_kill 30 seconds
            retry_limit=4,
            retry_delay=2,
            caller="Midnight.DatabricksStepTrigger",
        )
        async with hook:
            # The provider's hook has no asynchronous method to cancel.
            await hook._a_do_api_call(CANCEL_RUN_ENDPOINT, {"run_id": self.run_id})
        self.log.info("Cancelled Databricks run %s", self.run_id)

    def _event(self, problem: str = "") -> TriggerEvent:
        return TriggerEvent({"run_id": self.run_id, **({"problem": problem} if problem else {})})
