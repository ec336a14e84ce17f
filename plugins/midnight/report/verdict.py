"""The first line of the page: whether readers have the newest data, and if not, why and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Literal

from midnight.alerts.commands import again_command, needs_new_run, trigger_command, unpause_command
from midnight.report.clock import Clock
from midnight.report.problems import Problem, as_text, explain
from midnight.report.run_history import PipelineRun, RunHistory
from midnight.report.timeline import last_published, limit_offset
from midnight.summary.document import RunSummary

_LONGEST_HEADLINE = 220
_NO_TASK_FAILED = "No task failed: the run exceeded its time limit, or a person ended it."


@dataclass(frozen=True)
class Verdict:
    """The state of the pipeline in a line.

    Args:
        kind: ``good`` only if readers have the newest data and nothing failed.
        headline: a short text.
        problems: of the failed tasks, the first one explained first.
        notes: texts for people.
        todo: what to do, before ``command``; empty if there is nothing to do.
        command: the next command; empty if there is none.
        since: when it began; None for a good state.
        run: whose page in Airflow is linked.
        published_at: of the data that readers see; ``data_up_to`` how new they are; None if that is not known.
        fresh: whether the headline says already when the data were published.
    """

    kind: Literal["good", "warn", "bad"]
    headline: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    todo: str = ""
    command: str = ""
    since: datetime | None = None
    run: PipelineRun | None = None
    published_at: datetime | None = None
    data_up_to: datetime | None = None
    fresh: bool = False

    @property
    def sign(self) -> str:
        return {"good": "✓", "warn": "●", "bad": "✗"}[self.kind]


_NOTHING_YET = {
    True: Verdict("warn", "No run has been published yet.", todo="Trigger the DAG, or wait for its schedule."),
    False: Verdict("warn", "This file has no figures of a run.", todo="Open the page Midnight in Airflow."),
}


def judge_state(
    summary: RunSummary | None,
    history: RunHistory,
    clock: Clock,
    *,
    publish_by: time | None = None,
    last_due: datetime | None = None,
    from_airflow: bool = True,
    airflow: str = "airflow",
) -> Verdict:
    """The verdict on the pipeline.

    Args:
        summary: the newest one; None before the first.
        history: Airflow's runs.
        clock: with the current time.
        publish_by: the time of day by which a run must have published; None without a deadline.
        last_due: when the newest run was due by the schedule; None without one.
        from_airflow: whether ``history`` was read from Airflow's database just now.
        airflow: the command line of Airflow.
    """
    published_at = last_published(summary, history)
    found = (
        _failed(history, airflow)
        or _in_trouble(history)
        or _overdue(history, clock, airflow)
        or _late(published_at, clock, publish_by, last_due, history)
        or _paused(history, airflow)
        or _active(history, clock)
        or (None if from_airflow or history.runs else _failed_by_summary(summary, airflow))
        or _published(published_at, clock)
        or _NOTHING_YET[from_airflow]
    )
    notes = found.notes
    active = history.active
    if found.kind == "bad" and active and active is not found.run:
        notes = (*notes, f"Another run is {active.state} since {clock.at(active.started or active.due)}.")
    if history.paused and "paused" not in found.headline:
        notes = (*notes, "The DAG is paused: no run starts until it is unpaused in Airflow.")
    data_up_to = summary.data_up_to if summary else None
    return replace(found, notes=notes, published_at=published_at, data_up_to=data_up_to)


def _headline(opening: str, problems: tuple[Problem, ...]) -> str:
    cause = next((problem.cause for problem in problems if problem.cause), "")
    if not cause:
        where = ", ".join(problem.where for problem in problems[:3])
        return f"{opening} {f'The task {where} failed.' if where else _NO_TASK_FAILED}"
    return f"{opening} {as_text(cause if len(cause) <= _LONGEST_HEADLINE else cause[:_LONGEST_HEADLINE] + '…')}"


def _failed(history: RunHistory, airflow: str) -> Verdict | None:
    if not history.failed:
        return None
    run, count = history.failed[0], len(history.failed)
    problems = tuple(explain(task) for task in sorted(run.tasks, key=lambda task: not task.message))
    many = (f"{count} runs have failed since the last publication.",) if count > 1 else ()
    if run.is_partial:
        note = "All else is published. These tables, and what depends on them, have their rows of an earlier run."
        return Verdict(
            "bad",
            _headline("Published without some tables.", problems),
            problems,
            (note, *many),
            _first_hint(problems) or "Correct the tables, then start a run.",
            trigger_command(airflow),
            run.ended or run.due,
            run,
        )
    opening, notes = "Not published.", many
    if run.published_at:
        opening, notes = "Published, but the run failed.", (*many, "Readers have the data of this run.")
    todo = _first_hint(problems) or "Correct the cause."
    since = run.ended or run.due
    return Verdict(
        "bad",
        _headline(opening, problems),
        problems,
        notes,
        _then(todo, run, problems),
        again_command(airflow, run.logical_date, *_first_failure(problems)),
        since,
        run,
        fresh=run.published_at is not None,
    )


def _first_failure(problems: tuple[Problem, ...]) -> tuple[str, type[BaseException] | None]:
    return (problems[0].where, problems[0].kind) if problems else ("", None)


def _then(todo: str, run: PipelineRun, problems: tuple[Problem, ...]) -> str:
    """What to do and what to do after it, unless the hint says that itself."""
    if not run.logical_date and re.search(r"\bclear\b", todo):
        return f"{todo.rstrip('.')}, or start a run."  # as the command does: it cannot clear a run without a date
    if re.search(r"\b(clear|start|run)\b", todo):
        return todo
    new_run = run.logical_date is None or needs_new_run(*_first_failure(problems))
    return f"{todo} Then {'start a run' if new_run else 'clear the failed task'}."


def _first_hint(problems: tuple[Problem, ...]) -> str:
    return next((problem.hint for problem in problems if problem.hint), "")


def _in_trouble(history: RunHistory) -> Verdict | None:
    run = history.active
    if run is None or not run.troubled:
        return None
    problems = tuple(explain(task) for task in run.troubled)
    opening = "Published, but a task failed." if run.published_at else "Not published yet."
    waits = any(task.waits_for_retry for task in run.troubled)
    todo = _first_hint(problems) or "Read the log."
    note = "Airflow tries again by itself." if waits else "No retry is left: the run is going to fail."
    return Verdict("bad", _headline(opening, problems), problems, (note,), todo, "", run.started, run)


def _overdue(history: RunHistory, clock: Clock, airflow: str) -> Verdict | None:
    if not history.is_overdue(clock.now) or history.next_due is None:
        return None
    headline = f"No run has started since {clock.at(history.next_due)}, when one was due."
    todo = "Airflow's scheduler is not running, or is overloaded: start it, and look at its log."
    command = "midnight up" if airflow.startswith("midnight") else f"{airflow} jobs check"
    return Verdict("bad", headline, todo=todo, command=command, since=history.next_due)


def _late(
    published_at: datetime | None,
    clock: Clock,
    publish_by: time | None,
    last_due: datetime | None,
    history: RunHistory,
) -> Verdict | None:
    if publish_by is None or last_due is None or (published_at is not None and published_at >= last_due):
        return None
    local = clock.local(last_due)
    if (clock.now - last_due).total_seconds() <= limit_offset(local, publish_by):
        return None
    run = history.active
    where = f"The run is {run.state}: {', '.join(task.task_id for task in run.tasks)}." if run and run.tasks else ""
    return Verdict(
        "bad",
        f"Not published by {publish_by:%H:%M}.",
        notes=(where,) if where else (),
        todo="Look at the run in Airflow: it runs longer than usual, waits, or has not started.",
        since=last_due,
        run=run,
    )


def _paused(history: RunHistory, airflow: str) -> Verdict | None:
    if not history.paused:
        return None
    what = "The run in progress does not continue, and no" if history.active else "No"
    return Verdict(
        "warn", f"The DAG is paused. {what} run starts.", todo="Unpause it.", command=unpause_command(airflow)
    )


def _active(history: RunHistory, clock: Clock) -> Verdict | None:
    run = history.active
    if run is None:
        return None
    tasks = ", ".join(task.task_id for task in run.tasks)
    if run.published_at:
        headline = f"Published at {clock.at(run.published_at)}."
        note = f"The last tasks of the run are still in progress{': ' + tasks if tasks else ''}."
        return Verdict("good", headline, notes=(note,), run=run, fresh=True)
    state = "is in progress" if run.state == "running" else "is queued"
    headline = f"A run {state} since {clock.at(run.started or run.due)}{': ' + tasks if tasks else ''}."
    return Verdict("warn", headline, since=run.started or run.due, run=run)


def _failed_by_summary(summary: RunSummary | None, airflow: str) -> Verdict | None:
    """Without Airflow's database: what the newest summary says."""
    if summary is None or summary.figures.state not in ("failed", "partial"):
        return None
    stopped = summary.figures.state == "partial"
    opening = "Published without some tables." if stopped else "Not published."
    problems = tuple(Problem("", problem) for problem in summary.problems)
    todo = "Correct the cause, then start a run."
    headline = _headline(opening, problems) if problems else f"{opening} The log of the failed task says why."
    return Verdict("bad", headline, problems, todo=todo, command=trigger_command(airflow), since=summary.written_at)


def _published(published_at: datetime | None, clock: Clock) -> Verdict | None:
    if published_at is None:
        return None
    return Verdict("good", f"Published at {clock.at(published_at)}.", fresh=True)
