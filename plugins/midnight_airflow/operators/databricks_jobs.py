"""The Spark steps as tasks of one Databricks run (azure profile)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.databricks.job_payload import BOTH_STEPS, GOLD_ONLY
from midnight.run.plan import renew_rebuild_plan
from midnight.settings import load_settings
from midnight_airflow.hooks.databricks_job import state_of_step
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.operators.databricks_step import RUN_ID, DatabricksStepOperator
from midnight_airflow.run_context import batch_id
from midnight_airflow.run_totals import push_run_totals

if TYPE_CHECKING:
    from airflow.sdk import Context

# Key in the task's state: the silver task's run whose gold step has already decided the result of this task.
COMPLETED_RUN_KEY = "midnight_completed_run"


class DatabricksSilverOperator(DatabricksStepOperator):
    """Start the run of both steps and wait for ``bronze_to_silver``."""

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
    """Wait for ``silver_to_gold`` in the run of the silver task.

    Starts a run of gold alone when that run was cancelled or deleted, or its gold step has been used already.

    Args:
        silver_task_id: id of the ``DatabricksSilverOperator`` task.
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
            # Clearing this task while it waited has cancelled the run.
            if state is not None and state.result != "CANCELED" and not state.stopping:
                return run_id
            self.record_completed(context, run_id)
        return self.start(context, self.steps)

    def record_completed(self, context: Context, run_id: int) -> None:
        # Survives retries and clears: a cleared gold task runs gold again instead of reporting the old result.
        if run_id == self._run_of_silver(context):
            context["task_state_store"].set(COMPLETED_RUN_KEY, run_id, retention=NEVER_EXPIRE)

    def superseded(self, context: Context, run_id: int) -> bool:
        """Whether silver alone was cleared, and its new run replaced the one that this task waited for."""
        return self._run_of_silver(context) not in (None, run_id, context["task_state_store"].get(COMPLETED_RUN_KEY))

    def _run_of_silver(self, context: Context) -> int | None:
        run_id = context["ti"].xcom_pull(task_ids=self.silver_task_id, key=RUN_ID)
        return None if run_id is None else int(run_id)
