"""Waits for a Data Factory pipeline run, and cancels it when a person ends the task."""

from __future__ import annotations

from typing import Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryAsyncHook
from airflow.providers.microsoft.azure.triggers.data_factory import AzureDataFactoryTrigger


class DataFactoryRunTrigger(AzureDataFactoryTrigger):
    """The provider's trigger, which by itself leaves the pipeline running when its task is cleared or marked failed."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "midnight_airflow.triggers.data_factory_run.DataFactoryRunTrigger", super().serialize()[1]

    async def on_kill(self) -> None:
        """Cancel the pipeline run: the task was cleared or marked by a person while it waited."""
        async with AzureDataFactoryAsyncHook(azure_data_factory_conn_id=self.azure_data_factory_conn_id) as hook:
            await hook.cancel_pipeline_run(
                run_id=self.run_id,
                resource_group_name=self.resource_group_name,
                factory_name=self.factory_name,
            )
