"""Copies with Azure Data Factory; a retry finds the pipeline run of the try before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryPipelineRunStatus
from airflow.providers.microsoft.azure.operators.data_factory import AzureDataFactoryRunPipelineOperator
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.data_factory.activity_runs import failure_sentences
from midnight.errors import MidnightError
from midnight.lake.azure.retries import configure_azure_logging
from midnight_airflow.hooks.data_factory_runs import ACTIVE_STATUSES, PipelineRuns
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL
from midnight_airflow.run_context import attempt_token, attempt_tokens, run_time
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from azure.mgmt.datafactory.models import PipelineRun

# The pipeline's parameter that names the attempt which asked for the run.
REQUEST_ID = "request_id"
STATE_KEY = "midnight_data_factory_run"
# The trigger ends the wait itself, to cancel the run; Airflow's own limit, which cancels nothing, comes after it.
TRIGGER_GRACE = timedelta(minutes=10)
FAILED_STATUSES = AzureDataFactoryPipelineRunStatus.FAILURE_STATES | {AzureDataFactoryPipelineRunStatus.CANCELING}
# So long a cancelled run may take to end before another is started, and between two looks at it (seconds).
CANCEL_TIMEOUT = timedelta(minutes=10)
MAX_POLL_SECONDS = 5


class DataFactoryRunError(MidnightError):
    """The pipeline run failed or was cancelled."""


class DataFactoryCopyOperator(AzureDataFactoryRunPipelineOperator):
    """Run a pipeline once per attempt, whatever happens to the worker.

    The provider's operator starts a second pipeline run when its first try died after the start. This one looks
    first: into Airflow's state of the task, then among the factory's runs for one with the same ``request_id``
    (a worker can die between the start and the note of it). A task that a person cleared has another request id, and
    starts its run only when what its earlier tries have left at work has ended.
    """

    _killed = False

    @cached_property
    def runs(self) -> PipelineRuns:
        """The pipeline's runs."""
        return PipelineRuns(self.hook, (self.resource_group_name, self.factory_name), self.pipeline_name)

    def execute(self, context: Context) -> None:
        """See ``copy``."""
        self.copy(context)

    def copy(self, context: Context) -> None:
        """Start or find the run, and wait for it in the triggerer. (Other operators may call this, not ``execute``.)

        Raises:
            DataFactoryRunError: the run failed.
        """
        configure_azure_logging()
        request_id = attempt_token(context, 0)
        run = self.find_run(context, request_id)
        if run is None:
            self.end_earlier_runs(context)
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
        self._wait()

    def _wait(self) -> None:
        """Hand over to the triggerer."""
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
        run_id = event["run_id"]
        mine = context["ti"].xcom_pull(task_ids=self.task_id, key="run_id")
        if mine not in (
            None,
            run_id,
        ):  # SQLite gives the number of a cleared task's trigger, and its event, to the next
            self.log.info("Run %s was that of an earlier try; waiting for %s", run_id, mine)
            self.run_id = mine
            self._wait()
        if event["status"] == "success":
            return
        if event["status"] == "timeout":
            raise DataFactoryRunError(
                f"pipeline {self.pipeline_name!r}: run {run_id} took longer than the task may; {event['message']}; "
                "raise timeout_minutes in pipeline.yml, or put the large tables into a group of their own"
            )
        run = self.runs.get(run_id)
        if run.status in ACTIVE_STATUSES:  # the service was silent for long, and now it answers
            self.run_id = run_id
            self._wait()
        sentences = failure_sentences(self.activities(context, run_id))
        reason = "; ".join(sentences) or run.message or event["message"]
        raise DataFactoryRunError(
            f"pipeline {self.pipeline_name!r}: {reason} (run {run.run_id}: {run.status}); correct it, then clear this "
            "task; Data Factory's monitor has the details"
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As Airflow's; when Airflow has ended the wait (the triggerer was down), the run is cancelled."""
        return self.cancel_on_timeout(context, super().resume_execution, next_method, next_kwargs)

    def cancel_on_timeout(
        self,
        context: Context,
        resume: Callable[..., Any],
        next_method: str,
        next_kwargs: dict[str, Any] | None,
    ) -> Any:
        """Resume; a deferral that took too long, or broke with no try left, leaves no pipeline run behind."""
        try:
            return resume(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            noted: Any = context["task_state_store"].get(STATE_KEY)
            instance: Any = context["ti"]
            last = isinstance(error, TaskDeferralTimeout) or instance.try_number > instance.max_tries
            if isinstance(noted, dict) and last:  # else the next try waits on
                self.runs.cancel(noted["run_id"])
            raise

    def activities(self, context: Context, run_id: str) -> list[Mapping[str, Any]]:
        """The activities of a run, each try of each; empty when the service does not tell them."""
        from azure.core.exceptions import AzureError

        try:
            return self.runs.activities(run_id, run_time(context))
        except AzureError as error:
            self.log.warning("The activities of run %s cannot be read: %s", run_id, error)
            return []

    def on_kill(self) -> None:
        """Cancel the run that this process has just started or found. While it waits, the trigger does."""
        self._killed = True
        if getattr(self, "run_id", None):
            self.runs.cancel(self.run_id)

    def find_run(self, context: Context, request_id: str) -> PipelineRun | None:
        """A run of this attempt that is at work or has succeeded."""
        return next(
            (run for run in self._earlier_runs(context, [request_id]) if run.status not in FAILED_STATUSES), None
        )

    def end_earlier_runs(self, context: Context) -> None:
        """Cancel what earlier tries of this task have left at work, and wait for its end: two runs would read at once.

        The triggerer that should have cancelled may have died before, or be at it just now.

        Raises:
            DataFactoryRunError: a run does not end.
        """
        deadline = time.monotonic() + CANCEL_TIMEOUT.total_seconds()
        for run in self._earlier_runs(context, attempt_tokens(context, 0)):
            status, run_id = run.status, str(run.run_id)
            if status in ACTIVE_STATUSES:
                self.log.warning("Cancelling pipeline run %s, which an earlier try has left (%s)", run_id, status)
                self.runs.cancel(run_id)
            while status in (*ACTIVE_STATUSES, AzureDataFactoryPipelineRunStatus.CANCELING):
                self._stop_if_killed()
                if time.monotonic() > deadline:
                    raise DataFactoryRunError(
                        f"pipeline {self.pipeline_name!r}: run {run_id} of an earlier try is {status}, and does not "
                        "end; cancel it in Data Factory's monitor, then clear this task"
                    )
                time.sleep(min(self.check_interval, MAX_POLL_SECONDS))
                status = self.runs.get(run_id).status

    def _earlier_runs(self, context: Context, request_ids: Collection[str]) -> Iterator[PipelineRun]:
        from azure.core.exceptions import ResourceNotFoundError

        noted: Any = context["task_state_store"].get(STATE_KEY)
        if isinstance(noted, dict) and noted[REQUEST_ID] in request_ids:
            try:
                yield self.runs.get(noted["run_id"])
            except ResourceNotFoundError:
                self.log.warning("Run %s of an earlier try is gone", noted["run_id"])
        if context["ti"].try_number > 1:
            yield from self._runs_of(context, request_ids)

    def _runs_of(self, context: Context, request_ids: Collection[str]) -> Iterator[PipelineRun]:
        return (
            run for run in self.runs.recent(run_time(context)) if (run.parameters or {}).get(REQUEST_ID) in request_ids
        )

    def _stop_if_killed(self) -> None:
        """SIGTERM came before the run's id was known: the handler could not cancel it, and returned here."""
        if self._killed:
            self.on_kill()
            raise DataFactoryRunError("the task was ended from outside; no pipeline run is left")

    def _start(self, context: Context, request_id: str) -> str:
        self._stop_if_killed()
        # The pipeline's parameters are strings.
        given = {name: v if isinstance(v, str) else json.dumps(v) for name, v in (self.parameters or {}).items()}
        parameters = {**given, REQUEST_ID: request_id}
        run_id = self._ask_for_run(context, request_id, parameters)
        context["task_state_store"].set(STATE_KEY, {REQUEST_ID: request_id, "run_id": run_id}, retention=NEVER_EXPIRE)
        return run_id

    def _ask_for_run(self, context: Context, request_id: str, parameters: dict[str, Any]) -> str:
        """Start a run, or find the one that was started although the answer got lost."""
        from azure.core.exceptions import AzureError

        try:
            return self.runs.start(parameters)
        except AzureError as error:
            status = getattr(error, "status_code", None)
            if status is not None and status < 500:  # refused
                raise
            time.sleep(min(self.check_interval, MAX_POLL_SECONDS))  # a new run is not in the list at once
            started = next(
                (run for run in self._runs_of(context, [request_id]) if run.status not in FAILED_STATUSES), None
            )
            if started is None:
                raise
            self.log.warning("The answer was lost (%s), but run %s was started", error, started.run_id)
            return str(started.run_id)

    def _page(self) -> str:
        extra = self.hook.get_connection(self.azure_data_factory_conn_id).extra_dejson
        factory = (
            f"/subscriptions/{extra.get('subscriptionId', '')}/resourceGroups/{self.resource_group_name}"
            f"/providers/Microsoft.DataFactory/factories/{self.factory_name}"
        )
        return f"https://adf.azure.com/en/monitoring/pipelineruns/{self.run_id}?factory={factory}"
