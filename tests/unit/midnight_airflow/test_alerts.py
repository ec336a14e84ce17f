"""Alerts through Airflow's notifiers to a real SMTP server and to web servers."""

from __future__ import annotations

import json
import shlex
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from midnight.alerts.make import Situation, failed_alert, late_alert
from midnight.errors import NotPublishedError, SourceError
from midnight.gold_to_serving.publication import record_publication
from midnight.lake.files import open_local_lake
from midnight.settings import load_settings
from midnight_airflow.alerts import alert_failed, alert_recovered, alert_retrying, alert_run_failed, longest_retry_delay
from midnight_airflow.notices import alert_notices
from midnight_airflow.operators.check_deadline import CheckDeadlineOperator
from midnight_airflow.operators.publish_views import PublishViewsOperator
from tests.support.alert_sinks import smtp_sink, web_sink
from tests.support.publications import published

CHANNEL = "{{kind: {kind}, connection: {kind}_channel{more}}}"


def configure(folder: Path, *channels: str, more: str = "") -> None:
    written = ", ".join(
        CHANNEL.format(kind=kind, more=", to: [team@example.com]" if kind == "email" else "") for kind in channels
    )
    (folder / "pipeline.yml").write_text(f"source: {{name: shop}}\nalerts:\n  channels: [{written}]\n{more}")


def publish(published_at: datetime) -> None:
    settings = load_settings()
    record = published(published_at)
    record_publication(settings.paths, open_local_lake(), record)


@pytest.fixture
def folder(local_home, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(local_home))
    return local_home


@pytest.fixture
def context(dag_run) -> dict[str, Any]:
    return dag_run.try_task(PublishViewsOperator(task_id="serve.gold_to_serving", retries=2))


@pytest.mark.parametrize("logical_date", [None, datetime(2026, 11, 30, 5, tzinfo=UTC)])
@pytest.mark.parametrize("profile", ["local", "azure"])
def test_the_next_command_is_one_of_airflows(logical_date, profile):
    """Read by Airflow's own parser, which refuses options that it does not have."""
    from airflow.cli.cli_parser import get_parser

    airflow = {"local": "midnight airflow", "azure": "airflow"}[profile]
    situation = Situation("shop", datetime.now(UTC), "UTC", airflow=airflow)
    failed = failed_alert(situation, "r", "t", "", logical_date=logical_date).command
    for command in (failed, late_alert(situation, datetime.now(UTC)).command):
        assert command.startswith(f"{airflow} ")
        arguments = get_parser().parse_args(shlex.split(command.removeprefix(airflow)))
        assert arguments.dag_id == "midnight_pipeline"
    if logical_date is not None:
        chosen = get_parser().parse_args(shlex.split(failed.removeprefix(airflow)))
        assert (chosen.start_date, chosen.end_date, chosen.only_failed) == (logical_date, logical_date, True)


