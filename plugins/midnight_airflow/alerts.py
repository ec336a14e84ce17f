"""Sends alerts through Airflow's notifiers. A channel that cannot be reached is logged; it never fails a task."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.configuration.pipeline import load_pipeline
from midnight.errors import MidnightError
from midnight.settings import load_settings
from midnight_airflow.alert_channels import send_to_channels
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.run_context import batch_id, first_try_number, run_links

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.sdk import Context

    from midnight.alerts.alert import Alert
    from midnight.alerts.from_ledger import Notice
    from midnight.alerts.make import Situation
    from midnight.configuration.pipeline import Pipeline
    from midnight.postgres_to_bronze.source_log import SourceLog

_log = logging.getLogger(__name__)


def alert_failed(context: Context) -> None:
    """``on_failure_callback`` of the pipeline's tasks: Airflow calls it when no retry is left."""
    from midnight.alerts.make import failed_alert

    pipeline = _pipeline_with_channels()
    if pipeline is None:
        return
    instance: Any = context["ti"]
    error = context.get("exception") or "the task was killed or lost; hint: see its log"
    situation = _situation(pipeline, context)
    run_id, first_try, logical_date = str(context["run_id"]), first_try_number(context), context.get("logical_date")
    alert = failed_alert(situation, run_id, instance.task_id, error, attempt=first_try, logical_date=logical_date)
    send(alert, pipeline)


def alert_run_failed(context: Context) -> None:
    """``on_failure_callback`` of the pipeline's DAG: also for a run that timed out, which has no failed task.

    The tasks of a failed run have reported the cause already; then nothing more is sent.
    """
    from midnight.alerts.make import failed_alert
    from midnight.alerts.sent import open_incidents

    pipeline = _pipeline_with_channels()
    if pipeline is None:
        return
    run_id, reason = str(context["run_id"]), str(context.get("reason") or "")
    settings = load_settings()
    try:
        incidents = open_incidents(settings.paths, open_lake(settings))
    except MidnightError:
        incidents = []
    if any(incident.incident.startswith(f"failed {run_id} ") for incident in incidents):
        return
    cause = "the run took longer than it may (timeout_minutes)" if "timed_out" in reason else "see the failed tasks"
    alert = failed_alert(_situation(pipeline, context), run_id, "", cause, logical_date=context.get("logical_date"))
    send(alert, pipeline)


def alert_waits_for_release(context: Context, error: MidnightError, hours: int) -> None:
    """Reports that a run waits for a person to release or reject it."""
    from midnight.alerts.make import waits_alert

    pipeline = _pipeline_with_channels()
    if pipeline is None:
        return
    instance: Any = context["ti"]
    situation = _situation(pipeline, context)
    send(waits_alert(situation, str(context["run_id"]), instance.task_id, error, hours), pipeline)


def alert_recovered(context: Context) -> None:
    """``on_success_callback`` of the last task: reports that readers have new data after an incident."""
    from midnight.alerts.make import recovered_alert
    from midnight.alerts.sent import close_incidents, open_incidents

    pipeline = _pipeline_with_channels()
    if pipeline is None:
        return
    settings = load_settings()
    lake = open_lake(settings)
    try:
        incidents = open_incidents(settings.paths, lake)
        troubles = [incident for incident in incidents if incident.event in ("failed", "late")]
        if troubles:
            send_to_channels(recovered_alert(_situation(pipeline, context), troubles), pipeline)
        close_incidents(settings.paths, lake, incidents)
    except MidnightError as error:
        _log.warning("The open incidents cannot be read or closed: %s", error)


def alert_notices(context: Context) -> None:
    """``on_success_callback`` of the silver task: rows in quarantine, warnings, changed columns, unexpected figures."""
    from midnight.alerts.from_ledger import notices
    from midnight.alerts.make import notice_alerts
    from midnight.lake.recent_ledger import read_run_entries

    pipeline = _pipeline_with_channels()
    if pipeline is None:
        return
    settings = load_settings()
    run_id = str(context["run_id"])
    try:
        own, before = read_run_entries(settings.paths.ledger, run_id, open_lake(settings).storage_options)
    except MidnightError as error:
        _log.warning("The ledger cannot be read, so its alerts are missing: %s", error)
        return
    batch = batch_id(context)
    found = [*notices(own, before, pipeline.alerts), *_unexpected_figures(batch, run_id)]
    rules = _rules_of({notice.table for notice in found if notice.event == "quarantine"})
    found = [
        notice._replace(text=f"{notice.text}: {rules[notice.table]}")
        if notice.event == "quarantine" and notice.table in rules
        else notice
        for notice in found
    ]
    for alert in notice_alerts(_situation(pipeline, context), batch, found) if found else ():
        send(alert, pipeline)


