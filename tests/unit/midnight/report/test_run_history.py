"""What the page says of the last nights: a failed, running, waiting or missing one is on top, with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from midnight.configuration.schedule import Schedule
from midnight.report.page_file import mark_failed, replace_status_section, status_section
from midnight.report.run_history import PipelineRun, RunHistory, RunTask
from midnight.report.task_log import failure_message
from tests.support.html_page import Page

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
ROWS = {"rows_in": 4321, "inserted": 12, "updated": 3, "unchanged": 4300, "deleted": 1, "duplicates": 0}
ROWS |= {"dropped": 0, "quarantined": 6, "warnings": 0}


def night(days_ago: int, state: str = "success", **changes) -> PipelineRun:
    """A run of ten minutes, published when it succeeded."""
    due = MIDNIGHT - timedelta(days=days_ago)
    ended = due + timedelta(minutes=10) if state in ("success", "failed") else None
    values = {"started": due, "ended": ended, "published_at": ended if state == "success" else None}
    values |= {"url": f"../dags/midnight_pipeline/runs/{days_ago}", "rows": ROWS if state == "success" else {}}
    return PipelineRun(run_id=f"run-{days_ago}", state=state, due=due, **values | changes)


def section(*runs: PipelineRun, hours: float = 8, **changes) -> Page:
    """What the page says some hours after the last midnight."""
    nights = RunHistory(runs, **{"next_due": MIDNIGHT + timedelta(days=1)} | changes)
    return Page(status_section(nights, MIDNIGHT + timedelta(hours=hours)))


def test_a_good_night():
    page = section(night(0), night(1))
    assert "✓ The last night succeeded" in page.words
    assert "Night of 2026-01-05 00:00 UTC, 8 h old" in page.text
    assert "Next night: 2026-01-06 00:00 UTC" in page.words
    assert "failed" not in page.words


def test_failed_nights_are_said_with_reason_and_with_what_readers_have():
    reason = RunTask("gold.silver_to_gold", "QualityGateError: fact_flight: 3 rows <b>fail</b>")
    page = section(night(0, "failed", tasks=(reason,)), night(1, "failed"), night(2))
    assert "✗ The last 2 nights failed" in page.words
    assert "Since the night of 2026-01-04 00:00 UTC" in page.words
    assert "Night of 2026-01-05 00:00 UTC, failed 2026-01-05 00:10 UTC" in page.words
    assert "gold.silver_to_gold: QualityGateError: fact_flight: 3 rows <b>fail</b>" in page.words
    assert "Readers still have the night of 2026-01-03 00:00 UTC, 2 days old" in page.words
    assert ("a", "../dags/midnight_pipeline/runs/0") in [(tag, a.get("href")) for tag, a in page.tags]
    assert "succeeded" not in page.words


def test_a_night_whose_report_alone_failed_is_in_the_views():
    failed = night(0, "failed", tasks=(RunTask("report.refresh_report"),), published_at=MIDNIGHT)
    words = section(failed, night(1)).words
    assert "The views show this night all the same" in words
    assert "Readers still have" not in words


def test_a_run_that_took_too_long_has_no_failed_task():
    assert "No task is red: the run took too long" in section(night(0, "failed")).words


def test_nothing_was_ever_published():
    assert "No night has been published." in section(night(0, "failed")).words
    assert "No night has been published yet" in section().words


def test_a_running_night_beside_the_failed_one_before():
    words = section(
        night(0, "running", tasks=(RunTask("silver.bronze_to_silver"),)), night(1, "failed"), night(2)
    ).words
    assert "● A night is under way" in words
    assert "begun 2026-01-05 00:00 UTC, 8 h ago" in words
    assert "silver.bronze_to_silver" in words
    assert "✗ The last night failed" in words


def test_a_night_that_waits_behind_a_running_one():
    running, waiting = night(1, "running"), night(0, "queued", started=None)
    assert RunHistory((waiting, running)).active == running
    assert "A night waits for its start" in section(waiting, night(1)).words


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"paused": True}, "The DAG is paused"),
        ({"next_due": MIDNIGHT + timedelta(hours=1)}, "✗ No night has begun since 2026-01-05 01:00 UTC"),
    ],
)
def test_why_no_night_comes(changes, expected):
    words = section(night(0), **changes).words
    assert expected in words
    assert "Next night" not in words


def test_a_run_with_nothing_to_do_publishes_nothing():
    page = section(night(0, published_at=None, rows={}), night(1))
    assert page.row("2026-01-05")[:2] == ["2026-01-05 00:00 UTC", "○ nothing to do"]
    assert "Night of 2026-01-04 00:00 UTC" in page.words
    assert "✗ The last night failed" in section(night(0, published_at=None), night(1, "failed"), night(2)).words


def test_the_history_of_the_last_nights():
    page = section(night(0, "failed", tasks=(RunTask("serve.gold_to_serving"),)), night(1), night(2))
    assert page.row("2026-01-04") == [
        "2026-01-04 00:00 UTC", "✓ published", "", "10 min", "4,321", "16", "6", "run-1"
    ]  # fmt: skip
    assert page.row("2026-01-05") == [
        "2026-01-05 00:00 UTC", "✗ failed", "serve.gold_to_serving", "10 min", "—", "—", "—", "run-0"
    ]  # fmt: skip
    bars = [attributes["style"] for tag, attributes in page.tags if "bar " in (attributes.get("class") or "")]
    assert bars == ["height: 100%"] * 3


def test_the_file_says_that_a_later_night_failed(tmp_path):
    file = tmp_path / "index.html"
    assert not mark_failed(file, night(0, "failed"))
    file.write_text(
        "<main>\n<!--nights-->\nof before\n<!--/nights-->\n<p>night of yesterday</p></main>", encoding="utf-8"
    )
    for number in (1, 0):
        tasks = (RunTask("gold.silver_to_gold", f"ModelError: <{number}>"),)
        assert mark_failed(file, night(number, "failed", tasks=tasks))
    page = Page(file.read_text(encoding="utf-8"))
    assert page.words.count("✗ The last night failed") == 1
    assert "ModelError: <0>" in page.words
    assert "Readers still have the night that stands below" in page.words
    assert "night of yesterday" in page.words
    assert "of before" not in page.words


def test_a_page_of_an_older_midnight_gets_the_section_as_well():
    assert replace_status_section("<h1></h1><main><p>", "<section>") == "<h1></h1><main>\n<section><p>"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"event": "fine", "level": "info"}], ""),
        ([{"event": "first", "level": "error"}, {"event": "second", "level": "error"}], "first"),
        (
            [
                {"event": "e", "level": "error"},
                {"error_detail": [{"exc_type": "A", "exc_value": "b"}, {"exc_type": "C"}]},
            ],
            "A: b",
        ),
    ],
)
def test_the_sentence_of_a_failed_task(entries, expected):
    assert failure_message(entries) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-05T12:00:00+00:00", "2026-01-06T05:00:00+00:00"),
        ("2026-03-08T05:00:00+00:00", "2026-03-09T04:00:00+00:00"),  # the clock went forward meanwhile
    ],
)
def test_the_next_night_by_the_clock_of_the_time_zone(moment, expected):
    schedule = Schedule(cron="0 0 * * *", timezone="America/New_York")
    found = schedule.next_after(datetime.fromisoformat(moment))
    assert found == datetime.fromisoformat(expected)


def test_without_a_schedule_there_is_no_next_night():
    assert Schedule(cron=None).next_after(MIDNIGHT) is None


@pytest.mark.parametrize("cron", ["61 0 * * *", "0 0 * *", "every midnight", "0 0 * * * *"])
def test_a_schedule_that_cannot_be_read_is_an_error_of_the_configuration(cron):
    with pytest.raises(ValueError, match=r"is no cron expression of five fields; write for example '0 0 \* \* \*'"):
        Schedule(cron=cron)
