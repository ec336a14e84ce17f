"""Waits for a Data Factory pipeline run, and cancels it after the deadline or when the task is cleared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.microsoft.azure.hooks.data_factory import (
    AzureDataFactoryAsyncHook,
    AzureDataFactoryPipelineRunStatus,
)
from airflow.providers.microsoft.azure.triggers.data_factory import AzureDataFactoryTrigger
from airflow.triggers.base import TriggerEvent
from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceNotFoundError

from midnight.errors import SecretsError
from midnight.lake.azure.retries import configure_azure_logging
from midnight_airflow.triggers.cancellation import cancel_on_kill, cancel_with_retry

# How long requests may fail before the task fails; the pipeline run continues, and the retry finds it.
POLL_TIMEOUT_SECONDS = 15 * 60


class ClosingDataFactoryHook(AzureDataFactoryAsyncHook):
    """The provider's hook; also closes its credential, which asyncio would otherwise report as an error."""

    async def close(self) -> None:
        credential: Any = None if self._async_conn is None else self._async_conn._config.credential
        await super().close()
        if credential is not None:
            await credential.close()


class DataFactoryRunTrigger(AzureDataFactoryTrigger):
    """The provider's trigger with three differences.

    It does not cancel the run when a single request fails, and it does cancel the run after the deadline, and when the
    task is cleared or marked by hand.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "midnight_airflow.triggers.data_factory_run.DataFactoryRunTrigger", super().serialize()[1]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the run has ended; the status of the event is ``success``, ``error`` or ``timeout``."""
        configure_azure_logging()
        async with ClosingDataFactoryHook(azure_data_factory_conn_id=self.azure_data_factory_conn_id) as hook:
            last_response = time.monotonic()
            while (left := self.end_time - time.time()) > 0:
                try:
                    status = await hook.get_adf_pipeline_run_status(
                        run_id=self.run_id,
                        resource_group_name=self.resource_group_name,
                        factory_name=self.factory_name,
                    )
                    last_response = time.monotonic()
                except (ClientAuthenticationError, ResourceNotFoundError) as error:
                    yield self._event("error", str(error))
                    return
                except (AzureError, SecretsError) as error:
                    if time.monotonic() - last_response > POLL_TIMEOUT_SECONDS:
                        yield self._event("error", f"Data Factory could not be reached: {error}")
                        return
                    self.log.warning("Polling Data Factory failed, trying again: %s", error)
                else:
                    if status in AzureDataFactoryPipelineRunStatus.TERMINAL_STATUSES:
                        succeeded = status == AzureDataFactoryPipelineRunStatus.SUCCEEDED
                        yield self._event("success" if succeeded else "error", f"status {status}")
                        return
                await asyncio.sleep(max(0.0, min(self.check_interval, left)))
        try:
            await cancel_with_retry(self, self._cancel)
        except (AzureError, SecretsError) as error:
            yield self._event("timeout", f"cancelling it failed: {error}")
            return
        yield self._event("timeout", "it was cancelled")

    async def on_kill(self) -> None:
        """Cancel the pipeline run: the deferred task was cleared or marked by hand."""
        await cancel_on_kill(self, self._cancel)

    async def _cancel(self) -> None:
        async with ClosingDataFactoryHook(azure_data_factory_conn_id=self.azure_data_factory_conn_id) as hook:
            await hook.cancel_pipeline_run(
                run_id=self.run_id,
                resource_group_name=self.resource_group_name,
                factory_name=self.factory_name,
            )

    def _event(self, status: str, message: str) -> TriggerEvent:
        return TriggerEvent({"status": status, "message": message, "run_id": self.run_id})
