"""The status section of the page: failed, running, queued and overdue runs, with their reasons."""

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


def run(days_ago: int, state: str = "success", **changes) -> PipelineRun:
    """A run of ten minutes, published if it succeeded."""
    due = MIDNIGHT - timedelta(days=days_ago)
    ended = due + timedelta(minutes=10) if state in ("success", "failed") else None
    values = {"started": due, "ended": ended, "published_at": ended if state == "success" else None}
    values |= {"url": f"../dags/midnight_pipeline/runs/{days_ago}", "rows": ROWS if state == "success" else {}}
    return PipelineRun(run_id=f"run-{days_ago}", state=state, due=due, **values | changes)


def section(*runs: PipelineRun, hours: float = 8, **changes) -> Page:
    """The status section some hours after the last midnight."""
    history = RunHistory(runs, **{"next_due": MIDNIGHT + timedelta(days=1)} | changes)
    return Page(status_section(history, MIDNIGHT + timedelta(hours=hours)))


def test_a_good_run():
    page = section(run(0), run(1))
    assert "✓ The last run succeeded" in page.words
    assert "Run of 2026-01-05 00:00 UTC, 8 h old" in page.text
    assert "Next run: 2026-01-06 00:00 UTC" in page.words
    assert "failed" not in page.words


def test_failed_runs_are_shown_with_their_reason_and_the_run_that_readers_have():
    reason = RunTask("gold.silver_to_gold", "QualityGateError: fact_flight: 3 rows <b>fail</b>")
    page = section(run(0, "failed", tasks=(reason,)), run(1, "failed"), run(2))
    assert "✗ The last 2 runs failed" in page.words
    assert "Since the run of 2026-01-04 00:00 UTC" in page.words
    assert "Run of 2026-01-05 00:00 UTC, failed 2026-01-05 00:10 UTC" in page.words
    assert "gold.silver_to_gold: QualityGateError: fact_flight: 3 rows <b>fail</b>" in page.words
    assert "Readers still have the run of 2026-01-03 00:00 UTC, 2 days old" in page.words
    assert ("a", "../dags/midnight_pipeline/runs/0") in [(tag, a.get("href")) for tag, a in page.tags]
    assert "succeeded" not in page.words


def test_a_run_whose_report_failed_is_still_in_the_views():
    failed = run(0, "failed", tasks=(RunTask("report.refresh_report"),), published_at=MIDNIGHT)
    words = section(failed, run(1)).words
    assert "The views have shown the data of this run since" in words
    assert "Readers still have" not in words


def test_a_run_that_timed_out_has_no_failed_task():
    assert "No task failed: the run timed out" in section(run(0, "failed")).words


def test_no_run_was_published():
    assert "No run has been published." in section(run(0, "failed")).words
    assert "No run has been published yet" in section().words


def test_a_running_run_after_a_failed_one():
    words = section(run(0, "running", tasks=(RunTask("silver.bronze_to_silver"),)), run(1, "failed"), run(2)).words
    assert "● A run is in progress" in words
    assert "started 2026-01-05 00:00 UTC, 8 h ago" in words
    assert "silver.bronze_to_silver" in words
    assert "✗ The last run failed" in words


def test_a_run_that_is_queued_behind_a_running_one():
    running, waiting = run(1, "running"), run(0, "queued", started=None)
    assert RunHistory((waiting, running)).active == running
    assert "A run is queued" in section(waiting, run(1)).words


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"paused": True}, "The DAG is paused"),
        ({"next_due": MIDNIGHT + timedelta(hours=1)}, "✗ No run has started since 2026-01-05 01:00 UTC"),
    ],
)
def test_why_no_run_starts(changes, expected):
    words = section(run(0), **changes).words
    assert expected in words
    assert "Next run" not in words


def test_a_run_with_nothing_to_do_publishes_nothing():
    page = section(run(0, published_at=None, rows={}), run(1))
    assert page.row("2026-01-05")[:2] == ["2026-01-05 00:00 UTC", "○ nothing to do"]
    assert "Run of 2026-01-04 00:00 UTC" in page.words
    assert "✗ The last run failed" in section(run(0, published_at=None), run(1, "failed"), run(2)).words


def test_the_history_of_the_last_runs():
    page = section(run(0, "failed", tasks=(RunTask("serve.gold_to_serving"),)), run(1), run(2))
    assert page.row("2026-01-04") == [
        "2026-01-04 00:00 UTC", "✓ published", "", "10 min", "4,321", "16", "6", "run-1"
    ]  # fmt: skip
    assert page.row("2026-01-05") == [
        "2026-01-05 00:00 UTC", "✗ failed", "serve.gold_to_serving", "10 min", "—", "—", "—", "run-0"
    ]  # fmt: skip
    bars = [attributes["style"] for tag, attributes in page.tags if "bar " in (attributes.get("class") or "")]
    assert bars == ["height: 100%"] * 3


def test_a_later_failed_run_is_shown_in_the_file(tmp_path):
    file = tmp_path / "index.html"
    assert not mark_failed(file, run(0, "failed"))
    file.write_text(
        "<main>\n<!--status-->\nold status\n<!--/status-->\n<p>yesterday's run</p></main>", encoding="utf-8"
    )
    for number in (1, 0):
        tasks = (RunTask("gold.silver_to_gold", f"ModelError: <{number}>"),)
        assert mark_failed(file, run(number, "failed", tasks=tasks))
    page = Page(file.read_text(encoding="utf-8"))
    assert page.words.count("✗ The last run failed") == 1
    assert "ModelError: <0>" in page.words
    assert "Readers still have the run shown below" in page.words
    assert "yesterday's run" in page.words
    assert "old status" not in page.words


def test_a_page_without_a_status_section_gets_one():
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
def test_the_message_of_a_failed_task(entries, expected):
    assert failure_message(entries) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-01-05T12:00:00+00:00", "2026-01-06T05:00:00+00:00"),
        ("2026-03-08T05:00:00+00:00", "2026-03-09T04:00:00+00:00"),  # the clock went forward meanwhile
    ],
)
def test_the_next_run_in_local_time(moment, expected):
    schedule = Schedule(cron="0 0 * * *", timezone="America/New_York")
    found = schedule.next_after(datetime.fromisoformat(moment))
    assert found == datetime.fromisoformat(expected)


def test_without_a_schedule_there_is_no_next_run():
    assert Schedule(cron=None).next_after(MIDNIGHT) is None


@pytest.mark.parametrize("cron", ["61 0 * * *", "0 0 * *", "every midnight", "0 0 * * * *"])
def test_a_schedule_that_cannot_be_read_is_an_error_of_the_configuration(cron):
    with pytest.raises(
        ValueError, match=r"is not a valid cron expression of five fields; hint: for example '0 0 \* \* \*'"
    ):
        Schedule(cron=cron)
