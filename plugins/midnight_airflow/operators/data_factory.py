"""Copies tables with a Data Factory pipeline."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryPipelineRunStatus
from airflow.providers.microsoft.azure.operators.data_factory import AzureDataFactoryRunPipelineOperator
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from midnight.data_factory.activity_runs import failure_messages
from midnight.lake.azure.retries import configure_azure_logging
from midnight.settings import load_settings
from midnight_airflow.hooks.data_factory_runs import ACTIVE_STATUSES, PipelineRuns
from midnight_airflow.operators.pipeline_run_attempt import STATE_KEY, DataFactoryRunError, PipelineRunAttempt
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL
from midnight_airflow.run_context import run_time
from midnight_airflow.run_costs import record_costs
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.cost.facts import CostFact

# The trigger enforces the deadline and cancels the run; Airflow's own timeout cancels nothing and comes later.
TRIGGER_GRACE = timedelta(minutes=10)


class DataFactoryCopyOperator(AzureDataFactoryRunPipelineOperator):
    """Run a pipeline once per attempt, also when the worker dies.

    The provider's operator starts a second pipeline run when its worker dies after the start. This one finds the run of
    the previous try (``PipelineRunAttempt``). A cleared task first cancels the runs of its earlier tries and waits for
    their end.
    """

    _killed = False

    @cached_property
    def runs(self) -> PipelineRuns:
        """Runs of the pipeline."""
        return PipelineRuns(self.hook, (self.resource_group_name, self.factory_name), self.pipeline_name)

    def execute(self, context: Context) -> None:
        """See ``copy``."""
        self.copy(context)

    def copy(self, context: Context) -> None:
        """Start or find the run, and defer until it has ended. Other operators may call this, but not ``execute``.

        Raises:
            DataFactoryRunError: the run failed.
        """
        configure_azure_logging()
        attempt = PipelineRunAttempt(
            self.runs,
            self.pipeline_name,
            context,
            poll_seconds=self.check_interval,
            stop_if_killed=self._stop_if_killed,
        )
        run = attempt.find()
        if run is None:
            attempt.cancel_earlier()
            self.run_id = attempt.start(self._string_parameters())
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
            self._record_costs(context, self.run_id)
            return
        self._wait()

    def _wait(self) -> None:
        """Defer to the trigger."""
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
        """Evaluate the result of the run.

        Raises:
            DataFactoryRunError: the run failed; the message names the activity, the table and the reason.
        """
        run_id = event["run_id"]
        current = context["ti"].xcom_pull(task_ids=self.task_id, key="run_id")
        if current not in (None, run_id):
            # SQLite reuses the id of a cleared task's trigger, so the next trigger can receive its last event.
            self.log.info("The event is of run %s of an earlier try; waiting for %s", run_id, current)
            self.run_id = current
            self._wait()
        self._record_costs(context, run_id)
        if event["status"] == "success":
            return
        if event["status"] == "timeout":
            raise DataFactoryRunError(
                f"pipeline {self.pipeline_name!r}: run {run_id} did not end before the deadline; {event['message']}; "
                "hint: raise timeout_minutes in pipeline.yml, or move the large tables into a load group of their own"
            )
        run = self.runs.get(run_id)
        if run.status in ACTIVE_STATUSES:  # the service was unreachable for a long time and is back
            self.run_id = run_id
            self._wait()
        reason = "; ".join(failure_messages(self.activities(context, run_id))) or run.message or event["message"]
        raise DataFactoryRunError(
            f"pipeline {self.pipeline_name!r}: {reason} (run {run.run_id}: {run.status}); hint: fix the cause, then "
            "clear this task; Data Factory's monitor has the details"
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; cancel the run when Airflow ended the deferral, for example because the triggerer was down."""
        return self.cancel_on_timeout(context, super().resume_execution, next_method, next_kwargs)

    def cancel_on_timeout(
        self,
        context: Context,
        resume: Callable[..., Any],
        next_method: str,
        next_kwargs: dict[str, Any] | None,
    ) -> Any:
        """Resume; cancel the pipeline run when the deferral timed out, or failed in the last attempt."""
        try:
            return resume(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            state: Any = context["task_state_store"].get(STATE_KEY)
            instance: Any = context["ti"]
            last = isinstance(error, TaskDeferralTimeout) or instance.try_number > instance.max_tries
            if isinstance(state, dict) and last:  # otherwise the next try waits for the same run
                self.runs.cancel(state["run_id"])
            raise

    def _record_costs(self, context: Context, run_id: str) -> None:
        from midnight.configuration.files import load_configuration
        from midnight.cost.facts import data_factory_facts

        def count() -> list[CostFact]:
            tables = load_configuration(load_settings().config).tables
            names = {f"{table.schema_name}.{table.table}": table.silver for table in tables}
            return data_factory_facts(self.activities(context, run_id), names)

        record_costs(context, run_id, count)

    def activities(self, context: Context, run_id: str) -> list[Mapping[str, Any]]:
        """The activity runs of a pipeline run, one entry per try; empty when they cannot be read."""
        from azure.core.exceptions import AzureError

        try:
            return self.runs.activities(run_id, run_time(context))
        except AzureError as error:
            self.log.warning("Could not read the activities of run %s: %s", run_id, error)
            return []

    def on_kill(self) -> None:
        """Cancel the run that this process has just started or found. While the task is deferred, the trigger does."""
        self._killed = True
        if getattr(self, "run_id", None):
            self.runs.cancel(self.run_id)

    def _stop_if_killed(self) -> None:
        """Stop when the task was killed before the run's id was known: ``on_kill`` could not cancel the run."""
        if self._killed:
            self.on_kill()
            raise DataFactoryRunError("the task was killed; its pipeline run was cancelled or not started")

    def _string_parameters(self) -> dict[str, str]:
        """All parameters of the pipeline are strings."""
        parameters: dict[str, Any] = self.parameters or {}
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}

    def _page(self) -> str:
        extra = self.hook.get_connection(self.azure_data_factory_conn_id).extra_dejson
        factory = (
            f"/subscriptions/{extra.get('subscriptionId', '')}/resourceGroups/{self.resource_group_name}"
            f"/providers/Microsoft.DataFactory/factories/{self.factory_name}"
        )
        return f"https://adf.azure.com/en/monitoring/pipelineruns/{self.run_id}?factory={factory}"
