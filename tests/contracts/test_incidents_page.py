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
from midnight.databricks.runs import cluster_hint
from midnight.errors import JobError
from midnight.gold_to_serving.publication import Publication
from midnight.lake.files import LocalLakeFiles
from midnight.lake.ledger import LedgerEntry
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.settings import REPOSITORY
from tests.support.incidents import RECORDS, steady

RECORD = json.loads(RECORDS.read_text(encoding="utf-8"))
PAGE = (REPOSITORY / "docs" / "incidents.md").read_text(encoding="utf-8")
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
PUBLISHED = Publication(
    build_id="b",
    batch_id="b",
    run_id="r",
    published_at=NOW - timedelta(minutes=3),
    published_by="r",
    engine="duckdb",
    location="x",
    views={},
)
LOCAL = Situation("nycflights", NOW, "America/New_York", PUBLISHED, airflow="midnight airflow")
AZURE = Situation("nycflights", NOW, "America/New_York", PUBLISHED)
SOURCE = SourceAddress("127.0.0.1", "nycflights", "midnight_reader", 54320, connection_id="midnight_source")
TRIES = Tries(1, 3, 1, NOW)
INGEST = "ingest.postgres_to_bronze_main"
QUOTA = (
    "Cluster 1130-000000-midnight was terminated. Reason: AZURE_QUOTA_EXCEEDED_EXCEPTION (CLIENT_ERROR). Parameters: "
    "azure_error_code: QuotaExceeded"
)


def section(name: str) -> str:
    """The section of an incident, with its lines joined."""
    _, heading, rest = PAGE.partition(f"\n## {name[0].upper()}{name[1:]}\n")
    assert heading, name
    return words(rest.partition("\n## ")[0])


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", RECORD)
def test_the_page_has_the_recorded_texts_and_seconds(name):
    text = section(name)
    for key, told in RECORD[name].items():
        if key == "seconds":
            assert told is None or f"after {told} s" in text, "the seconds"
        elif key not in ("event", "readers"):
            assert words(told) in text, (key, told)
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| [{name[0].upper()}{name[1:]}]"))
    event, seconds = RECORD[name].get("event"), RECORD[name]["seconds"]
    assert event is None or f"`{event}`" in row
    assert seconds is None or f"| {seconds} s |" in row


def test_every_section_was_brought_about():
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert {heading.casefold() for heading in headings} == {name.casefold() for name in RECORD}


def alert_of_quarantine() -> Alert:
    before = LedgerEntry(
        batch_id="1", run_id="1", attempt_at=NOW, table="airports", source_table="public.airports", status="applied",
        rows_in=1458, inserted=1455, quarantined=3, silver_after=1455,
    )  # fmt: skip
    now = before.model_copy(update={"batch_id": "2", "rows_in": 1461, "quarantined": 6})
    [alert] = notice_alerts(LOCAL, "2", notices([now], {"airports": before}, Alerts()))
    return alert


def disk_full_error() -> Exception:
    from midnight.lake.files import _cannot

    return _cannot("written", "…", OSError(errno.ENOSPC, "No space left on device"))


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


def test_databricks_has_no_quota():
    alert = retrying_alert(AZURE, "r", "silver.bronze_to_silver", JobError(QUOTA, cluster_hint(QUOTA)), TRIES)
    assert alert.cause in RECORD["Databricks quota"]["cause"]
    same("Databricks quota", alert, without=("cause",))


def test_the_disk_is_full(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as full, (tmp_path / "full").open("w") as file:
        file.write("x")
    assert str(full.value) in RECORD["disk full"]["cause"]
    assert LocalLakeFiles


def same(name: str, alert: Alert, without: tuple[str, ...] = ()) -> None:
    """The record of an incident has what the code says now."""
    for key in ("event", "headline", "cause", "hint", "command", "readers"):
        if key not in without:
            assert RECORD[name].get(key, "") == steady(str(getattr(alert, key))), key
