"""Runs the Spark steps as a Databricks job (azure profile)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.configuration.pipeline import load_pipeline
from midnight.databricks.job_payload import BOTH_STEPS, GOLD_ONLY, Step, run_request
from midnight.databricks.runs import step_state
from midnight.errors import JobError, NonRetryableJobError
from midnight.run.plan import renew_rebuild_plan
from midnight.settings import load_settings
from midnight_airflow.hooks.databricks_job import (
    NOT_FOUND_STATUSES,
    cancel_other_runs,
    read_job_failure,
    state_of_step,
    task_hook,
    verify_job,
)
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL, RunPageLink
from midnight_airflow.run_context import attempt_token, batch_id, previous_attempts
from midnight_airflow.run_totals import push_run_totals

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook
    from airflow.sdk import Context

RUN_ID = "run_id"
COMPLETED_RUN_KEY = "midnight_completed_run"


class DatabricksStepOperator(BaseOperator):
    """Start or find the Databricks run that holds a step, and wait for that step without a worker.

    A retry after a crash finds the run of the try before, by the idempotency token. A task that a person cleared
    starts a new run; what an earlier try has left running for the same batch is cancelled.

    Args:
        databricks_conn_id: Airflow connection.
        polling_seconds: between two questions.
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

    @cached_property
    def hook(self) -> DatabricksHook:
        """Of the workspace."""
        return task_hook(self.databricks_conn_id, caller=type(self).__name__)

    def execute(self, context: Context) -> None:
        """Start or find the run, then wait for the step.

        Raises:
            JobError: the step failed; the message is the job's own message.
        """
        self._run_id = run_id = self.find_or_start(context)
        run = self.hook.get_run(run_id)
        instance: Any = context["ti"]
        instance.xcom_push(key=RUN_ID, value=run_id)
        instance.xcom_push(key=RUN_PAGE_URL, value=run.get("run_page_url", ""))
        self.log.info("%s is step of Databricks run %s: %s", self.step, run_id, run.get("run_page_url", ""))
        self._stop_if_killed()
        if step_state(run, self.step).ended:
            self.execute_complete(context, {"run_id": run_id})
            return
        self._wait(run_id)

    def _wait(self, run_id: int) -> None:
        """Hand over to the triggerer."""
        from midnight_airflow.triggers.databricks_step import DatabricksStepTrigger

        deadline = time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None
        trigger = DatabricksStepTrigger(run_id, self.step, self.databricks_conn_id, self.polling_seconds, deadline)
        # Airflow ends a trigger that is late without telling it: ours keeps the time itself, and cancels the run.
        late = self.execution_timeout + timedelta(minutes=5) if self.execution_timeout else None
        self.defer(trigger=trigger, method_name="execute_complete", timeout=late)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """The step has ended, or nobody knows how it stands.

        Raises:
            JobError: it failed.
        """
        run_id = self._run_id = event["run_id"]
        mine = context["ti"].xcom_pull(task_ids=self.task_id, key=RUN_ID)
        if mine is not None and int(mine) != run_id:
            # SQLite gives the number of a trigger that was cleared away to the next one, and its last event with it.
            self.log.info("Databricks run %s was that of an earlier try; waiting for %s", run_id, mine)
            self._wait(int(mine))
        problem = event.get("problem")
        state = None if problem else state_of_step(self.hook, run_id, self.step)
        if state is None:
            raise JobError(f"{self.step}: {problem or 'it was deleted in the workspace'} (Databricks run {run_id})")
        self.record_completed(context, run_id)
        if state.succeeded:
            self.log.info("%s succeeded", self.step)
            return
        if state.result == "CANCELED" and not self.superseded(context, run_id):
            # A person's decision, which a retry must not undo.
            raise NonRetryableJobError(
                f"{self.step}: Databricks run {run_id} was cancelled in the workspace; clear this task to run it again"
            )
        end = read_job_failure(self.hook, state, self.log)
        outcome = " ".join(part for part in (state.life_cycle, state.result) if part)
        message = f"{self.step}: {end.message or state.message or outcome} (Databricks run {run_id})"
        raise NonRetryableJobError(message) if end.non_retryable else JobError(message)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Called by Airflow after the wait; when Airflow has ended the wait itself, nobody has cancelled the run yet.

        Raises:
            JobError: Airflow ended the wait (a triggerer that was down when the time was over, or a broken trigger).
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            instance: Any = context["ti"]
            run_id = instance.xcom_pull(task_ids=self.task_id, key=RUN_ID)
            late = isinstance(error, TaskDeferralTimeout)
            if late or instance.try_number > instance.max_tries:  # else the next try waits on
                self.hook.cancel_run(run_id)
            reason = f"it did not end within {self.execution_timeout} and was cancelled" if late else str(error)
            raise JobError(f"{self.step}: {reason} (Databricks run {run_id})") from error

    def on_kill(self) -> None:
        """Cancel the run that this process has just started. While it waits, the trigger does.

        Runs inside a signal handler, and ``execute`` goes on afterwards.
        """
        self._killed = True
        if self._run_id is None and self._request is not None:
            self._run_id = self.hook.run_now(self._request)  # under way: the same token gives the same run
        if self._run_id is not None:
            self.hook.cancel_run(self._run_id)

    def find_or_start(self, context: Context) -> int:
        """The run of the newest attempt that did not fail; a new one only when all failed."""
        return self.start(context, self.steps)

    def record_completed(self, context: Context, run_id: int) -> None:
        """Called once the step's result is known."""

    def superseded(self, context: Context, run_id: int) -> bool:
        """Whether another run has taken the place of this one."""
        return False

    def start(self, context: Context, steps: tuple[Step, ...]) -> int:
        """Start a run of the deployed job with these steps, or find it when an earlier try started it.

        Raises:
            DeploymentError: the deployed job is not the one that this code expects.
        """
        settings = load_settings()
        document, job_id = settings.paths.run_document(batch_id(context)), settings.databricks_job_id
        verify_job(self.hook, job_id, load_pipeline(settings.config))
        run_id = self._run_of_newest_attempt(context, job_id, document, steps)
        cancel_other_runs(self.hook, job_id, document, run_id, self.log)
        return run_id

    def _run_of_newest_attempt(self, context: Context, job_id: int, document: str, steps: tuple[Step, ...]) -> int:
        from airflow.providers.databricks.exceptions import DatabricksApiError

        last = previous_attempts(context)
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
        """After a signal ``on_kill`` has run, or will not know a run that was started meanwhile."""
        if self._killed:
            if self._run_id is not None:
                self.hook.cancel_run(self._run_id)
            run = "there is no run" if self._run_id is None else f"Databricks run {self._run_id} was cancelled"
            raise JobError(f"{self.step}: ended from outside while it started; {run}")


