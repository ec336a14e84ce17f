"""The last runs of the nightly DAG, as Airflow knows them: what the page says on top, whichever night stands below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

RunState = Literal["queued", "running", "success", "failed"]
RUNS_SHOWN = 14
# The scheduler makes the run of a night within seconds; a machine that is busy may take longer.
_LATE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class RunTask:
    """A task of a run that failed or is at work.

    Args:
        task_id: of the task.
        sentence: why its last try failed; empty when it did not, or when the reader may not see logs.
    """

    task_id: str
    sentence: str = ""


@dataclass(frozen=True)
class PipelineRun:
    """One run of the nightly DAG; times with a time zone.

    Args:
        run_id: Airflow's.
        state: Airflow's.
        due: the hour that it was made for, or when a person asked for it.
        started, ended: of the run; None before.
        tasks: those that failed, or are at work.
        rows: what silver did with the run's batch, by the ledger's names; empty when it did not get that far.
        published_at: when the views began to show it; None while they do not.
        url: the run's page in Airflow.
    """

    run_id: str
    state: RunState
    due: datetime
    started: datetime | None = None
    ended: datetime | None = None
    tasks: tuple[RunTask, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    published_at: datetime | None = None
    url: str = ""

    @property
    def is_active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def result(self) -> str:
        """One word for people. A run whose every task was skipped is no success that anybody sees."""
        if self.state == "success":
            return "published" if self.published_at else "nothing to do"
        return {"queued": "waits", "running": "running", "failed": "failed"}[self.state]

    @property
    def changed(self) -> int | None:
        """Rows of silver that are new, changed or gone; None when silver did not get that far."""
        return sum(self.rows[name] for name in ("inserted", "updated", "deleted")) if self.rows else None

    def duration(self, now: datetime) -> timedelta | None:
        """From its start to its end, or to now; None before its start."""
        return None if self.started is None else max(timedelta(0), (self.ended or now) - self.started)


@dataclass(frozen=True)
class RunHistory:
    """The state of the nightly DAG.

    Args:
        runs: newest first, at most RUNS_SHOWN.
        next_due: when the next one shall begin; None without a schedule.
        paused: a person has switched the DAG off.
    """

    runs: tuple[PipelineRun, ...] = ()
    next_due: datetime | None = None
    paused: bool = False

    @property
    def active(self) -> PipelineRun | None:
        """The run that is at work; else the oldest one that waits."""
        active = [run for run in self.runs if run.is_active]
        return next((run for run in active if run.state == "running"), active[-1] if active else None)

    @property
    def failed(self) -> tuple[PipelineRun, ...]:
        """The runs that failed since the last one that was published whole, newest first."""
        failed: list[PipelineRun] = []
        for run in self.runs:
            if run.state == "success" and run.published_at:  # one with nothing to do cures nothing
                break
            if run.state == "failed":
                failed.append(run)
        return tuple(failed)

    @property
    def shown(self) -> PipelineRun | None:
        """The newest run whose data the views show; None when it is too long ago, or there is none."""
        return next((run for run in self.runs if run.published_at), None)

    def is_overdue(self, now: datetime) -> bool:
        """Whether a night should have begun by now and has not: Airflow's scheduler does not work."""
        return (
            self.next_due is not None and not self.paused and self.active is None and now > self.next_due + _LATE_AFTER
        )
