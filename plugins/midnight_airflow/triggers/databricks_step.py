"""Waits for one task of a Databricks run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from midnight.databricks.runs import StepState, step_state
from midnight_airflow.hooks.databricks_job import NOT_FOUND_STATUSES
from midnight_airflow.triggers.cancellation import cancel_on_kill, cancel_with_retry

POLL_TIMEOUT_SECONDS = 30 * 60


class DatabricksStepTrigger(BaseTrigger):
    """Fires when a step of a run has ended, or its time is over: then the run is cancelled first.

    The provider's trigger waits for the whole run; the silver task of the DAG must not wait for gold. It also gives up
    after a lost connection, an expired token or three errors of the service, and cancels nothing when its time is over.

    Args:
        run_id: of the job run.
        step: task key.
        databricks_conn_id: Airflow connection.
        polling_seconds: between two questions.
        deadline: in seconds since 1970; None for no limit.
    """

    def __init__(
        self,
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
        # One question at a time, without the hook's own retries: a failed one is simply asked again.
        self._hook = DatabricksHook(
            databricks_conn_id, timeout_seconds=30, retry_limit=1, caller="Midnight.DatabricksStepTrigger"
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
        """Ask until the step has ended; the event says which run, and ``problem`` when its end is not known."""
        silent_since: float | None = None
        async with self._hook:
            while self.deadline is None or time.time() < self.deadline:
                # The operator has just asked. Besides, Airflow 3.3.2 takes a task for killed when it is at work again
                # before the scheduler has noticed the end of the process that deferred it.
                await asyncio.sleep(self.polling_seconds)
                try:
                    state = await self._ask()
                except Exception as error:  # noqa: BLE001 - of the hook, aiohttp, azure-identity: none is worth the run
                    silent_since = silent_since or time.monotonic()
                    if time.monotonic() - silent_since > POLL_TIMEOUT_SECONDS:
                        yield self._event(f"Databricks has not answered for half an hour: {error}")
                        return
                    self.log.warning("No answer (%r); asking again in %s s", error, self.polling_seconds)
                    self._hook.oauth_tokens.clear()  # it may have been refused for its token
                    continue
                silent_since = None
                if state is None:
                    yield self._event("it was deleted in the workspace")
                    return
                if state.ended:
                    yield self._event()
                    return
        await cancel_with_retry(self, self._cancel)
        yield self._event("it did not end in the task's time and was cancelled")

    async def on_kill(self) -> None:
        """Cancel the whole run: the task was cleared or marked by a person while it waited."""
        await cancel_on_kill(self, self._cancel)

    async def _ask(self) -> StepState | None:
        try:
            return step_state(await self._hook.a_get_run(self.run_id), self.step)
        except DatabricksApiError as error:
            if error.http_status_code in NOT_FOUND_STATUSES:
                return None
            raise

    async def _cancel(self) -> None:
        # The provider's hook has no asynchronous way to cancel. Airflow gives on_kill 30 seconds.
        hook = DatabricksHook(
            self.databricks_conn_id,
            timeout_seconds=10,
            retry_limit=4,
            retry_delay=2,
            caller="Midnight.DatabricksStepTrigger",
        )
        await sync_to_async(hook.cancel_run)(self.run_id)
        self.log.info("Cancelled Databricks run %s", self.run_id)

    def _event(self, problem: str = "") -> TriggerEvent:
        return TriggerEvent({"run_id": self.run_id, **({"problem": problem} if problem else {})})
