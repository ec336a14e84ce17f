"""Copies with Azure Data Factory; a retry finds the pipeline run of the try before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryPipelineRunStatus
from airflow.providers.microsoft.azure.operators.data_factory import AzureDataFactoryRunPipelineOperator
from airflow.sdk.exceptions import TaskDeferralTimeout
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.adf_activities import failure_sentences
from midnight.errors import MidnightError
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL
from midnight_airflow.run_context import attempt_token, attempts_so_far, run_time
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from azure.mgmt.datafactory.models import PipelineRun, RunQueryFilter

# The pipeline's parameter that names the attempt which asked for the run.
REQUEST_ID = "request_id"
STARTED = "midnight_data_factory_run"
# The trigger ends the wait itself, to cancel the run; Airflow's own limit, which cancels nothing, comes after it.
TRIGGER_GRACE = timedelta(minutes=10)


class DataFactoryRunError(MidnightError):
    """The pipeline run failed or was cancelled."""


class DataFactoryCopyOperator(AzureDataFactoryRunPipelineOperator):
    """Run a pipeline once per attempt, whatever happens to the worker.

    The provider's operator starts a second pipeline run when its first try died after the start. This one looks
    first: into Airflow's state of the task, then among the factory's runs for one with the same ``request_id``
    (a worker can die between the start and the note of it). A task that a person cleared has another request id.
    """

    _killed = False

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
            self._stop_if_killed()
            status = AzureDataFactoryPipelineRunStatus.QUEUED
        else:
            self.run_id, status = str(run.run_id), str(run.status)
            self.log.info("Found pipeline run %s of an earlier try (%s)", self.run_id, status)
        instance: Any = context["ti"]
        instance.xcom_push(key="run_id", value=self.run_id)
        instance.xcom_push(key=RUN_PAGE_URL, value=self._page())
        if status == AzureDataFactoryPipelineRunStatus.SUCCEEDED:
            return
        limit = self.execution_timeout or timedelta(seconds=self.timeout)
        self.defer(
            trigger=DataFactoryRunTrigger(
                azure_data_factory_conn_id=self.azure_data_factory_conn_id,
                run_id=self.run_id,
                resource_group_name=self.resource_group_name,
                factory_name=self.factory_name,
                check_interval=self.check_interval,
                end_time=time.time() + limit.total_seconds(),
            ),
            method_name="execute_complete",
            timeout=limit + TRIGGER_GRACE,
        )

    def execute_complete(self, context: Context, event: dict[str, str]) -> None:
        """The run has ended.

        Raises:
            DataFactoryRunError: not well: which activity, of which table, and why.
        """
        if event["status"] == "success":
            return
        run_id = event["run_id"]
        if event["status"] == "timeout":
            raise DataFactoryRunError(
                f"pipeline {self.pipeline_name!r}: run {run_id} took longer than the task may; {event['message']}; "
                "raise timeout_minutes in pipeline.yml, or put the large tables into a group of their own"
            )
        run = self.hook.get_pipeline_run(run_id, self.resource_group_name, self.factory_name)
        sentences = failure_sentences(self.activities(context, run_id))
        reason = "; ".join(sentences) or run.message or event["message"]
        raise DataFactoryRunError(
            f"pipeline {self.pipeline_name!r}: {reason} (run {run.run_id}: {run.status}); correct it, then clear this "
            "task; Data Factory's monitor has the details"
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As Airflow's; when its own limit of the wait has passed (the triggerer was down), the run is cancelled."""
        return self.cancel_on_timeout(context, super().resume_execution, next_method, next_kwargs)

    def cancel_on_timeout(
        self,
        context: Context,
        resume: Callable[..., Any],
        next_method: str,
        next_kwargs: dict[str, Any] | None,
    ) -> Any:
        """Resume; a deferral that took too long leaves no pipeline run behind."""
        try:
            return resume(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            noted: Any = context["task_state_store"].get(STARTED)
            if isinstance(noted, dict):
                self.hook.cancel_pipeline_run(noted["run_id"], self.resource_group_name, self.factory_name)
            raise

    def activities(self, context: Context, run_id: str) -> list[Mapping[str, Any]]:
        """The activities of a run, each try of each; empty when the service does not tell them."""
        from azure.core.exceptions import AzureError

        client, query = self.hook.get_conn().activity_runs, self._window(context)
        found: list[Mapping[str, Any]] = []
        try:
            while True:
                page = client.query_by_pipeline_run(self.resource_group_name, self.factory_name, run_id, query)
                found += page.value
                if not page.continuation_token:
                    return found
                query.continuation_token = page.continuation_token
        except AzureError as error:
            self.log.warning("The activities of run %s cannot be read: %s", run_id, error)
            return []

    def on_kill(self) -> None:
        """Cancel the run that this process has just started or found. While it waits, the trigger does.

        Names of group and factory are given explicitly: to look them up in the connection would ask Airflow's
        supervisor from inside its own signal handler, and stop there for ever.
        """
        self._killed = True
        if getattr(self, "run_id", None):
            self.hook.cancel_pipeline_run(self.run_id, self.resource_group_name, self.factory_name)

    def find_run(self, context: Context, request_id: str) -> PipelineRun | None:
        """A run of this attempt that is at work or has succeeded."""
        failed = AzureDataFactoryPipelineRunStatus.FAILURE_STATES | {AzureDataFactoryPipelineRunStatus.CANCELING}
        return next((run for run in self._earlier_runs(context, request_id) if run.status not in failed), None)

    def _earlier_runs(self, context: Context, request_id: str) -> Iterator[PipelineRun]:
        from azure.core.exceptions import ResourceNotFoundError

        noted: Any = context["task_state_store"].get(STARTED)
        if isinstance(noted, dict) and noted[REQUEST_ID] == request_id:
            try:
                yield self.hook.get_pipeline_run(noted["run_id"], self.resource_group_name, self.factory_name)
            except ResourceNotFoundError:
                self.log.warning("Run %s of an earlier try is gone", noted["run_id"])
        if attempts_so_far(context):
            yield from (
                run for run in self._recent_runs(context) if (run.parameters or {}).get(REQUEST_ID) == request_id
            )

    def _recent_runs(self, context: Context) -> Iterator[PipelineRun]:
        """Runs of the pipeline since this DAG run was asked for, newest first."""
        from azure.mgmt.datafactory.models import RunQueryFilter, RunQueryOrderBy

        name = RunQueryFilter(operand="PipelineName", operator="Equals", values_property=[self.pipeline_name])
        query = self._window(context, name)
        query.order_by = [RunQueryOrderBy(order_by="RunStart", order="DESC")]
        runs = self.hook.get_conn().pipeline_runs
        while True:
            page = runs.query_by_factory(self.resource_group_name, self.factory_name, query)
            yield from page.value
            if not page.continuation_token:
                return
            query.continuation_token = page.continuation_token

    def _window(self, context: Context, *filters: RunQueryFilter) -> Any:
        """What the service is asked about: everything since this DAG run was asked for."""
        from azure.mgmt.datafactory.models import RunFilterParameters

        return RunFilterParameters(
            last_updated_after=run_time(context) - timedelta(days=1),
            last_updated_before=datetime.now(UTC) + timedelta(hours=1),
            filters=list(filters),
        )

    def _stop_if_killed(self) -> None:
        """SIGTERM came before the run's id was known: the handler could not cancel it, and returned here."""
        if self._killed:
            self.on_kill()
            raise DataFactoryRunError("the task was ended from outside; no pipeline run is left")

    def _start(self, context: Context, request_id: str) -> str:
        self._stop_if_killed()
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