def connect(monkeypatch: pytest.MonkeyPatch, kind: str, address: str) -> None:
    connection = {"conn_type": "http", "host": address}
    if kind == "email":
        extra = {"from_email": "midnight@example.com", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": int(address), "extra": json.dumps(extra)}
    monkeypatch.setenv(f"AIRFLOW_CONN_{kind.upper()}_CHANNEL", json.dumps(connection))


def test_a_failure_reaches_every_channel_once(folder, context, monkeypatch):
    configure(folder, "email", "teams", "slack", "webhook")
    publish(datetime.now(UTC) - timedelta(hours=3, minutes=5))
    with smtp_sink() as (port, mails), web_sink() as teams, web_sink() as slack, web_sink() as webhook:
        connect(monkeypatch, "email", str(port))
        for kind, sink in {"teams": teams, "slack": slack, "webhook": webhook}.items():
            connect(monkeypatch, kind, f"{sink.url}/hook/{kind}")
        failure = context | {"exception": SourceError("the source is down", "start it")}
        alert_failed(failure)
        alert_failed(failure)  # a task that failed at the same time
        alert_run_failed(context | {"reason": "task_failure"})
    (mail,) = mails
    assert mail["To"] == "team@example.com"
    assert mail["Subject"] == "[Midnight] ✗ shop: the run failed in serve.gold_to_serving"
    body = mail.get_body(("html",)).get_content()
    for text in (
        "<p>the source is down</p>",
        "<strong>Do:</strong> start it",
        "3 h old",
        "midnight airflow dags trigger midnight_pipeline",
        "/runs/manual__1",
    ):
        assert text in body
    ((path, document),) = webhook.posts
    assert path == "/hook/webhook"
    assert [document[key] for key in ("event", "cause", "hint")] == ["failed", "the source is down", "start it"]
    assert document["links"]["Run"].endswith("/dags/midnight_pipeline/runs/manual__1")
    ((_, card),) = teams.posts
    assert card["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    ((_, message),) = slack.posts
    assert "the run failed" in message["text"]


def test_the_first_failed_try_is_reported_at_once_and_its_recovery(folder, dag_run, monkeypatch):
    configure(folder, "webhook")
    operator = PublishViewsOperator(
        task_id="serve.gold_to_serving",
        retries=2,
        retry_delay=timedelta(seconds=60),
        retry_exponential_backoff=2.0,
        max_retry_delay=timedelta(minutes=30),
    )
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        before = datetime.now(UTC)
        for _ in range(2):
            alert_retrying(dag_run.try_task(operator) | {"exception": SourceError("the source is down", "start it")})
        publish(datetime.now(UTC))
        alert_recovered(dag_run.try_task(operator))
    (retrying, recovered) = (document for _, document in sink.posts)
    assert retrying["headline"] == "shop: try 1 of 3 failed in serve.gold_to_serving"
    assert retrying["hint"].startswith("start it. Airflow tries again by itself, at ")
    at = datetime.strptime(retrying["hint"].partition("itself, at ")[2][:8], "%H:%M:%S").time()
    assert (before + timedelta(seconds=115)).time() < at < (before + timedelta(seconds=130)).time()
    assert retrying["command"] == ""
    assert recovered["event"] == "recovered"
    assert "try 1 of 3 failed" in recovered["cause"]


@pytest.mark.parametrize("tries", [1, 2, 3, 8])
def test_the_next_try_begins_no_later_than_airflow_computes(tries):
    """``next_retry_datetime`` takes a part of the wait from a hash of the task."""
    from airflow.models.taskinstance import TaskInstance

    operator = PublishViewsOperator(
        task_id="t",
        retry_delay=timedelta(seconds=60),
        retry_exponential_backoff=2.0,
        max_retry_delay=timedelta(minutes=30),
    )
    end = datetime(2026, 1, 2, tzinfo=UTC)
    waits = []
    for day in range(50):
        instance = SimpleNamespace(
            task=operator, try_number=tries, dag_id="d", task_id="t", logical_date=day, end_date=end,
            retry_delay_override=None,
        )  # fmt: skip
        waits.append(TaskInstance.next_retry_datetime(instance) - end)
    latest = longest_retry_delay(operator, tries)
    assert max(waits) <= latest
    assert max(waits) > latest * 0.8


def test_a_failure_after_a_clear_is_reported_again(folder, dag_run, monkeypatch):
    configure(folder, "webhook")
    operator = PublishViewsOperator(task_id="serve.gold_to_serving", retries=2)
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        for cleared in (False, True):
            alert_failed(dag_run.try_task(operator, cleared=cleared) | {"exception": SourceError("down")})
    assert [document["event"] for _, document in sink.posts] == ["failed", "failed"]


def test_recovery_is_reported_once_and_only_after_trouble(folder, context, monkeypatch):
    configure(folder, "webhook")
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        alert_recovered(context)
        assert sink.posts == []
        alert_failed(context | {"exception": SourceError("the source is down")})
        publish(datetime.now(UTC))
        alert_recovered(context)
        alert_recovered(context)
    events = [document["event"] for _, document in sink.posts]
    assert events == ["failed", "recovered"]
    assert "0 min old" in sink.posts[1][1]["readers"]


def test_a_run_that_times_out_has_no_failed_task_but_an_alert(folder, context, monkeypatch):
    configure(folder, "webhook")
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        alert_run_failed(context | {"reason": "timed_out"})
    assert "timeout_minutes" in sink.posts[0][1]["cause"]


@pytest.mark.parametrize("trouble", ["unreachable", "refused", "no connection"])
def test_a_channel_that_fails_is_said_and_stops_neither_the_run_nor_the_others(
    folder, context, monkeypatch, caplog, trouble
):
    configure(folder, "teams", "webhook")
    with web_sink(status=500) as broken, web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        if trouble != "no connection":
            address = broken.url if trouble == "refused" else "http://127.0.0.1:9"
            connect(monkeypatch, "teams", f"{address}/secret-of-the-webhook")
        with caplog.at_level("INFO"):
            alert_failed(context | {"exception": SourceError("down")})
    assert len(sink.posts) == 1
    texts = [record.getMessage() for record in caplog.records if record.name == "midnight_airflow.alert_channels"]
    assert any("NOT sent to the teams channel 'teams_channel'" in text for text in texts)
    assert not any("secret-of-the-webhook" in text for text in texts)


def test_without_channels_nothing_is_sent_and_a_broken_file_is_said(folder, context, caplog):
    configure(folder)
    alert_failed(context | {"exception": SourceError("down")})
    (folder / "pipeline.yml").write_text("sauce: {}\n")
    alert_failed(context | {"exception": SourceError("down")})
    assert "pipeline.yml is not valid" in caplog.text


def test_a_channel_gets_only_its_events(folder, context, monkeypatch):
    (folder / "pipeline.yml").write_text(
        "source: {name: shop}\nalerts:\n"
        "  channels: [{kind: webhook, connection: webhook_channel, events: [recovered]}]\n"
    )
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        alert_failed(context | {"exception": SourceError("down")})
        publish(datetime.now(UTC))
        alert_recovered(context)
    assert [document["event"] for _, document in sink.posts] == ["recovered"]


def test_the_deadline(folder, dag_run, monkeypatch):
    """The test's runs are of 2026-01-02 00:00 UTC; the schedule is daily at 00:00."""
    configure(folder, "webhook", more='  publish_by: "07:00"\n')
    operator = CheckDeadlineOperator(task_id="check_deadline", retries=0)
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        publish(datetime(2026, 1, 1, 23, 59, tzinfo=UTC))
        with pytest.raises(NotPublishedError, match="no run of midnight_pipeline has published by 00:00 UTC"):
            operator.execute(dag_run.try_task(operator))
        publish(datetime(2026, 1, 2, 0, 0, tzinfo=UTC))
        assert "published before" in operator.execute(dag_run.try_task(operator))
    assert [document["event"] for _, document in sink.posts] == ["late"]


def test_an_unreadable_record_of_the_publication_is_late_and_said(folder, dag_run, monkeypatch):
    configure(folder, "webhook", more='  publish_by: "07:00"\n')
    operator = CheckDeadlineOperator(task_id="check_deadline", retries=0)
    record = Path(load_settings().paths.published)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("not JSON")
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        with pytest.raises(NotPublishedError):
            operator.execute(dag_run.try_task(operator))
        alert_failed(dag_run.try_task(operator) | {"exception": SourceError("down")})
    for _, document in sink.posts:
        assert "cannot be read" in document["readers"]
        assert "nothing was published" not in document["readers"]
    assert "published.json" in sink.posts[0][1]["cause"]


@pytest.fixture
def unreachable_lake(folder, monkeypatch):
    """The azure profile, with a lake behind a port on which nothing listens."""
    address = "http://127.0.0.1:9/midnightlake"
    text = f"AccountName=midnightlake;AccountKey=YWFh;BlobEndpoint={address}"
    connection = {"conn_type": "generic", "extra": json.dumps({"connection_string": text})}
    for name, value in {
        "MIDNIGHT_PROFILE": "azure",
        "MIDNIGHT_STORAGE_ACCOUNT": "midnightlake",
        "MIDNIGHT_DATABRICKS_JOB_ID": "7",
        "MIDNIGHT_LAKE_CONNECTION": "lake_of_test",
        "AIRFLOW_CONN_LAKE_OF_TEST": json.dumps(connection),
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def test_an_unreachable_lake_delays_an_alert_by_seconds_and_is_said(unreachable_lake, context, monkeypatch):
    """Its own requests are repeated for five minutes."""
    configure(unreachable_lake, "webhook")
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        begun = time.monotonic()
        alert_failed(context | {"exception": SourceError("the source is down")})
        assert time.monotonic() - begun < 25
    ((_, document),) = sink.posts
    assert "What readers have is not known" in document["readers"]
    assert "published.json cannot be read" in document["readers"]
    begun = time.monotonic()
    alert_notices(context)  # reads the ledger with delta-rs
    assert time.monotonic() - begun < 25


def test_the_ledger_is_read_once(folder, context, monkeypatch):
    from midnight.lake import ledger

    configure(folder, "webhook")
    reads = []
    # Before the module that it imports from: its first import would otherwise take the replacement, and keep it.
    monkeypatch.setattr("midnight.run.anomalies.read_ledger_rows", lambda *arguments: reads.append(arguments))
    monkeypatch.setattr(ledger, "read_ledger_rows", lambda *arguments: reads.append(arguments))
    with web_sink() as sink:
        connect(monkeypatch, "webhook", sink.url)
        alert_notices(context)
    assert len(reads) == 1
    assert sink.posts == []


def test_an_unreadable_ledger_does_not_fail_the_task(folder, context, caplog):
    configure(folder, "webhook")
    ledger = Path(load_settings().paths.ledger)
    (ledger / "_delta_log").mkdir(parents=True)
    (ledger / "_delta_log" / "00000000000000000000.json").write_text("not json")
    alert_notices(context)
    assert "The ledger cannot be read" in caplog.text
