"""The channels of alerts: Airflow's notifiers, with the alert in the form of each kind of channel."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

    from midnight.alerts.alert import Alert
    from midnight.configuration.alerts import AlertChannel
    from midnight.configuration.pipeline import Pipeline

_log = logging.getLogger(__name__)


def send_to_channels(alert: Alert, pipeline: Pipeline) -> None:
    """Send an alert to the channels that want it."""
    for channel in pipeline.alerts.channels:
        if not channel.receives(alert.event):
            continue
        try:
            make_notifier(channel, alert).notify({})  # without a context: nothing of it is rendered
        except Exception as error:  # noqa: BLE001 - any client's error: an unreachable channel must not fail the run
            # Without the text: the clients' errors contain addresses, which are the secrets of webhooks.
            _log.warning(
                "The alert %r was NOT sent to the %s channel %r: %s; hint: check the Airflow connection %r",
                alert.headline,
                channel.kind,
                channel.connection,
                type(error).__name__,
                channel.connection,
            )
        else:
            _log.info("The alert %r was sent to the %s channel %r", alert.headline, channel.kind, channel.connection)


def make_notifier(channel: AlertChannel, alert: Alert) -> BaseNotifier:
    """Airflow's notifier with the alert in the form of the channel. Its texts are data: they are not rendered."""
    from midnight.alerts.messages import as_html, as_slack_message, as_teams_card, subject

    if channel.kind == "email":
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        return SmtpNotifier(
            smtp_conn_id=channel.connection, to=list(channel.to), subject=subject(alert), html_content=as_html(alert)
        )
    from airflow.providers.http.notifications.http import HttpNotifier

    payload: dict[str, Any] = asdict(alert)
    if channel.kind != "webhook":
        payload = {"teams": as_teams_card, "slack": as_slack_message}[channel.kind](alert)
    return HttpNotifier(http_conn_id=channel.connection, json=payload, extra_options={"timeout": 30})