class DatabricksSilverOperator(DatabricksStepOperator):
    """Starts the run of both steps and waits for silver."""

    step = "bronze_to_silver"
    steps = BOTH_STEPS

    def find_or_start(self, context: Context) -> int:
        settings = load_settings()
        renew_rebuild_plan(settings, open_lake(settings), batch_id(context))
        return super().find_or_start(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        super().execute_complete(context, event)
        push_run_totals(context, load_settings())


class DatabricksGoldOperator(DatabricksStepOperator):
    """Follows the run that the silver task started; starts gold alone when that run's gold is of no use (any more).

    Args:
        silver_task_id: task of the ``DatabricksSilverOperator``.
    """

    step = "silver_to_gold"
    steps = GOLD_ONLY

    def __init__(self, *, silver_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.silver_task_id = silver_task_id

    def find_or_start(self, context: Context) -> int:
        run_id = self._run_of_silver(context)
        if run_id is not None and run_id != context["task_state_store"].get(COMPLETED_RUN_KEY):
            state = state_of_step(self.hook, run_id, self.step)
            # A person may have cleared this task while it waited: then the run was cancelled.
            if state is not None and state.result != "CANCELED" and not state.stopping:
                return run_id
            self.record_completed(context, run_id)
        return self.start(context, self.steps)

    def record_completed(self, context: Context, run_id: int) -> None:
        # Survives retries and clears: a cleared gold task does gold again instead of reporting the old result.
        if run_id == self._run_of_silver(context):
            context["task_state_store"].set(COMPLETED_RUN_KEY, run_id, retention=NEVER_EXPIRE)

    def superseded(self, context: Context, run_id: int) -> bool:
        """Silver was cleared alone, and its new run took the place of the one that this task waited for."""
        return self._run_of_silver(context) not in (None, run_id, context["task_state_store"].get(COMPLETED_RUN_KEY))

    def _run_of_silver(self, context: Context) -> int | None:
        run_id = context["ti"].xcom_pull(task_ids=self.silver_task_id, key=RUN_ID)
        return None if run_id is None else int(run_id)
