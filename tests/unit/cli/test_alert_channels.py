"""`midnight doctor` checks the channels of alerts: real servers, and those that are missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cli.checks.alert_channels import check_channels, send_test_alert
from cli.postgres.embedded import free_port
from midnight.configuration.pipeline import Pipeline
from midnight.settings import load_settings
from tests.support.alert_sinks import smtp_sink, web_sink

PLAIN = {"disable_ssl": True, "disable_tls": True, "retry_limit": 0}


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path))
    monkeypatch.delenv("MIDNIGHT_PROFILE", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_CHANNEL", raising=False)

    def check(kind: str, connection: dict | None, run=check_channels) -> tuple[str, str, str]:
        if connection is not None:
            (tmp_path / "connections.yaml").write_text(yaml.safe_dump({"channel": connection}))
        to = {"to": ["team@example.com"]} if kind == "email" else {}
        channels = [{"kind": kind, "connection": "channel", **to}]
        pipeline = Pipeline.model_validate({"source": {"name": "shop"}, "alerts": {"channels": channels}})
        (finding,) = run(load_settings(), pipeline)
        return finding.state, finding.found, finding.hint

    return check


def test_channels_that_answer(checked):
    with smtp_sink() as (port, mails), web_sink() as sink:
        mail = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": port,
            "extra": {**PLAIN, "from_email": "m@example.com"},
        }
        assert checked("email", mail)[:2] == ("ok", f"127.0.0.1:{port} answers")
        web = {"conn_type": "http", "host": f"{sink.url}/hook/SECRET"}
        assert checked("teams", web)[:2] == ("ok", f"{sink.url.removeprefix('http://')} answers")
        assert (mails, sink.posts) == ([], [])  # nothing was sent


def test_a_test_alert_is_sent_when_it_is_asked_for(checked, monkeypatch):
    with web_sink() as sink:
        web = {"conn_type": "http", "host": f"{sink.url}/hook/SECRET"}
        assert checked("webhook", web, send_test_alert)[0] == "ok"
    ((_, document),) = sink.posts
    assert "a test of midnight doctor" in document["headline"]
    with web_sink(status=403) as sink:
        state, found, _ = checked("webhook", {**web, "host": f"{sink.url}/hook/SECRET"}, send_test_alert)
    assert (state, "SECRET" in found) == ("warn", False)


@pytest.mark.parametrize(
    ("kind", "connection", "found"),
    [
        ("slack", None, "connection 'channel' does not exist"),
        ("slack", {"conn_type": "smtp", "host": "h"}, "connection 'channel' has type 'smtp', not 'http'"),
        ("email", {"conn_type": "smtp"}, "connection 'channel' has no host"),
        ("slack", {"conn_type": "http", "host": "https://127.0.0.1:{port}/SECRET"}, "cannot be reached: Connection"),
        ("email", {"conn_type": "smtp", "host": "127.0.0.1", "port": "{smtp}", "extra": PLAIN}, "no from_email"),
        # TLS is expected of a server that does not have it.
        ("email", {"conn_type": "smtp", "host": "127.0.0.1", "port": "{smtp}"}, "does not speak TLS"),
        ("slack", {"conn_type": "http", "host": "https://127.0.0.1:{smtp}/SECRET"}, "does not speak TLS"),
    ],
)
def test_channels_that_do_not_work(checked, kind, connection, found):
    with smtp_sink() as (port, _):
        text = json.dumps(connection).replace("{smtp}", str(port)).replace("{port}", str(free_port()))
        state, said, hint = checked(kind, json.loads(text))
    assert (state, bool(hint)) == ("warn", True)
    assert found in said
    assert "SECRET" not in said + hint