def _rules_of(tables: Collection[str]) -> dict[str, str]:
    """Silver name -> the rules that reject its rows; empty if they cannot be read, since the alert matters more."""
    from midnight.configuration.files import load_configuration
    from midnight.quarantine.overview import describe_rules, rejected_by_rule

    if not tables:
        return {}
    settings = load_settings()
    try:
        configured = [t for t in load_configuration(settings.config).tables if t.silver in tables]
        options = open_lake(settings).storage_options
        found = rejected_by_rule(settings.paths.ledger, settings.paths.quarantine, configured, options)
    except MidnightError as error:
        _log.warning("The rules of the rows in quarantine are not known: %s", error)
        return {}
    return describe_rules(found)


def _unexpected_figures(batch: str, run_id: str) -> list[Notice]:
    from midnight.alerts.from_ledger import Notice
    from midnight.run.anomalies import anomalies_of_run

    settings = load_settings()
    try:
        anomalies = anomalies_of_run(settings, open_lake(settings), batch, run_id)
    except MidnightError as error:
        _log.warning("The figures of the run cannot be compared with what is expected: %s", error)
        return []
    stopped = "; the run is not published"
    texts = [(each.table, each.message + (stopped if each.on_failure == "fail" else "")) for each in anomalies]
    return [Notice("anomaly", table, text) for table, text in texts]


def alert_source_log(context: Context) -> None:
    """``on_success_callback`` of the ingest tasks: the source's log grows, or something holds it."""
    from midnight.alerts.from_source import source_notices
    from midnight.alerts.make import notice_alerts

    pipeline = _pipeline_with_channels()
    if pipeline is None or not any(channel.receives("source_log") for channel in pipeline.alerts.channels):
        return
    try:
        log = asyncio.run(_read_source_log(pipeline))
    except Exception as error:  # noqa: BLE001 - Airflow's, asyncpg's or the network's: the run has read its tables
        # With Data Factory, Airflow may have no way to the source.
        _log.warning("The source's log cannot be seen, so its alert is missing: %s", type(error).__name__)
        return
    if log.log_bytes is None:
        _log.info("The size of the source's write-ahead log cannot be seen; hint: GRANT pg_monitor TO the reading role")
    found = source_notices(log, pipeline.alerts)
    for alert in notice_alerts(_situation(pipeline, context), batch_id(context), found) if found else ():
        send(alert, pipeline)


async def _read_source_log(pipeline: Pipeline) -> SourceLog:
    from midnight.postgres_to_bronze.source_connection import connect
    from midnight.postgres_to_bronze.source_log import read_source_log
    from midnight_airflow.hooks.source import source_address

    connection = await connect(source_address(pipeline.source.connection))
    try:
        return await read_source_log(connection)
    finally:
        await connection.close()


def alert_if_late(pipeline: Pipeline, deadline: datetime, context: Context) -> bool:
    """Send an alert if nothing was published since the last run was due; returns whether that is so.

    Args:
        pipeline: with a schedule.
        deadline: with a time zone.
        context: of the task.

    Raises:
        LakeError, ServingError: the record of the publication cannot be read.
    """
    from midnight.alerts.make import late_alert, published_in_time
    from midnight.gold_to_serving.publication import read_publication

    settings = load_settings()
    publication = read_publication(settings.paths, open_lake(settings))
    if published_in_time(publication, pipeline.schedule.last_before(deadline)):
        return False
    send(late_alert(_situation(pipeline, context), deadline), pipeline)
    return True


def send(alert: Alert, pipeline: Pipeline) -> None:
    """Send an alert to the channels that want it, unless its incident was reported before."""
    from midnight.alerts.sent import OpenIncident, claim_incident

    settings = load_settings()
    incident = OpenIncident(alert.incident, alert.event, alert.headline, datetime.now(UTC))
    try:
        first = claim_incident(settings.paths, open_lake(settings), incident)
    except MidnightError:  # the lake's credential cannot be had: the alert matters more than a second copy of it
        first = True
    if first:
        send_to_channels(alert, pipeline)
    else:
        _log.info("Alert %r was sent before", alert.incident)


def _pipeline_with_channels() -> Pipeline | None:
    """The pipeline, if alerts have a channel; a broken configuration is reported by the task itself."""
    try:
        pipeline = load_pipeline(load_settings().config)
    except MidnightError as error:
        _log.warning("No alert can be sent, since pipeline.yml is not valid: %s", error)
        return None
    return pipeline if pipeline.alerts.channels else None


def _situation(pipeline: Pipeline, context: Context) -> Situation:
    from midnight.alerts.make import Situation
    from midnight.gold_to_serving.publication import read_publication

    settings = load_settings()
    try:
        publication = read_publication(settings.paths, open_lake(settings))
    except MidnightError:
        publication = None
    return Situation(
        pipeline=pipeline.source.name,
        now=datetime.now(UTC),
        timezone=pipeline.schedule.timezone,
        publication=publication,
        links=run_links(context),
        airflow="midnight airflow" if settings.profile == "local" else "airflow",
    )
