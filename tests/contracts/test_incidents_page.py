"""docs/incidents.md says what the alerts of `make prove-incidents` said, and the code still says it."""

from __future__ import annotations

import errno
import json
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from midnight.alerts.alert import Alert
from midnight.alerts.from_ledger import notices
from midnight.alerts.make import Situation, Tries, failed_alert, late_alert, notice_alerts, retrying_alert
from midnight.configuration.alerts import Alerts
from midnight.errors import LakeError
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.settings import REPOSITORY
from tests.support.incidents import RECORDS, steady
from tests.support.publications import published
from tools.incidents_page import title

RECORD = json.loads(RECORDS.read_text(encoding="utf-8"))
PAGE = (REPOSITORY / "docs" / "incidents.md").read_text(encoding="utf-8")
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
PUBLISHED = published(NOW - timedelta(minutes=3))
LOCAL = Situation("nycflights", NOW, "America/New_York", PUBLISHED, airflow="midnight airflow")
SOURCE = SourceAddress("127.0.0.1", "nycflights", "midnight_reader", 54320, connection_id="midnight_source")
TRIES = Tries(1, 3, 1, NOW)
INGEST = "ingest.postgres_to_bronze_main"


def test_every_section_has_what_was_told_or_says_that_it_was_not_measured():
    """The texts and seconds themselves are generated (tools/incidents_page.py)."""
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    rows = dict(re.findall(r"^\| \[(.+?)\]\(#.+?\) (\|.+)$", PAGE, re.MULTILINE))
    assert sections == list(rows)
    measured = {name for name, row in rows.items() if "not measured" not in row}
    assert measured == {title(name) for name in RECORD}
    assert set(re.findall(r"<!-- told: (.+) -->", PAGE)) == RECORD.keys()


def alert_of_quarantine() -> Alert:
    before = LedgerEntry(
        batch_id="1", run_id="1", attempt_at=NOW, table="airports", source_table="public.airports", status="applied",
        rows_in=1458, inserted=1455, quarantined=3, silver_after=1455,
    )  # fmt: skip
    now = before.model_copy(update={"batch_id": "2", "rows_in": 1461, "quarantined": 6})
    [alert] = notice_alerts(LOCAL, "2", notices([now], {"airports": before}, Alerts()))
    return alert


def test_the_source_is_down():
    error = source_error(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 54320)"), SOURCE)
    same("source down", retrying_alert(LOCAL, "r", INGEST, error, TRIES))


def test_the_password_is_wrong():
    refused = asyncpg.InvalidPasswordError('password authentication failed for user "midnight_reader"')
    same("wrong password", failed_alert(LOCAL, "r", INGEST, source_error(refused, SOURCE), logical_date=NOW))


def test_rows_are_in_quarantine():
    alert = alert_of_quarantine()
    assert RECORD["quarantine doubled"]["cause"].startswith(alert.cause), "then its rules"
    same("quarantine doubled", alert, without=("cause",))


def test_nothing_was_published_in_time():
    same("run late", late_alert(LOCAL, NOW))


def test_the_disk_is_full(monkeypatch, tmp_path):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("midnight.lake.files.write_atomically", full)
    file = tmp_path / "lake" / "bronze" / "_runs" / "20261201T003332472Z-0a1b2c3d.nycflights.main.figures"
    with pytest.raises(LakeError) as caught:
        open_local_lake().write_text(str(file), "")
    same("disk full", retrying_alert(LOCAL, "r", INGEST, caught.value, TRIES))


def same(name: str, alert: Alert, without: tuple[str, ...] = ()) -> None:
    """The record of an incident has what the code says now."""
    for key in ("event", "headline", "cause", "hint", "command", "readers"):
        if key not in without:
            assert RECORD[name].get(key, "") == steady(str(getattr(alert, key))), key
