"""The alerts of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from midnight.alerts.alert import Alert, describe_readers, public_cause
from midnight.alerts.commands import again_command
from midnight.alerts.from_ledger import Notice
from midnight.alerts.sent import OpenIncident
from midnight.durations import describe_age
from midnight.gold_to_serving.publication import Publication

_HEADLINES = {
    "quarantine": "rows in quarantine",
    "warnings": "new warnings, or more than allowed",
    "schema_changed": "the source's tables have changed",
    "anomaly": "figures are not as expected",
    "source_log": "the source keeps more of its log than allowed",
}


@dataclass(frozen=True)
class Situation:
    """What all alerts of a moment share.

    Args:
        pipeline: name of the source, for the headline.
        now: with a time zone.
        timezone: of the schedule.
        publication: the current one, None if there is none or the lake cannot be read.
        links: label -> address.
        airflow: how Airflow's command line is called in this profile.
    """

    pipeline: str
    now: datetime
    timezone: str
    publication: Publication | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    airflow: str = "airflow"

    @property
    def readers(self) -> str:
        return describe_readers(self.publication, self.now, self.timezone)


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
    where = f"in {task_id}" if task_id else "as a whole"
    return Alert(
        event="failed",
        incident=f"failed {run_id} {attempt}",
        headline=f"{situation.pipeline}: the run failed {where}",
        cause=public_cause(error),
        readers=situation.readers,
        command=f"fix the cause, then {again_command(situation.airflow, logical_date)}",
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
    return Alert(
        event="failed",
        incident=f"waits {run_id} {task_id} {public_cause(error)}",
        headline=f"{situation.pipeline}: {task_id} waits for a decision, at most {hours} h",
        cause=public_cause(error),
        readers=situation.readers,
        command="approve or reject under Required actions of the task in Airflow",
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
        cause="No run has published since the scheduled time. It may be running, waiting for a retry, or not started.",
        readers=situation.readers,
        command=f"{situation.airflow} dags list-runs midnight_pipeline",
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
        more = f"; and {len(texts) - 10} more tables" if len(texts) > 10 else ""
        alerts.append(
            Alert(
                event=event,
                incident=f"{event} {batch_id}",
                headline=f"{situation.pipeline}: {_HEADLINES[event]}",
                cause="; ".join(texts[:10]) + more,
                readers=f"The run continues. {situation.readers}",
                command=f"midnight quarantine explain {tables[0]}" if event == "quarantine" else "",
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
