"""Alerts of a run that goes on: what its ledger and the source's log have to say to people."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from midnight.errors import MidnightError
from midnight.settings import load_settings
from midnight_airflow.alerts import pipeline_with_channels, send, situation_of
from midnight_airflow.hooks.lake import BRIEFLY, open_lake
from midnight_airflow.run_context import batch_id

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa
    from airflow.sdk import Context

    from midnight.alerts.from_ledger import Notice
    from midnight.configuration.pipeline import Pipeline
    from midnight.postgres_to_bronze.source_log import SourceLog

_log = logging.getLogger(__name__)


def alert_notices(context: Context) -> None:
    """``on_success_callback`` of the silver task: rows in quarantine, warnings, changed columns, unexpected figures."""
    from midnight.alerts.from_ledger import notices
    from midnight.alerts.make import notice_alerts
    from midnight.lake.ledger import read_ledger_rows
    from midnight.lake.recent_ledger import entries_of_run

    pipeline = pipeline_with_channels()
    if pipeline is None:
        return
    settings = load_settings()
    run_id = str(context["run_id"])
    try:
        rows = read_ledger_rows(settings.paths.ledger, open_lake(settings, BRIEFLY).storage_options)
    except MidnightError as error:
        _log.warning("The ledger cannot be read, so its alerts are missing: %s", error)
        return
    batch, (own, before) = batch_id(context), entries_of_run(rows, run_id)
    found = [*notices(own, before, pipeline.alerts), *_unexpected_figures(batch, run_id, rows)]
    rules = _rules_of({notice.table for notice in found if notice.event == "quarantine"}, rows)
    found = [
        notice._replace(text=f"{notice.text}: {rules[notice.table]}")
        if notice.event == "quarantine" and notice.table in rules
        else notice
        for notice in found
    ]
    for alert in notice_alerts(situation_of(pipeline, context), batch, found) if found else ():
        send(alert, pipeline)


def _rules_of(tables: Collection[str], ledger: pa.Table | None) -> dict[str, str]:
    """Silver name -> the rules that reject its rows; empty if they cannot be read, since the alert matters more."""
    from midnight.configuration.files import load_configuration
    from midnight.quarantine.overview import describe_rules, rejected_by_rule

    if not tables:
        return {}
    settings = load_settings()
    try:
        configured = [t for t in load_configuration(settings.config).tables if t.silver in tables]
        options = open_lake(settings, BRIEFLY).storage_options
        found = rejected_by_rule(ledger, settings.paths.quarantine, configured, options)
    except MidnightError as error:
        _log.warning("The rules of the rows in quarantine are not known: %s", error)
        return {}
    return describe_rules(found)


def _unexpected_figures(batch: str, run_id: str, ledger: pa.Table | None) -> list[Notice]:
    from midnight.alerts.from_ledger import Notice
    from midnight.run.anomalies import anomalies_of_run

    settings = load_settings()
    try:
        anomalies = anomalies_of_run(settings, open_lake(settings, BRIEFLY), batch, run_id, ledger)
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

    pipeline = pipeline_with_channels()
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
    for alert in notice_alerts(situation_of(pipeline, context), batch_id(context), found) if found else ():
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
