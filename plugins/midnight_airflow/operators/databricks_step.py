"""One step of the Databricks job as a task: starts or finds the run, and waits for the step in the triggerer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from midnight.configuration.pipeline import load_pipeline
from midnight.databricks.job_payload import Step, run_request
from midnight.databricks.runs import cluster_hint, step_state
from midnight.errors import JobError, NonRetryableJobError
from midnight.settings import load_settings
from midnight_airflow.hooks.databricks_job import (
    NOT_FOUND_STATUSES,
    cancel_other_runs,
    read_job_failure,
    state_of_step,
    task_hook,
    verify_job,
)
from midnight_airflow.open_lineage import OpenLineageDatasets, step_of_job
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL, RunPageLink
from midnight_airflow.release import ask_for_release, decide, number_of_releases
from midnight_airflow.run_context import attempt_token, batch_id, previous_attempts
from midnight_airflow.run_costs import record_costs

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook
    from airflow.sdk import Context

    from midnight.cost.facts import CostFact
    from midnight.lineage.open_lineage import Step as LineageStep

# XCom: id of the Databricks run that the task waits for.
RUN_ID = "run_id"


class DatabricksStepOperator(OpenLineageDatasets, BaseOperator):
    """Start or find the Databricks run that contains a step, and defer until that step has ended.

    A retry after a crash finds the run of the previous try by the idempotency token. A cleared task starts a new run;
    runs that earlier tries left running for the same batch are cancelled.

    Args:
        databricks_conn_id: Airflow connection.
        polling_seconds: time between two requests for the state.
    """

    step: ClassVar[Step]
    steps: ClassVar[tuple[Step, ...]]

    template_fields: Sequence[str] = ("databricks_conn_id",)
    operator_extra_links = (RunPageLink(),)
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"

    def __init__(self, *, databricks_conn_id: str, polling_seconds: int = 15, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.databricks_conn_id = databricks_conn_id
        self.polling_seconds = polling_seconds
        self._run_id: int | None = None
        self._request: dict[str, Any] | None = None
        self._killed = False

    @property
    def lineage_step(self) -> LineageStep:
        return step_of_job(self.step)

    @cached_property
    def hook(self) -> DatabricksHook:
        """Hook of the workspace."""
        return task_hook(self.databricks_conn_id, caller=type(self).__name__)

    def execute(self, context: Context) -> None:
        """Start or find the run, then wait for the step.

        Raises:
            JobError: the step failed; the message is the job's own error.
        """
        self._run_id = run_id = self.find_or_start(context)
        run = self.hook.get_run(run_id)
        instance: Any = context["ti"]
        instance.xcom_push(key=RUN_ID, value=run_id)
        instance.xcom_push(key=RUN_PAGE_URL, value=run.get("run_page_url", ""))
        self.log.info("%s is a step of Databricks run %s: %s", self.step, run_id, run.get("run_page_url", ""))
        self._stop_if_killed()
        if step_state(run, self.step).ended:
            self.execute_complete(context, {"run_id": run_id})
            return
        self._wait(run_id)

    def _wait(self, run_id: int) -> None:
        """Defer to the trigger."""
        from midnight_airflow.triggers.databricks_step import DatabricksStepTrigger

        deadline = time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None
        trigger = DatabricksStepTrigger(
            run_id=run_id,
            step=self.step,
            databricks_conn_id=self.databricks_conn_id,
            polling_seconds=self.polling_seconds,
            deadline=deadline,
        )
        # The trigger enforces the deadline and cancels the run; Airflow's own timeout cancels nothing and comes later.
        timeout = self.execution_timeout + timedelta(minutes=5) if self.execution_timeout else None
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Evaluate the result of the step.

        Raises:
            JobError: the step failed, or its state is not known.
        """
        run_id = self._run_id = event["run_id"]
        current = context["ti"].xcom_pull(task_ids=self.task_id, key=RUN_ID)
        if current is not None and int(current) != run_id:
            # SQLite reuses the id of a cleared task's trigger, so the next trigger can receive its last event.
            self.log.info("The event is of Databricks run %s of an earlier try; waiting for %s", run_id, current)
            self._wait(int(current))
        problem = event.get("problem")
        state = None if problem else state_of_step(self.hook, run_id, self.step)
        if state is None:
            raise JobError(
                f"{self.step}: {problem or 'the run was deleted in the workspace'} (Databricks run {run_id})"
            )
        self.record_completed(context, run_id)
        self._record_costs(context, run_id)
        if state.succeeded:
            self.log.info("%s succeeded", self.step)
            return
        if state.result == "CANCELED" and not self.superseded(context, run_id):
            # Cancelled by hand: a retry must not start it again.
            raise NonRetryableJobError(
                f"{self.step}: Databricks run {run_id} was cancelled in the workspace; hint: clear this task to run it "
                "again"
            )
        failure = read_job_failure(self.hook, state, self.log)
        outcome = " ".join(part for part in (state.life_cycle, state.result) if part)
        reason = failure.message or state.message or outcome
        hint = "" if "; hint: " in reason else cluster_hint(reason)
        message = f"{self.step}: {reason} (Databricks run {run_id}){f'; hint: {hint}' if hint else ''}"
        if not failure.non_retryable:
            raise JobError(message)
        stopped = NonRetryableJobError(message, failure.releasable)
        ask_for_release(self, context, stopped)
        raise stopped

    def execute_released(self, context: Context, event: dict[str, Any], message: str, releasable: list[str]) -> None:
        """Start a new run after a person has released what stopped the last one.

        Raises:
            NonRetryableJobError: it was not released.
        """
        decide(context, event, message, releasable)
        self.execute(context)

    def _record_costs(self, context: Context, run_id: int) -> None:
        from airflow.providers.databricks.exceptions import DatabricksApiError

        from midnight.configuration.prices import load_prices
        from midnight.cost.facts import databricks_facts

        def count() -> list[CostFact]:
            try:
                run = self.hook.get_run(run_id)
            except DatabricksApiError as error:
                raise JobError(f"the machine hours of Databricks run {run_id} cannot be read: {error}") from error
            prices = load_prices(load_settings().config)
            return databricks_facts(run, self.step, None if prices is None else prices.prices)

        record_costs(context, str(run_id), count)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the deferral; cancel the run when Airflow ended the deferral, which cancels nothing.

        Raises:
            JobError: Airflow ended the deferral: the triggerer was down at the deadline, or the trigger failed.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            instance: Any = context["ti"]
            run_id = instance.xcom_pull(task_ids=self.task_id, key=RUN_ID)
            timed_out = isinstance(error, TaskDeferralTimeout)
            if timed_out or instance.try_number > instance.max_tries:  # otherwise the next try waits for the same run
                self.hook.cancel_run(run_id)
            reason = (
                f"the run did not end within {self.execution_timeout} and was cancelled" if timed_out else str(error)
            )
            raise JobError(f"{self.step}: {reason} (Databricks run {run_id})") from error

    def on_kill(self) -> None:
        """Cancel the run that this process has just started. While the task is deferred, the trigger does.

        Runs inside a signal handler; ``execute`` continues afterwards.
        """
        self._killed = True
        if self._run_id is None and self._request is not None:
            self._run_id = self.hook.run_now(self._request)  # the request was sent: the same token returns the same run
        if self._run_id is not None:
            self.hook.cancel_run(self._run_id)

    def find_or_start(self, context: Context) -> int:
        """Id of the run of the newest attempt that did not fail; of a new run when all failed."""
        return self.start(context, self.steps)

    def record_completed(self, context: Context, run_id: int) -> None:
        """Called when the result of the step is known."""

    def superseded(self, context: Context, run_id: int) -> bool:
        """Whether another run replaced this one."""
        return False

    def start(self, context: Context, steps: tuple[Step, ...]) -> int:
        """Start a run of the deployed job with these steps, or find the one that an earlier try started.

        Raises:
            DeploymentError: the deployed job differs from the one that this code expects.
        """
        settings = load_settings()
        document, job_id = settings.paths.run_document(batch_id(context)), settings.databricks_job_id
        verify_job(self.hook, job_id, load_pipeline(settings.config))
        run_id = self._run_of_newest_attempt(context, job_id, document, steps)
        cancel_other_runs(self.hook, job_id, document, run_id, self.log)
        return run_id

    def _run_of_newest_attempt(self, context: Context, job_id: int, document: str, steps: tuple[Step, ...]) -> int:
        from airflow.providers.databricks.exceptions import DatabricksApiError

        last = previous_attempts(context) + number_of_releases(context)
        for attempt in range(last):
            try:
                run_id = self._run_now(run_request(job_id, document, steps, attempt_token(context, attempt)))
            except DatabricksApiError as error:
                if error.http_status_code not in NOT_FOUND_STATUSES:
                    raise
                self.log.info("The run of attempt %d was deleted in the workspace", attempt)
                continue
            state = state_of_step(self.hook, run_id, self.step)
            if state is not None and (state.succeeded or not (state.ended or state.stopping)):
                return run_id
        return self._run_now(run_request(job_id, document, steps, attempt_token(context, last)))

    def _run_now(self, request: dict[str, Any]) -> int:
        self._stop_if_killed()
        self._run_id, self._request = None, request
        self._run_id = self.hook.run_now(request)
        self._stop_if_killed()
        return self._run_id

    def _stop_if_killed(self) -> None:
        """Stop when the task was killed: ``on_kill`` could not cancel a run that was started since."""
        if self._killed:
            if self._run_id is not None:
                self.hook.cancel_run(self._run_id)
            run = "no run was started" if self._run_id is None else f"Databricks run {self._run_id} was cancelled"
            raise JobError(f"{self.step}: the task was killed while it started the step; {run}")
