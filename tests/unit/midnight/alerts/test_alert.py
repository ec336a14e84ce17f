"""What an alert says, in each channel's form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.alerts.alert import Alert, describe_readers, public_cause
from midnight.alerts.make import Situation, failed_alert, late_alert, published_in_time, recovered_alert
from midnight.alerts.messages import as_html, as_slack_message, as_teams_card, subject
from midnight.alerts.sent import OpenIncident
from midnight.durations import describe_age, describe_percent
from midnight.errors import (
    ExpectationError,
    JobError,
    NonRetryableJobError,
    QualityGateError,
    ServingError,
    SourceAccessError,
    SourceError,
    SourceMismatchError,
    StoppedTablesError,
    ValueNotRepresentableError,
    first_line,
)
from tests.support.publications import published

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
PUBLISHED = published(NOW - timedelta(hours=31))
SITUATION = Situation(
    "nycflights", NOW, "America/New_York", PUBLISHED, {"Task log": "https://airflow.example/log?a=1&b=2"}
)


def test_a_failure_says_cause_readers_and_the_next_command():
    error = SourceMismatchError("public.weather has no column 'pressure'", "correct it in tables/public.weather.yml")
    alert = failed_alert(SITUATION, "scheduled__2026-11-30", "ingest.postgres_to_bronze_main", error)
    assert alert.cause == "public.weather has no column 'pressure'"
    assert alert.hint == "correct it in tables/public.weather.yml"
    assert alert.readers == ("Readers have the data published at Sun 29 Nov 2026, 00:00 America/New_York (31 h old).")
    assert alert.command == "airflow dags trigger midnight_pipeline"
    for form in (as_html(alert), json.dumps(as_teams_card(alert)), json.dumps(as_slack_message(alert))):
        assert "pressure" in form
        assert "airflow.example" in form


def test_each_of_several_problems_keeps_its_hint_and_the_hint_stands_before_the_command():
    messages = ["public.a has no column 'x'; hint: correct a.yml", "public.b has no column 'y'; hint: correct b.yml"]
    alert = failed_alert(SITUATION, "r", "check_stopped_tables", StoppedTablesError.of_messages(messages))
    assert alert.cause.splitlines()[1:] == messages
    one = failed_alert(SITUATION, "r", "check_stopped_tables", StoppedTablesError.of_messages(messages[:1]))
    assert (one.headline, one.hint) == ("nycflights: published without some tables", "correct a.yml")
    text = as_html(one)
    assert text.index("no column") < text.index("correct a.yml") < text.index("dags trigger") < text.index("31 h old")


SCHEDULED = datetime(2026, 11, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("task_id", "error", "new_run"),
    [
        ("ingest.postgres_to_bronze_main", SourceError("down"), False),
        ("ingest.postgres_to_bronze_main", SourceAccessError("wrong password"), False),
        ("bronze.plan_batch", StoppedTablesError("no table is left"), True),
        ("silver.bronze_to_silver", NonRetryableJobError("a check failed"), True),
        ("silver.bronze_to_silver", JobError("killed"), False),
        ("gold.silver_to_gold", NonRetryableJobError("a check failed"), True),
        ("gold.silver_to_gold", JobError("quota"), False),
        ("serve.gold_to_serving", ExpectationError("a figure"), True),
        ("serve.gold_to_serving", ServingError("a view"), False),
        ("check_stopped_tables", StoppedTablesError("one table"), True),
        ("gold.silver_to_gold", "the task was killed or lost", False),
        ("gold.silver_to_gold", RuntimeError("x"), False),
    ],
)
def test_the_command_recovers_with_what_was_corrected(task_id, error, new_run):
    """A failed task that is cleared reads the run document of the failed run: the old checks, models and rows."""
    command = failed_alert(SITUATION, "r", task_id, error, logical_date=SCHEDULED).command
    assert ("dags trigger" in command) is new_run
    assert ("--only-failed" in command) is not new_run


@given(value=st.text(min_size=3, max_size=40).filter(lambda text: text.strip() and not text.isspace()))
def test_no_value_of_a_row_leaves_the_system(value):
    hidden = f"<<{value}>>"
    texts = [
        ValueNotRepresentableError(
            f"public.t: column 'note' (text) holds {hidden!r}, which bronze cannot hold exactly as date; hint: x"
        ),
        f"bronze_to_silver: public.t: the engine failed: [CAST_INVALID_INPUT] {hidden}",
        f"public.t was changed\nsource = bronze: public.t, column 'c', bucket 3, key (id = {hidden!r}): changed value; "
        f"source has {hidden!r}, bronze has NULL\nhint: x",
        f"silver = gold: t, column 'c': figure; source has {hidden!r}, gold has '1'",
        f"silver_to_gold: gold.m: the query failed: invalid value {hidden}; hint: see m.sql",
        RuntimeError(hidden),
    ]
    for text in texts:
        cause = public_cause(text)
        assert "<<" not in cause
        assert "log" in cause
    assert public_cause(texts[0]).startswith("public.t: column 'note' (text) holds …")


def test_values_that_a_database_quotes_are_hidden():
    with pytest.raises(duckdb.Error) as found:
        duckdb.sql("SELECT CAST(name AS INT) FROM (VALUES ('Jane Doe')) AS person(name)").fetchall()
    error = ServingError(f"reporting.person fails: {first_line(found.value)}; hint: correct person.sql")
    error.__cause__ = found.value
    assert "Jane Doe" in str(error)
    assert public_cause(error) == (
        "reporting.person fails: … (the rest may show values of rows, and is in the task's log); "
        "hint: correct person.sql"
    )
    error.__cause__ = ConnectionRefusedError("port 5432 refused")
    assert public_cause(error) == str(error), "an error of the network shows no values, and is what helps"


def test_counts_and_names_stay_in_the_cause():
    text = "public.t: 3 rows of batch 2026 fail a check that stops the table (range of 'amount' 3)"
    assert public_cause(QualityGateError(text)) == text
    assert len(public_cause(QualityGateError("x" * 5000))) < 1100


def test_the_forms_escape_what_they_quote():
    alert = Alert("failed", "i", "a <b> & *c* [d](e)", links={"Run": "https://x/?a=1&b=<2>"})
    assert "&lt;b&gt; &amp;" in as_html(alert)
    assert "<b>" not in json.dumps(as_slack_message(alert))
    text = as_teams_card(alert)["attachments"][0]["content"]["body"][0]["text"]
    assert r"\*c\* \[d\](e)" in text
    assert "\n" not in subject(Alert("failed", "i", "two\nlines\r\nBcc: somebody@example.com"))


def test_recovered_says_since_when_and_what():
    incident = OpenIncident("failed r 1", "failed", "nycflights: the run failed in x", NOW - timedelta(hours=2))
    alert = recovered_alert(SITUATION, [incident])
    assert alert.headline == "nycflights: published again, 2 h after the first alert"
    assert "the run failed in x" in alert.cause


@pytest.mark.parametrize(("published_hours_ago", "in_time"), [(1, True), (7, True), (8, False), (None, False)])
def test_late_is_what_was_not_published_since_the_run_was_due(published_hours_ago, in_time):
    publication = None
    if published_hours_ago is not None:
        publication = PUBLISHED.model_copy(update={"published_at": NOW - timedelta(hours=published_hours_ago)})
    assert published_in_time(publication, NOW - timedelta(hours=7)) is in_time
    assert published_in_time(publication, None)
    assert "nothing published by 12:00" in late_alert(SITUATION, NOW).headline


def test_ages_and_readers_in_words():
    assert [describe_age(timedelta(hours=hours)) for hours in (0.5, 31.9, 100)] == ["30 min", "31 h", "4 days"]
    assert describe_readers(None, NOW, "UTC") == "Readers have no data yet: nothing was published."
    unread = describe_readers(None, NOW, "UTC", "x cannot be read")
    assert unread == (
        "What readers have is not known, since the record of the publication cannot be read: x cannot be read"
    )
    shares = [describe_percent(percent) for percent in (0, 0.0001, 0.413, 17.4, 99.4, 99.7, 100)]
    assert shares == ["0 %", "under 0.001 %", "0.41 %", "17 %", "99 %", "over 99 %", "100 %"]
