"""Cancels the Azure runs that a DAG run left running (azure profile)."""

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
    """Cancel the Azure runs that this DAG run left running; used as a teardown, which always runs last.

    Each task cancels its own runs. It cannot when the process of its last try is killed, or when its state is set by
    hand between its deferral and the start of its trigger: Airflow 3.3.2 then notifies neither worker nor triggerer.
    When all tasks succeeded or were skipped, no service is called.

    Args:
        refresh_task_id: id of the ``RefreshPowerBiOperator`` task.
        ingest_with: the run's parameter: ``operator`` or ``adf``; empty in a DAG without ingest.
    """

    template_fields: Sequence[str] = ("ingest_with",)
    ui_color = "#F3F2F1"

    def __init__(self, *, refresh_task_id: str, ingest_with: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.refresh_task_id = refresh_task_id
        self.ingest_with = ingest_with

    def execute(self, context: Context) -> None:
        """Cancel them, in each service.

        Raises:
            OrphanedRunsError: a service could not be reached; the other services were.
        """
        unfinished = self._unsuccessful_tasks(context)
        if not unfinished:
            self.log.info("All tasks of this run succeeded: no orphaned runs")
            return
        self.log.info("Looking for orphaned runs of %s", ", ".join(unfinished))
        settings = load_settings()
        cancel_functions = {"Databricks": self.cancel_databricks_runs, "Power BI": self.cancel_power_bi_refresh}
        if self.ingest_with == "adf":
            cancel_functions["Data Factory"] = self.cancel_data_factory_runs
        problems = []
        for service, cancel in cancel_functions.items():
            try:
                cancel(context, settings)
            except Exception as error:  # noqa: BLE001 - three services' clients have their own errors; all are raised
                problems.append(f"{service}: {error or type(error).__name__}")
        if problems:
            raise OrphanedRunsError(
                f"could not check for orphaned runs of this DAG run: {'; '.join(problems)}; hint: cancel them by hand, "
                "or clear this task when the service is available"
            )

    def _unsuccessful_tasks(self, context: Context) -> list[str]:
        instance: Any = context["ti"]
        states = instance.get_task_states(dag_id=instance.dag_id, run_ids=[instance.run_id])[instance.run_id]
        return sorted(
            task for task, state in states.items() if task != self.task_id and str(state) not in FINISHED_STATES
        )

    def cancel_databricks_runs(self, context: Context, settings: Settings) -> None:
        """Cancel the runs of the Databricks job that process this batch."""
        from midnight_airflow.hooks.databricks_job import cancel_other_runs, task_hook

        hook = task_hook(DATABRICKS_CONNECTION, caller=type(self).__name__)
        document = settings.paths.run_document(batch_id(context))
        cancel_other_runs(hook, settings.databricks_job_id, document, None, self.log)

    def cancel_data_factory_runs(self, context: Context, settings: Settings) -> None:
        """Cancel the runs of the Data Factory pipeline that copy this batch."""
        from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook

        from midnight_airflow.hooks.data_factory_runs import ACTIVE_STATUSES, PipelineRuns

        hook = AzureDataFactoryHook(DATA_FACTORY_CONNECTION)
        runs = PipelineRuns(hook, (settings.adf_resource_group, settings.adf_factory), settings.adf_pipeline)
        for run in runs.recent(run_time(context)):
            if run.status in ACTIVE_STATUSES and (run.parameters or {}).get("batch_id") == batch_id(context):
                self.log.warning("Cancelling orphaned pipeline run %s (%s)", run.run_id, run.status)
                runs.cancel(str(run.run_id))

    def cancel_power_bi_refresh(self, context: Context, settings: Settings) -> None:
        """Cancel the refresh that this DAG run started, and no other."""
        refresh_id = context["ti"].xcom_pull(task_ids=self.refresh_task_id, key=REFRESH_ID)
        if refresh_id is not None:
            asyncio.run(self._cancel_refresh(settings, refresh_id))

    async def _cancel_refresh(self, settings: Settings, refresh_id: str) -> None:
        from midnight_airflow.hooks.power_bi import PowerBiDataset

        where = POWER_BI_CONNECTION, settings.powerbi_group_id, settings.powerbi_dataset_id
        async with PowerBiDataset(*where) as dataset:
            if not (await dataset.state(refresh_id)).ended:
                self.log.warning("Cancelling orphaned refresh %s", refresh_id)
                if not await dataset.cancel(refresh_id):
                    self.log.warning("It is a plain refresh, which cannot be cancelled; it continues")
