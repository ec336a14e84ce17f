"""The channels of alerts: their Airflow connections, and whether their servers answer with TLS."""

from __future__ import annotations

import json
import os
import smtplib
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cli.checks.finding import NETWORK_HINT, Finding
from cli.instance.connections import read_connections
from cli.instance.folder import Instance
from midnight.configuration.alerts import AlertChannel
from midnight.configuration.pipeline import Pipeline
from midnight.settings import Settings

SECONDS = 10
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def check_channels(settings: Settings, pipeline: Pipeline) -> list[Finding]:
    """Every channel, without sending anything. A broken channel does not stop a run, so it is a warning.

    Args:
        settings: of the profile, which decides where connections are.
        pipeline: with the channels.
    """
    findings = []
    for channel in pipeline.alerts.channels:
        fields, found = _fields(settings, channel)
        findings += found if fields is None else [_check(channel, fields)]
    return findings


def send_test_alert(settings: Settings, pipeline: Pipeline) -> list[Finding]:
    """Send one message through every channel, whatever its events are.

    Args:
        settings: of the profile.
        pipeline: with the channels.
    """
    from midnight.alerts.alert import Alert
    from midnight_airflow.alert_channels import make_notifier

    name = pipeline.source.name
    alert = Alert("recovered", "test", f"{name}: a test of midnight doctor; nothing has happened")
    findings = []
    for channel in pipeline.alerts.channels:
        fields, found = _fields(settings, channel)
        if fields is None:
            findings += found
            continue
        if settings.profile == "local":  # Airflow's notifier looks there first
            os.environ[f"AIRFLOW_CONN_{channel.connection.upper()}"] = json.dumps(fields)
        try:
            make_notifier(channel, alert).notify({})
        except Exception as error:  # noqa: BLE001 - any client's error; its text may contain the address, a secret
            found_text = f"the test alert was not sent: {type(error).__name__}"
            findings.append(Finding.warn(_name(channel), found_text, _hint(channel)))
        else:
            findings.append(Finding.ok(_name(channel), "the test alert was accepted; look whether it has arrived"))
    return findings


def _name(channel: AlertChannel) -> str:
    return f"alerts: {channel.kind}"


def _hint(channel: AlertChannel) -> str:
    return f"correct the Airflow connection {channel.connection!r} (docs/alerts.md)"


def _fields(settings: Settings, channel: AlertChannel) -> tuple[Mapping[str, Any] | None, list[Finding]]:
    """Fields of the channel's connection, or the findings about why there are none."""
    name = channel.connection
    if settings.profile == "local":
        fields = read_connections(Instance(settings.home).connections).get(name)
        if fields is not None or f"AIRFLOW_CONN_{name.upper()}" not in os.environ:
            where = f"add it to connections.yaml in {settings.home} (docs/alerts.md)"
            missing = [Finding.warn(_name(channel), f"connection {name!r} does not exist", where)]
            return fields, [] if fields is not None else missing
    from cli.checks.azure_connections import WantedConnection, find_connections

    usable, found = find_connections([WantedConnection(name, "alerts", ("host",))])
    if name not in usable:
        problems = [Finding.warn(_name(channel), f.found, f.hint) for f in found if f.state != "ok"]
        return None, problems or [Finding.warn(_name(channel), f"connection {name!r} does not exist", _hint(channel))]
    connection = usable[name]
    keys = ("conn_type", "host", "port", "schema", "login", "password")
    return {**{key: getattr(connection, key) for key in keys}, "extra": connection.extra_dejson}, []


def _check(channel: AlertChannel, fields: Mapping[str, Any]) -> Finding:
    wanted = "smtp" if channel.kind == "email" else "http"
    if fields.get("conn_type") != wanted:
        found = f"connection {channel.connection!r} has type {fields.get('conn_type')!r}, not {wanted!r}"
        return Finding.warn(_name(channel), found, _hint(channel))
    if not fields.get("host"):
        return Finding.warn(_name(channel), f"connection {channel.connection!r} has no host", _hint(channel))
    try:
        return _check_mail(channel, fields) if wanted == "smtp" else _check_web(channel, str(fields["host"]))
    except smtplib.SMTPAuthenticationError:
        found = f"the server of connection {channel.connection!r} refuses its login or password"
        return Finding.warn(_name(channel), found, _hint(channel))
    except ssl.SSLError as error:
        found = f"the server of connection {channel.connection!r} does not speak TLS as expected: {error.reason}"
        hint = "port and the extras disable_ssl and disable_tls must fit the server; its certificate must be valid"
        return Finding.warn(_name(channel), found, hint)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        found = f"the server of connection {channel.connection!r} cannot be reached: {type(error).__name__}"
        return Finding.warn(_name(channel), found, NETWORK_HINT)


def _check_mail(channel: AlertChannel, fields: Mapping[str, Any]) -> Finding:
    """Connect, start TLS and sign in, as Airflow's hook does; no message is sent."""
    extra = fields.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    host, implicit = str(fields["host"]), not _is_true(extra.get("disable_ssl"))
    port = int(fields.get("port") or (465 if implicit else 587))
    client: smtplib.SMTP = (
        smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=ssl.create_default_context())
        if implicit
        else smtplib.SMTP(host, port, timeout=SECONDS)
    )
    with client:
        encrypted = implicit
        if not implicit and not _is_true(extra.get("disable_tls")):
            client.starttls(context=ssl.create_default_context())
            encrypted = True
        if fields.get("login") and fields.get("password"):
            client.login(str(fields["login"]), str(fields["password"]))
    if not extra.get("from_email"):
        found = f"connection {channel.connection!r} has no from_email in its extra"
        return Finding.warn(_name(channel), found, _hint(channel))
    return _answered(channel, host, port, encrypted=encrypted)


def _check_web(channel: AlertChannel, address: str) -> Finding:
    """Connect, with TLS where the address has it; nothing is requested. Its path is a secret and is never shown."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if encrypted else 80)
    with socket.create_connection((host, port), timeout=SECONDS) as plain:
        if encrypted:
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                pass
    return _answered(channel, host, port, encrypted=encrypted)


def _answered(channel: AlertChannel, host: str, port: int, *, encrypted: bool) -> Finding:
    found = f"{host}:{port} answers{' with TLS' if encrypted else ''}"
    if not encrypted and host not in _LOCAL:
        return Finding.warn(_name(channel), f"{found}, without TLS", f"use TLS; {_hint(channel)}")
    return Finding.ok(_name(channel), found)


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"
