"""The page of the morning: rendered from the summary of the newest run and from Airflow's runs, in both profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING

from markupsafe import Markup

from midnight.report.attention import change_in_words, things_to_look_at
from midnight.report.clock import Clock
from midnight.report.health import health_rows, sorted_checks
from midnight.report.run_history import RunHistory
from midnight.report.svg import funnel, history_bars, run_strip, sparkline
from midnight.report.templates import content_security_policy, render, script, style_sheet
from midnight.report.timeline import shown_runs, stages
from midnight.report.verdict import judge_state
from midnight.summary.document import RunSummary

if TYPE_CHECKING:
    from midnight.configuration.pipeline import Pipeline

_SCRIPT = "page.js"
_ROWS_OPEN = 30  # tables shown at once; a button shows the others


@dataclass(frozen=True)
class Surroundings:
    """What the page says of the pipeline besides its runs.

    Args:
        pipeline: the source's name; ``timezone`` the schedule's.
        publish_by: the deadline; None without one.
        last_due, next_due: when the newest run was due by the schedule, and the next is; None without one.
        report_url, report_label: the link to the report; ``report_note`` is shown if there is none.
        airflow_url: the DAG's page; empty if it is not known.
        from_airflow: whether the page is served by Airflow; otherwise it is a file, and gets old.
        airflow_command: the command line of Airflow, ``midnight airflow`` on a laptop.
    """

    pipeline: str = "Midnight"
    timezone: str = "UTC"
    publish_by: time | None = None
    last_due: datetime | None = None
    next_due: datetime | None = None
    report_url: str = ""
    report_label: str = "Report"
    report_note: str = ""
    airflow_url: str = ""
    from_airflow: bool = True
    airflow_command: str = "airflow"

    @property
    def report_is_external(self) -> bool:
        return self.report_url.startswith("https://")


def surroundings(pipeline: Pipeline, now: datetime, **others: str | bool) -> Surroundings:
    """What pipeline.yml says; ``others`` are the other fields of ``Surroundings``."""
    schedule = pipeline.schedule
    return Surroundings(
        pipeline=pipeline.source.name,
        timezone=schedule.timezone,
        publish_by=pipeline.alerts.publish_time,
        last_due=schedule.last_before(now),
        next_due=schedule.next_after(now),
        **others,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class StatusPage:
    """The page, and its content security policy."""

    html: str
    policy: str


def render_status_page(
    summary: RunSummary | None,
    history: RunHistory,
    around: Surroundings,
    now: datetime,
    *,
    problem: str = "",
) -> StatusPage:
    """Render the page.

    Args:
        summary: of the newest run that has one; None before the first.
        history: Airflow's runs; empty if Airflow's database was not read.
        around: the pipeline.
        now: the current time.
        problem: why the summary is missing, if that is an error.
    """
    clock = Clock(now, around.timezone)
    verdict = judge_state(
        summary,
        history,
        clock,
        publish_by=around.publish_by,
        last_due=around.last_due,
        from_airflow=around.from_airflow,
        airflow=around.airflow_command,
    )
    runs = shown_runs(summary, history, now)
    strip = run_strip(runs, clock, around.publish_by) if runs else Markup("")
    text = script(_SCRIPT)
    policy = content_security_policy([text], style=style_sheet())
    html = render(
        "status.html.j2",
        policy=policy,
        scripts=[Markup(text)],  # noqa: S704 - our own file
        around=around,
        clock=clock,
        verdict=verdict,
        history=history,
        runs=runs,
        strip=strip,
        has_line='class="published"' in strip,
        history_chart=history_bars(runs, clock),
        has_cost=any(run.figures and run.figures.cost is not None for run in runs),
        summary=summary,
        summary_is_newest=summary is not None and _is_newest(summary, history),
        problem_of_summary=problem,
        spark=sparkline,
        funnel=funnel,
        change=change_in_words,
        stages=() if summary is None else stages(summary),
        items=() if summary is None else things_to_look_at(summary),
        rows_open=_ROWS_OPEN,
        **({} if summary is None else _of_summary(summary, history)),
    )
    return StatusPage(html, policy)


def _is_newest(summary: RunSummary, history: RunHistory) -> bool:
    """Whether the summary is of the newest run that has done something."""
    newest = next((run for run in history.runs if run.state != "queued" and run.result != "nothing to do"), None)
    return newest is None or newest.run_id == summary.figures.run_id or newest.due < summary.figures.due


def _of_summary(summary: RunSummary, history: RunHistory) -> dict[str, object]:
    rows = health_rows(summary)
    run = next((run for run in history.runs if run.run_id == summary.figures.run_id), None)
    return {
        "rows": rows,
        "rows_hidden": sum(not row.urgency for row in rows[_ROWS_OPEN:]),
        "rows_in": sum(table.entry.rows_in for table in summary.tables),
        "has_schema_changes": any(table.schema_changes for table in summary.tables),
        "failed_checks": sorted_checks(summary.checks),
        "passed_checks": [check for check in summary.checks if not check.failed_rows],
        "cost_items": sorted(summary.cost.items, key=lambda item: -item.amount) if summary.cost else [],
        "log_of_silver": f"{run.url}/tasks/silver.bronze_to_silver" if run and run.url else "",
    }


def note_page(title: str, text: str) -> StatusPage:
    """A page with nothing but a short text.

    Args:
        title: of the page.
        text: of the page; it is escaped.
    """
    source = script(_SCRIPT)
    policy = content_security_policy([source], style=style_sheet())
    html = render("note.html.j2", policy=policy, title=title, text=text, scripts=[Markup(source)])  # noqa: S704
    return StatusPage(html, policy)
