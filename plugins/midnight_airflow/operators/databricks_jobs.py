"""Runs the Spark steps as a Databricks job (azure profile)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.databricks_payload import BOTH_STEPS, DEFINITION_TAG, GOLD_ALONE, Step, job_settings, run_request
from midnight.databricks_runs import JobEnd, job_end, step_state
from midnight.errors import FinalJobError, JobError
from midnight.run_planning import renew_rebuild_plan
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL, RunPageLink
from midnight_airflow.run_context import attempt_token, attempts_so_far, batch_id

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook
    from airflow.sdk import Context

RUN_ID = "run_id"
FOLLOWED = "midnight_followed_run"


class DatabricksStepOperator(BaseOperator):
    """Start or find the Databricks run that holds a step, and wait for that step without a worker.

    A retry after a crash finds the run of the try before, by the idempotency token. A task that a person cleared
    starts a new run.

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

    @cached_property
    def hook(self) -> DatabricksHook:
        """The provider's hook; imported late, since it costs DAG parsing a second."""
        from airflow.providers.databricks.hooks.databricks import DatabricksHook

        return DatabricksHook(self.databricks_conn_id, retry_limit=3, retry_delay=5, caller=type(self).__name__)

    def execute(self, context: Context) -> None:
        """Start or find the run, then wait for the step.

        Raises:
            JobError: the step failed; the message is the job's own sentence.
        """
        self._run_id = run_id = self.find_or_start(context)
        run = self.hook.get_run(run_id)
        instance: Any = context["ti"]
        instance.xcom_push(key=RUN_ID, value=run_id)
        instance.xcom_push(key=RUN_PAGE_URL, value=run.get("run_page_url", ""))
        self.log.info("%s is step of Databricks run %s: %s", self.step, run_id, run.get("run_page_url", ""))
        if step_state(run, self.step).ended:
            self.execute_complete(context, {"run_id": run_id})
            return
        from midnight_airflow.triggers.databricks_step import DatabricksStepTrigger

        self.defer(
            trigger=DatabricksStepTrigger(run_id, self.step, self.databricks_conn_id, self.polling_seconds),
            method_name="execute_complete",
            timeout=self.execution_timeout,
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """The step has ended.

        Raises:
            JobError: it failed.
        """
        state = step_state(self.hook.get_run(event["run_id"]), self.step)
        self.remember(context, event["run_id"])
        if state.succeeded:
            self.log.info("%s succeeded", self.step)
            return
        end = job_end(self.hook.get_run_output(state.run_id)) if state.run_id else JobEnd("", False)
        outcome = " ".join(part for part in (state.life_cycle, state.result) if part)
        sentence = f"{self.step}: {end.sentence or state.message or outcome} (Databricks run {event['run_id']})"
        raise FinalJobError(sentence) if end.final else JobError(sentence)

    def on_kill(self) -> None:
        """Cancel the run that this process has just started. While it waits, the trigger does."""
        if self._run_id is not None:
            self.hook.cancel_run(self._run_id)

    def find_or_start(self, context: Context) -> int:
        """The run of the newest attempt that did not fail; a new one only when all failed."""
        return self.start(context, self.steps)

    def remember(self, context: Context, run_id: int) -> None:
        """Called once the step's result is known."""

    def start(self, context: Context, steps: tuple[Step, ...]) -> int:
        """Start a run of the saved job with these steps, or find it when an earlier try started it."""
        settings = load_settings()
        document = settings.paths.run_document(batch_id(context))
        job_id = self._saved_job(job_settings(settings, steps, self._timeout_seconds()))
        last = attempts_so_far(context)
        for attempt in range(last):
            run_id = self.hook.run_now(run_request(job_id, document, attempt_token(context, attempt)))
            state = step_state(self.hook.get_run(run_id), self.step)
            if state.succeeded or not state.ended:
                return run_id
        return self.hook.run_now(run_request(job_id, document, attempt_token(context, last)))

    def _timeout_seconds(self) -> int:
        return int(self.execution_timeout.total_seconds()) if self.execution_timeout else 0

    def _saved_job(self, job: dict[str, Any]) -> int:
        """Id of the job, made or brought up to date when its definition changed."""
        from airflow.providers.databricks.exceptions import DatabricksApiError

        saved = self.hook.list_jobs(job_name=job["name"])
        if len(saved) > 1:
            ids = [other["job_id"] for other in saved]
            raise JobError(f"the workspace has {len(saved)} jobs named {job['name']!r} {ids}; delete all but one")
        try:
            if not saved:
                return self.hook.create_job(job)
            job_id: int = saved[0]["job_id"]
            if saved[0]["settings"].get("tags", {}).get(DEFINITION_TAG) != job["tags"][DEFINITION_TAG]:
                self.log.info("Job %r has another definition; updating it", job["name"])
                self.hook.reset_job(str(job_id), job)
        except DatabricksApiError as error:
            if error.http_status_code != 403:
                raise
            raise JobError(
                f"Airflow's identity may not create or change the Databricks job {job['name']!r}; give it CAN_MANAGE, "
                "or let an administrator save what `python -m midnight.databricks_payload` prints"
            ) from error
        return job_id


class DatabricksSilverOperator(DatabricksStepOperator):
    """Starts the run of both steps and waits for silver."""

    step = "bronze_to_silver"
    steps = BOTH_STEPS

    def find_or_start(self, context: Context) -> int:
        settings = load_settings()
        renew_rebuild_plan(settings, open_lake(settings), batch_id(context))
        return super().find_or_start(context)


class DatabricksGoldOperator(DatabricksStepOperator):
    """Follows the run that the silver task started; starts gold alone when that run's gold has been followed already.

    Args:
        silver_task_id: task of the ``DatabricksSilverOperator``.
    """

    step = "silver_to_gold"
    steps = GOLD_ALONE

    def __init__(self, *, silver_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.silver_task_id = silver_task_id

    def find_or_start(self, context: Context) -> int:
        run_id = context["ti"].xcom_pull(task_ids=self.silver_task_id, key=RUN_ID)
        if run_id is not None and run_id != context["task_state_store"].get(FOLLOWED):
            return int(run_id)
        return self.start(context, self.steps)

    def remember(self, context: Context, run_id: int) -> None:
        # Survives retries and clears: a cleared gold task does gold again instead of reporting the old result.
        context["task_state_store"].set(FOLLOWED, run_id, retention=NEVER_EXPIRE)
