"""The last runs, oldest first: what Airflow knows of them joined to the figures that the summary carries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from statistics import median, quantiles

from midnight.durations import describe_duration
from midnight.report.run_history import RUNS_SHOWN, PipelineRun, RunHistory
from midnight.summary.document import RunFigures, RunSummary

STAGES = ("ingest", "bronze", "silver", "gold", "serve", "report")
_RUNS_FOR_USUAL = 5  # fewer runs say little about what is usual


@dataclass(frozen=True)
class ShownRun:
    """One run, as the page shows it.

    Args:
        run_id: Airflow's.
        due: its logical date; for a manual run the time of the trigger.
        result: ``published``, ``partial``, ``failed``, ``nothing to do``, ``running`` or ``queued``.
        seconds: its duration; None before its start.
        published_at: None if it was not.
        figures: of the summary; None if no summary has them.
        tasks: ids of the tasks that failed or are active.
        url: the run's page in Airflow; empty if it is not known.
    """

    run_id: str
    due: datetime
    result: str
    seconds: float | None
    published_at: datetime | None
    figures: RunFigures | None = None
    tasks: tuple[str, ...] = ()
    url: str = ""

    @property
    def is_scheduled(self) -> bool:
        """Whether the schedule has started it: the time of a manual run says nothing about the deadline."""
        return not self.run_id.startswith("manual")


@dataclass(frozen=True)
class Stage:
    """The duration of a stage in seconds; ``low`` and ``high`` bound what is usual, None with too few runs."""

    name: str
    seconds: float
    low: float | None = None
    high: float | None = None

    @property
    def usual(self) -> str:
        """``48 to 60 s``, with a dash; empty with too few runs."""
        if self.low is None or self.high is None:
            return ""
        low, high = describe_duration(self.low), describe_duration(self.high)
        if low == high:
            return low
        same_unit = low.endswith(" s") and high.endswith(" s")
        return f"{low.removesuffix(' s') if same_unit else low}\N{EN DASH}{high}"

    @property
    def is_slow(self) -> bool:
        """Whether it took clearly longer than usual: half as long again, and at least 5 s."""
        return self.high is not None and self.seconds > max(self.high * 1.5, self.high + 5)


def shown_runs(summary: RunSummary | None, history: RunHistory, now: datetime) -> tuple[ShownRun, ...]:
    """At most RUNS_SHOWN runs, oldest first."""
    figures = {} if summary is None else {f.run_id: f for f in (*summary.earlier, summary.figures)}
    found = {run_id: _from_figures(f) for run_id, f in figures.items()}
    found |= {run.run_id: _from_airflow(run, figures.get(run.run_id), now) for run in history.runs}
    return tuple(sorted(found.values(), key=lambda run: (run.due, run.run_id))[-RUNS_SHOWN:])


def _from_figures(figures: RunFigures) -> ShownRun:
    return ShownRun(figures.run_id, figures.due, figures.state, figures.seconds, figures.published_at, figures)


def _from_airflow(run: PipelineRun, figures: RunFigures | None, now: datetime) -> ShownRun:
    duration = run.duration(now)
    return ShownRun(
        run_id=run.run_id,
        due=run.due,
        result=run.result,
        seconds=None if duration is None else duration.total_seconds(),
        published_at=run.published_at,
        figures=figures,
        tasks=tuple(task.task_id for task in run.tasks),
        url=run.url,
    )


def last_published(summary: RunSummary | None, history: RunHistory) -> datetime | None:
    """When the data that readers see were published; None if nothing was, as far as is known."""
    times = [run.published_at for run in history.runs if run.published_at]
    if summary is not None:
        times += [f.published_at for f in (*summary.earlier, summary.figures) if f.published_at]
    return max(times, default=None)


def stages(summary: RunSummary) -> tuple[Stage, ...]:
    """The stages of the run in their order, and ``total`` last; without it when the run has no stages."""
    names = sorted(summary.figures.stages, key=lambda name: (*STAGES, name).index(name))
    usual = [run for run in summary.earlier if run.state == "published"]
    found = [_stage(n, summary.figures.stages[n], [run.stages[n] for run in usual if n in run.stages]) for n in names]
    total = _stage("total", summary.figures.seconds, [run.seconds for run in usual if run.seconds])
    return (*found, total) if found else ()


def _stage(name: str, seconds: float, before: list[float]) -> Stage:
    if len(before) < _RUNS_FOR_USUAL:
        return Stage(name, seconds)
    cuts = quantiles(before, n=10, method="inclusive")
    return Stage(name, seconds, cuts[0], max(cuts[-1], median(before)))


def limit_offset(due: datetime, publish_by: time) -> float:
    """The seconds from when a run is due to the next deadline, on the clock of the zone that ``due`` is in."""
    limit = timedelta(hours=publish_by.hour, minutes=publish_by.minute)
    clock = timedelta(hours=due.hour, minutes=due.minute, seconds=due.second)
    return (limit - clock) / timedelta(seconds=1) % 86_400
