"""The alerts of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from midnight.alerts.alert import Alert, describe_readers, public_cause, split_hint
from midnight.alerts.commands import again_command
from midnight.alerts.from_ledger import Notice
from midnight.alerts.sent import OpenIncident
from midnight.durations import describe_age
from midnight.errors import StoppedTablesError
from midnight.gold_to_serving.publication import Publication

_HEADLINES = {
    "quarantine": "rows in quarantine",
    "warnings": "new warnings, or more than allowed",
    "schema_changed": "the source's tables have changed",
    "anomaly": "figures are not as expected",
    "source_log": "the source keeps more of its log than allowed",
}
_HINTS = {
    "quarantine": "correct the rows in the source, or the rule that rejects them",
    "warnings": "correct the rows in the source, or the check",
    "schema_changed": "let the table's file follow the source; midnight doctor names each file",
    "anomaly": "compare with the source; if it is right, say so with an expectation (docs/expectations.md)",
    "source_log": "",  # each text has its own
}


class Tries(NamedTuple):
    """A failed try of a task.

    Args:
        number: of the failed try since the task was cleared, from 1.
        most: how many it gets.
        first: number of the first try since the task was cleared; a failure after a clear is another incident.
        next_at: when the next one begins at the latest.
    """

    number: int
    most: int
    first: int
    next_at: datetime


@dataclass(frozen=True)
class Situation:
    """What all alerts of a moment share.

    Args:
        pipeline: name of the source, for the headline.
        now: with a time zone.
        timezone: of the schedule.
        publication: the current one, None if there is none or it cannot be read.
        links: label -> address.
        airflow: how Airflow's command line is called in this profile.
        unread: why the publication cannot be read; empty if it was read.
    """

    pipeline: str
    now: datetime
    timezone: str
    publication: Publication | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    airflow: str = "airflow"
    unread: str = ""

    @property
    def readers(self) -> str:
        return describe_readers(self.publication, self.now, self.timezone, self.unread)


def failed_alert(
    situation: Situation,
    run_id: str,
    task_id: str,
    error: object,
    *,
    attempt: int = 1,
    logical_date: datetime | None = None,
) -> Alert:
    """A task of a run failed, and no retry is left.

    Args:
        situation: of the moment.
        run_id: Airflow's.
        task_id: of the task; empty when the run itself failed (timeout).
        error: an exception or a text.
        attempt: number of the first try since the task was cleared; a failure after a clear is another incident.
        logical_date: of the run; None for one that was triggered without it, which Airflow's command cannot select.
    """
    outcome = f"the run failed {f'in {task_id}' if task_id else 'as a whole'}"
    if isinstance(error, StoppedTablesError) and "." not in task_id:  # the last task, which belongs to no stage
        outcome = "published without some tables"
    cause, hint = split_hint(public_cause(error))
    kind = type(error) if isinstance(error, BaseException) else None
    return Alert(
        event="failed",
        incident=f"failed {run_id} {attempt}",
        headline=f"{situation.pipeline}: {outcome}",
        cause=cause,
        hint=hint or "correct the cause",
        command=again_command(situation.airflow, logical_date, task_id, kind),
        readers=situation.readers,
        links=situation.links,
    )


def retrying_alert(situation: Situation, run_id: str, task_id: str, error: object, tries: Tries) -> Alert:
    """The first try of a task failed, and Airflow tries again: people can correct the cause before it gives up.

    Args:
        situation: of the moment.
        run_id: Airflow's.
        task_id: of the task.
        error: an exception or a text.
        tries: which try failed, and when the next one begins.
    """
    cause, hint = split_hint(public_cause(error))
    latest = tries.next_at.astimezone(ZoneInfo(situation.timezone))
    again = f"Airflow tries again by itself, at {latest:%H:%M:%S} {situation.timezone} at the latest"
    return Alert(
        event="retrying",
        incident=f"retrying {run_id} {task_id} {tries.first}",
        headline=f"{situation.pipeline}: try {tries.number} of {tries.most} failed in {task_id}",
        cause=cause,
        hint=f"{hint or 'look at its log if the next try fails, too'}. {again}",
        readers=situation.readers,
        links=situation.links,
    )


def waits_alert(situation: Situation, run_id: str, task_id: str, error: object, hours: int) -> Alert:
    """A task waits for a person to decide whether to publish although checks failed.

    Args:
        situation: of the moment.
        run_id: Airflow's.
        task_id: of the task.
        error: what stops the publication.
        hours: how long it waits.
    """
    cause, hint = split_hint(public_cause(error))
    return Alert(
        event="failed",
        incident=f"waits {run_id} {task_id} {public_cause(error)}",
        headline=f"{situation.pipeline}: {task_id} waits for a decision, at most {hours} h",
        cause=cause,
        hint="approve or reject it under Required Actions of the run in Airflow"
        + (f"; to publish nothing: {hint}" if hint else ""),
        readers=situation.readers,
        links=situation.links,
    )


def recovered_alert(situation: Situation, incidents: Sequence[OpenIncident]) -> Alert:
    """A run has published after incidents.

    Args:
        situation: with the new publication.
        incidents: those that it resolves, oldest first; at least one.
    """
    since = describe_age(situation.now - incidents[0].sent_at)
    resolved = "; ".join(incident.headline for incident in incidents[-3:])
    return Alert(
        event="recovered",
        incident=f"recovered {incidents[-1].incident}",
        headline=f"{situation.pipeline}: published again, {since} after the first alert",
        cause=f"Resolved: {resolved}",
        readers=situation.readers,
        links=situation.links,
    )


def late_alert(situation: Situation, deadline: datetime) -> Alert:
    """Nothing was published by the deadline.

    Args:
        situation: of the moment.
        deadline: with the schedule's time zone.
    """
    return Alert(
        event="late",
        incident=f"late {deadline.isoformat()}",
        headline=f"{situation.pipeline}: nothing published by {deadline:%H:%M} {situation.timezone}",
        cause=situation.unread
        or "No run has published since the scheduled time. It may be running, waiting for a retry, or not started.",
        hint="look at the newest run: is one active, does a task wait for its retry, is the DAG paused?",
        command=f"{situation.airflow} dags list-runs midnight_pipeline",
        readers=situation.readers,
        links=situation.links,
    )


def notice_alerts(situation: Situation, batch_id: str, found: Sequence[Notice]) -> list[Alert]:
    """One alert per event, with all tables that it concerns.

    Args:
        situation: of the moment.
        batch_id: the run's.
        found: from ``from_ledger.notices``.
    """
    alerts = []
    for event in dict.fromkeys(notice.event for notice in found):
        texts = [notice.text for notice in found if notice.event == event]
        tables = [notice.table for notice in found if notice.event == event]
        more = [f"and {len(texts) - 10} more tables"] if len(texts) > 10 else []
        alerts.append(
            Alert(
                event=event,
                incident=f"{event} {batch_id}",
                headline=f"{situation.pipeline}: {_HEADLINES[event]}",
                cause="\n".join([*texts[:10], *more]),
                hint=_HINTS[event],
                command=f"midnight quarantine explain {tables[0]}" if event == "quarantine" else "",
                readers=f"The run continues. {situation.readers}",
                links=situation.links,
            )
        )
    return alerts


def published_in_time(publication: Publication | None, scheduled: datetime | None) -> bool:
    """Whether something was published since the last scheduled time.

    Args:
        publication: the current one.
        scheduled: the last time at which a run was due before the deadline; None without a schedule, which has no
            deadline.
    """
    return scheduled is None or (publication is not None and publication.published_at >= scheduled)
