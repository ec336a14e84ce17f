"""Sends alerts through Airflow's notifiers. A channel that cannot be reached is logged; it never fails a task."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from midnight.configuration.pipeline import load_pipeline
from midnight.errors import MidnightError
from midnight.settings import load_settings
from midnight_airflow.alert_channels import send_to_channels
from midnight_airflow.hooks.lake import BRIEFLY, open_lake
from midnight_airflow.run_context import first_try_number, run_links

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.alerts.alert import Alert
    from midnight.alerts.make import Situation
    from midnight.configuration.pipeline import Pipeline

_log = logging.getLogger(__name__)


_KILLED = "the task was killed or lost; hint: see its log"


def alert_retrying(context: Context) -> None:
    """``on_retry_callback`` of the pipeline's tasks: the first failed try, so that people know it before the last."""
    from midnight.alerts.make import Tries, retrying_alert

    pipeline = pipeline_with_channels()
    if pipeline is None:
        return
    instance: Any = context["ti"]
    first = first_try_number(context)
    if int(instance.try_number) > first:
        return
    next_at = datetime.now(UTC) + longest_retry_delay(instance.task, first)
    tries = Tries(1, int(instance.max_tries) - first + 2, first, next_at)
    error = context.get("exception") or _KILLED
    alert = retrying_alert(situation_of(pipeline, context), str(context["run_id"]), instance.task_id, error, tries)
    send(alert, pipeline)


def longest_retry_delay(task: Any, try_number: int) -> timedelta:
    """When the next try begins at the latest: Airflow waits between once and twice the exponential delay.

    Source: ``airflow.models.taskinstance.TaskInstance.next_retry_datetime``.
    """
    delay: timedelta = task.retry_delay
    factor = float(task.retry_exponential_backoff or 1.0)
    if factor != 1.0:
        delay = timedelta(seconds=max(1.0, delay.total_seconds() * factor ** min(try_number - 1, 30)) * 2)
    return min(delay, task.max_retry_delay) if task.max_retry_delay else delay


def alert_failed(context: Context) -> None:
    """``on_failure_callback`` of the pipeline's tasks: Airflow calls it when no retry is left."""
    from midnight.alerts.make import failed_alert

    pipeline = pipeline_with_channels()
    if pipeline is None:
        return
    instance: Any = context["ti"]
    error = context.get("exception") or _KILLED
    situation = situation_of(pipeline, context)
    run_id, first_try, logical_date = str(context["run_id"]), first_try_number(context), context.get("logical_date")
    alert = failed_alert(situation, run_id, instance.task_id, error, attempt=first_try, logical_date=logical_date)
    send(alert, pipeline)


def alert_run_failed(context: Context) -> None:
    """``on_failure_callback`` of the pipeline's DAG: also for a run that timed out, which has no failed task.

    The tasks of a failed run have reported the cause already; then nothing more is sent.
    """
    from midnight.alerts.make import failed_alert
    from midnight.alerts.sent import open_incidents

    pipeline = pipeline_with_channels()
    if pipeline is None:
        return
    run_id, reason = str(context["run_id"]), str(context.get("reason") or "")
    settings = load_settings()
    try:
        incidents = open_incidents(settings.paths, open_lake(settings, BRIEFLY))
    except MidnightError:
        incidents = []
    if any(incident.incident.startswith(f"failed {run_id} ") for incident in incidents):
        return
    cause = "the run took longer than it may (timeout_minutes)" if "timed_out" in reason else "see the failed tasks"
    alert = failed_alert(situation_of(pipeline, context), run_id, "", cause, logical_date=context.get("logical_date"))
    send(alert, pipeline)


def alert_waits_for_release(context: Context, error: MidnightError, hours: int) -> None:
    """Reports that a run waits for a person to release or reject it."""
    from midnight.alerts.make import waits_alert

    pipeline = pipeline_with_channels()
    if pipeline is None:
        return
    instance: Any = context["ti"]
    situation = situation_of(pipeline, context)
    send(waits_alert(situation, str(context["run_id"]), instance.task_id, error, hours), pipeline)


def alert_recovered(context: Context) -> None:
    """``on_success_callback`` of the last task: reports that readers have new data after an incident."""
    from midnight.alerts.make import recovered_alert
    from midnight.alerts.sent import close_incidents, open_incidents

    pipeline = pipeline_with_channels()
    if pipeline is None:
        return
    settings = load_settings()
    lake = open_lake(settings, BRIEFLY)
    try:
        incidents = open_incidents(settings.paths, lake)
        troubles = [incident for incident in incidents if incident.event in ("failed", "retrying", "late")]
        if troubles:
            send_to_channels(recovered_alert(situation_of(pipeline, context), troubles), pipeline)
        close_incidents(settings.paths, lake, incidents)
    except MidnightError as error:
        _log.warning("The open incidents cannot be read or closed: %s", error)


def alert_if_late(pipeline: Pipeline, deadline: datetime, context: Context) -> bool:
    """Send an alert if nothing was published since the last run was due; returns whether that is so.

    A record of the publication that cannot be read counts as late, and the alert says so.

    Args:
        pipeline: with a schedule.
        deadline: with a time zone.
        context: of the task.
    """
    from midnight.alerts.make import late_alert, published_in_time

    situation = situation_of(pipeline, context)
    if not situation.unread and published_in_time(situation.publication, pipeline.schedule.last_before(deadline)):
        return False
    send(late_alert(situation, deadline), pipeline)
    return True


def send(alert: Alert, pipeline: Pipeline) -> None:
    """Send an alert to the channels that want it, unless its incident was reported before."""
    from midnight.alerts.sent import OpenIncident, claim_incident

    settings = load_settings()
    incident = OpenIncident(alert.incident, alert.event, alert.headline, datetime.now(UTC))
    try:
        first = claim_incident(settings.paths, open_lake(settings, BRIEFLY), incident)
    except MidnightError:  # the lake's credential cannot be had: the alert matters more than a second copy of it
        first = True
    if first:
        send_to_channels(alert, pipeline)
    else:
        _log.info("Alert %r was sent before", alert.incident)


def pipeline_with_channels() -> Pipeline | None:
    """The pipeline, if alerts have a channel; a broken configuration is reported by the task itself."""
    try:
        pipeline = load_pipeline(load_settings().config)
    except MidnightError as error:
        _log.warning("No alert can be sent, since pipeline.yml is not valid: %s", error)
        return None
    return pipeline if pipeline.alerts.channels else None


def situation_of(pipeline: Pipeline, context: Context) -> Situation:
    """What all alerts of this moment share; never fails, since the alert matters more."""
    from midnight.alerts.alert import public_cause
    from midnight.alerts.make import Situation
    from midnight.gold_to_serving.publication import read_publication

    settings = load_settings()
    publication, unread = None, ""
    try:
        publication = read_publication(settings.paths, open_lake(settings, BRIEFLY))
    except MidnightError as error:
        unread = public_cause(error)
    return Situation(
        pipeline=pipeline.source.name,
        now=datetime.now(UTC),
        timezone=pipeline.schedule.timezone,
        publication=publication,
        unread=unread,
        links=run_links(context),
        airflow="midnight airflow" if settings.profile == "local" else "airflow",
    )
