"""The last runs of the pipeline's DAG, as recorded by Airflow: the content of the page's status section."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

RunState = Literal["queued", "running", "success", "failed"]
RUNS_SHOWN = 30
# The last task of a run, which fails when some tables were not loaded; everything else is published then.
CHECK_TASK_ID = "check_stopped_tables"
# The scheduler creates a run within seconds; a busy machine may take longer.
_LATE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class RunTask:
    """A task of a run that has failed or is active.

    Args:
        task_id: Airflow's.
        message: why its last try failed; empty when it did not fail, or when the reader may not see logs.
        state: Airflow's: ``failed``, ``up_for_retry``, ``running`` …; empty if it is not known.
        attempt: number of its last try, from 1; 0 before the first.
        attempts: tries that it gets at most; 0 if that is not known.
        url: the address of its log in Airflow.
    """

    task_id: str
    message: str = ""
    state: str = ""
    attempt: int = 0
    attempts: int = 0
    url: str = ""

    @property
    def waits_for_retry(self) -> bool:
        """Whether its last try failed and Airflow is going to try again."""
        return self.state == "up_for_retry"


@dataclass(frozen=True)
class PipelineRun:
    """One run of the pipeline's DAG; all times have a time zone.

    Args:
        run_id: Airflow's.
        state: Airflow's.
        due: its logical date; for a manual run the time of the trigger.
        started, ended: of the run; None until then.
        tasks: those that have failed or are active.
        published_at: when its data were published to the views; None until then.
        url: the run's page in Airflow.
        logical_date: None for a run that was triggered without one, which Airflow's commands cannot select.
    """

    run_id: str
    state: RunState
    due: datetime
    started: datetime | None = None
    ended: datetime | None = None
    tasks: tuple[RunTask, ...] = ()
    published_at: datetime | None = None
    url: str = ""
    logical_date: datetime | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def is_partial(self) -> bool:
        """Whether the run has published everything but some tables that it could not load."""
        return self.state == "failed" and [task.task_id for task in self.tasks] == [CHECK_TASK_ID]

    @property
    def result(self) -> str:
        """The result as shown to readers. A run whose tasks were all skipped succeeds, but publishes nothing."""
        if self.state == "success":
            return "published" if self.published_at else "nothing to do"
        return "partial" if self.is_partial else self.state

    @property
    def troubled(self) -> tuple[RunTask, ...]:
        """The tasks of an active run whose last try failed: it has failed already, or waits for another try."""
        return tuple(task for task in self.tasks if self.is_active and task.state in ("failed", "up_for_retry"))

    def duration(self, now: datetime) -> timedelta | None:
        """The time from its start to its end, or to now; None before its start."""
        return None if self.started is None else max(timedelta(0), (self.ended or now) - self.started)


@dataclass(frozen=True)
class RunHistory:
    """The state of the pipeline's DAG.

    Args:
        runs: newest first, at most RUNS_SHOWN.
        next_due: when the next run is due; None without a schedule.
        paused: whether the DAG is paused.
    """

    runs: tuple[PipelineRun, ...] = ()
    next_due: datetime | None = None
    paused: bool = False

    @property
    def active(self) -> PipelineRun | None:
        """The running run, otherwise the oldest queued one; None when there is neither."""
        active = [run for run in self.runs if run.is_active]
        return next((run for run in active if run.state == "running"), active[-1] if active else None)

    @property
    def failed(self) -> tuple[PipelineRun, ...]:
        """The runs that failed since the last successful publication, newest first."""
        failed: list[PipelineRun] = []
        for run in self.runs:
            if run.published_at and run.state != "failed":  # a run with nothing to do does not resolve a failure
                break
            if run.state == "failed":
                failed.append(run)
        return tuple(failed)

    @property
    def shown(self) -> PipelineRun | None:
        """The run that readers have: the newest published one, also while its last tasks still run; else None."""
        return next((run for run in self.runs if run.published_at), None)

    def is_overdue(self, now: datetime) -> bool:
        """Whether a run is overdue: the scheduler should have started it by now."""
        return (
            self.next_due is not None and not self.paused and self.active is None and now > self.next_due + _LATE_AFTER
        )
