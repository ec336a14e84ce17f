"""Ends what a run has left at work in Azure (azure profile)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.configuration.connections import DATA_FACTORY_CONNECTION, DATABRICKS_CONNECTION, POWER_BI_CONNECTION
from midnight.errors import OrphanedRunsError
from midnight.settings import Settings, load_settings
from midnight_airflow.operators.refresh_power_bi import REFRESH_ID
from midnight_airflow.run_context import batch_id, run_time

if TYPE_CHECKING:
    from airflow.sdk import Context

FINISHED_STATES = {"success", "skipped"}


class CancelOrphanedRunsOperator(BaseOperator):
    """Cancel what this DAG run has left at work; to be used as a teardown, which comes last whatever went before.

    Each task ends its own work. Nobody is there to do so when the process of the last try is killed, or when a person
    sets a task's state in the seconds between its deferral and the start of its trigger: Airflow 3.3.2 tells neither a
    worker nor a triggerer. A run whose tasks all ended well has left nothing, and no service is asked.

    Args:
        refresh_task_id: task of the ``RefreshPowerBiOperator``.
        ingest_with: the run's parameter: ``operator`` or ``adf``; empty where nothing is ingested.
    """

    template_fields: Sequence[str] = ("ingest_with",)
    ui_color = "#F3F2F1"

    def __init__(self, *, refresh_task_id: str, ingest_with: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.refresh_task_id = refresh_task_id
        self.ingest_with = ingest_with

    def execute(self, context: Context) -> None:
        """Cancel it, in each service.

        Raises:
            OrphanedRunsError: a service cannot be asked; all the others were.
        """
        unfinished = self._tasks_that_did_not_end_well(context)
        if not unfinished:
            self.log.info("All tasks of this run ended well: nothing is left")
            return
        self.log.info("Looking for what %s left at work", ", ".join(unfinished))
        settings = load_settings()
        ways = {"Databricks": self.cancel_databricks_runs, "Power BI": self.cancel_power_bi_refresh}
        if self.ingest_with == "adf":
            ways["Data Factory"] = self.cancel_data_factory_runs
        problems = []
        for service, end in ways.items():
            try:
                end(context, settings)
            except Exception as error:  # noqa: BLE001 - three services' clients have their own errors; all are raised
                problems.append(f"{service}: {error or type(error).__name__}")
        if problems:
            raise OrphanedRunsError(
                f"nobody knows whether this run has left something at work: {'; '.join(problems)}; look there, cancel "
                "what goes on, or clear this task when the service can be asked again"
            )

    def _tasks_that_did_not_end_well(self, context: Context) -> list[str]:
        instance: Any = context["ti"]
        states = instance.get_task_states(dag_id=instance.dag_id, run_ids=[instance.run_id])[instance.run_id]
        return sorted(
            task for task, state in states.items() if task != self.task_id and str(state) not in FINISHED_STATES
        )

    def cancel_databricks_runs(self, context: Context, settings: Settings) -> None:
        """Runs of the Databricks job that work on the batch."""
        from midnight_airflow.hooks.databricks_job import cancel_other_runs, task_hook

        hook = task_hook(DATABRICKS_CONNECTION, caller=type(self).__name__)
        document = settings.paths.run_document(batch_id(context))
        cancel_other_runs(hook, settings.databricks_job_id, document, None, self.log)

    def cancel_data_factory_runs(self, context: Context, settings: Settings) -> None:
        """Runs of the Data Factory pipeline that copy the batch."""
        from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook

        from midnight_airflow.hooks.data_factory_runs import ACTIVE_STATUSES, PipelineRuns

        hook = AzureDataFactoryHook(DATA_FACTORY_CONNECTION)
        runs = PipelineRuns(hook, (settings.adf_resource_group, settings.adf_factory), settings.adf_pipeline)
        for run in runs.recent(run_time(context)):
            if run.status in ACTIVE_STATUSES and (run.parameters or {}).get("batch_id") == batch_id(context):
                self.log.warning("Cancelling pipeline run %s, which this run has left (%s)", run.run_id, run.status)
                runs.cancel(str(run.run_id))

    def cancel_power_bi_refresh(self, context: Context, settings: Settings) -> None:
        """The refresh that this run has started; one of somebody else goes on."""
        refresh_id = context["ti"].xcom_pull(task_ids=self.refresh_task_id, key=REFRESH_ID)
        if refresh_id is not None:
            asyncio.run(self._cancel_refresh(settings, refresh_id))

    async def _cancel_refresh(self, settings: Settings, refresh_id: str) -> None:
        from midnight_airflow.hooks.power_bi import PowerBiDataset

        where = POWER_BI_CONNECTION, settings.powerbi_group_id, settings.powerbi_dataset_id
        async with PowerBiDataset(*where) as dataset:
            if not (await dataset.state(refresh_id)).ended:
                self.log.warning("Cancelling refresh %s, which this run has left", refresh_id)
                if not await dataset.cancel(refresh_id):
                    self.log.warning("It is a plain refresh, which cannot be cancelled: it goes on")
