"""Copies with Azure Data Factory; a retry finds the pipeline run of the try before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryPipelineRunStatus
from airflow.providers.microsoft.azure.operators.data_factory import AzureDataFactoryRunPipelineOperator
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.errors import MidnightError
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL
from midnight_airflow.run_context import attempt_token, attempts_so_far, run_time
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from azure.mgmt.datafactory.models import PipelineRun

# The pipeline's parameter that names the attempt which asked for the run.
REQUEST_ID = "request_id"
STARTED = "midnight_data_factory_run"


class DataFactoryRunError(MidnightError):
    """The pipeline run failed or was cancelled."""


class DataFactoryCopyOperator(AzureDataFactoryRunPipelineOperator):
    """Run a pipeline once per attempt, whatever happens to the worker.

    The provider's operator starts a second pipeline run when its first try died after the start. This one looks
    first: into Airflow's state of the task, then among the factory's runs for one with the same ``request_id``
    (a worker can die between the start and the note of it). A task that a person cleared has another request id.
    """

    def execute(self, context: Context) -> None:
        """See ``copy``."""
        self.copy(context)

    def copy(self, context: Context) -> None:
        """Start or find the run, and wait for it in the triggerer. (Other operators may call this, not ``execute``.)

        Raises:
            DataFactoryRunError: the run failed.
        """
        request_id = attempt_token(context, 0)
        run = self.find_run(context, request_id)
        if run is None:
            self.run_id = self._start(context, request_id)
            self.log.info("Started pipeline run %s of %s", self.run_id, self.pipeline_name)
            status = AzureDataFactoryPipelineRunStatus.QUEUED
        else:
            self.run_id, status = str(run.run_id), str(run.status)
            self.log.info("Found pipeline run %s of an earlier try (%s)", self.run_id, status)
        instance: Any = context["ti"]
        instance.xcom_push(key="run_id", value=self.run_id)
        instance.xcom_push(key=RUN_PAGE_URL, value=self._page())
        if status == AzureDataFactoryPipelineRunStatus.SUCCEEDED:
            return
        self.defer(
            trigger=DataFactoryRunTrigger(
                azure_data_factory_conn_id=self.azure_data_factory_conn_id,
                run_id=self.run_id,
                resource_group_name=self.resource_group_name,
                factory_name=self.factory_name,
                check_interval=self.check_interval,
                end_time=time.time() + self.timeout,
            ),
            method_name="execute_complete",
            timeout=self.execution_timeout,
        )

    def execute_complete(self, context: Context, event: dict[str, str]) -> None:
        """The run has ended.

        Raises:
            DataFactoryRunError: not well.
        """
        if event["status"] == "success":
            return
        run = self.hook.get_pipeline_run(event["run_id"], self.resource_group_name, self.factory_name)
        raise DataFactoryRunError(
            f"pipeline {self.pipeline_name!r}: {run.message or event['message']} (run {run.run_id}: {run.status}); "
            "open it in Data Factory's monitor for the activity that failed, then clear this task"
        )

    def on_kill(self) -> None:
        """Cancel the run that this process has just started or found. While it waits, the trigger does.

        Names of group and factory are given explicitly: to look them up in the connection would ask Airflow's
        supervisor from inside its own signal handler, and stop there for ever.
        """
        if getattr(self, "run_id", None):
            self.hook.cancel_pipeline_run(self.run_id, self.resource_group_name, self.factory_name)

    def find_run(self, context: Context, request_id: str) -> PipelineRun | None:
        """A run of this attempt that is at work or has succeeded."""
        failed = AzureDataFactoryPipelineRunStatus.FAILURE_STATES | {AzureDataFactoryPipelineRunStatus.CANCELING}
        return next((run for run in self._earlier_runs(context, request_id) if run.status not in failed), None)

    def _earlier_runs(self, context: Context, request_id: str) -> Iterator[PipelineRun]:
        noted: Any = context["task_state_store"].get(STARTED)
        if isinstance(noted, dict) and noted[REQUEST_ID] == request_id:
            yield self.hook.get_pipeline_run(noted["run_id"], self.resource_group_name, self.factory_name)
        if attempts_so_far(context):
            yield from (
                run for run in self._recent_runs(context) if (run.parameters or {}).get(REQUEST_ID) == request_id
            )

    def _recent_runs(self, context: Context) -> Iterator[PipelineRun]:
        """Runs of the pipeline since this DAG run was asked for, newest first."""
        from azure.mgmt.datafactory.models import RunFilterParameters, RunQueryFilter, RunQueryOrderBy

        query = RunFilterParameters(
            last_updated_after=run_time(context) - timedelta(days=1),
            last_updated_before=datetime.now(UTC) + timedelta(hours=1),
            filters=[RunQueryFilter(operand="PipelineName", operator="Equals", values_property=[self.pipeline_name])],
            order_by=[RunQueryOrderBy(order_by="RunStart", order="DESC")],
        )
        runs = self.hook.get_conn().pipeline_runs
        while True:
            page = runs.query_by_factory(self.resource_group_name, self.factory_name, query)
            yield from page.value
            if not page.continuation_token:
                return
            query.continuation_token = page.continuation_token

    def _start(self, context: Context, request_id: str) -> str:
        parameters = {**(self.parameters or {}), REQUEST_ID: request_id}
        response = self.hook.run_pipeline(
            self.pipeline_name, self.resource_group_name, self.factory_name, parameters=parameters
        )
        note = {REQUEST_ID: request_id, "run_id": response.run_id}
        context["task_state_store"].set(STARTED, note, retention=NEVER_EXPIRE)
        return response.run_id

    def _page(self) -> str:
        extra = self.hook.get_connection(self.azure_data_factory_conn_id).extra_dejson
        factory = (
            f"/subscriptions/{extra.get('subscriptionId', '')}/resourceGroups/{self.resource_group_name}"
            f"/providers/Microsoft.DataFactory/factories/{self.factory_name}"
        )
        return f"https://adf.azure.com/en/monitoring/pipelineruns/{self.run_id}?factory={factory}"
