"""Waits for one task of a Databricks run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from midnight.databricks_runs import step_state


class DatabricksStepTrigger(BaseTrigger):
    """Fires when a step of a run has ended.

    The provider's trigger waits for the whole run; the silver task of the DAG must not wait for gold.

    Args:
        run_id: of the job run.
        step: task key.
        databricks_conn_id: Airflow connection.
        polling_seconds: between two questions.
    """

    def __init__(self, run_id: int, step: str, databricks_conn_id: str, polling_seconds: float = 15) -> None:
        super().__init__()
        self.run_id = run_id
        self.step = step
        self.databricks_conn_id = databricks_conn_id
        self.polling_seconds = polling_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "midnight_airflow.triggers.databricks_step.DatabricksStepTrigger",
            {
                "run_id": self.run_id,
                "step": self.step,
                "databricks_conn_id": self.databricks_conn_id,
                "polling_seconds": self.polling_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask until the step has ended; the event says which run."""
        async with self._hook() as hook:
            while not step_state(await hook.a_get_run(self.run_id), self.step).ended:
                await asyncio.sleep(self.polling_seconds)
        yield TriggerEvent({"run_id": self.run_id})

    async def on_kill(self) -> None:
        """Cancel the whole run: the task was cleared or marked by a person while it waited."""
        await sync_to_async(self._cancel)()  # the hook has no asynchronous way to cancel

    def _cancel(self) -> None:
        self._hook().cancel_run(self.run_id)

    def _hook(self) -> DatabricksHook:
        return DatabricksHook(
            self.databricks_conn_id, retry_limit=5, retry_delay=10, caller="Midnight.DatabricksStepTrigger"
        )
