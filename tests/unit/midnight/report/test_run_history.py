"""Airflow's runs, and the reason in the log of a failed task."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from midnight.configuration.schedule import Schedule
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.report.page_file import write_status_page
from midnight.report.run_history import RunHistory
from midnight.report.task_log import failure_message
from midnight.summary.storage import write_summary
from tests.support import airflow_runs as runs
from tests.support import summaries as given
from tests.support.html_page import Page

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


def test_a_run_that_is_queued_behind_a_running_one():
    running, waiting = runs.airflow_run(1, "running"), runs.airflow_run(0, "queued")
    assert RunHistory((waiting, running)).active == running


def test_a_run_with_nothing_to_do_does_not_resolve_a_failure():
    idle, failed, good = runs.airflow_run(0, published_at=None), runs.airflow_run(1, "failed"), runs.airflow_run(2)
    assert RunHistory((idle, failed, good)).failed == (failed,)
    assert idle.result == "nothing to do"
    assert RunHistory((runs.airflow_run(0), failed, good)).failed == ()


def test_a_running_run_that_is_published_resolves_the_failure_before_it():
    active = runs.airflow_run(0, "running", published_at=given.DUE)
    history = RunHistory((active, runs.airflow_run(1, "failed")))
    assert (history.failed, history.shown) == ((), active)


def test_the_file_is_written_again_when_a_later_run_failed(tmp_path):
    files, paths, file = open_local_lake(), LakePaths.below(str(tmp_path / "lake")), tmp_path / "report" / "index.html"
    write_summary(files, paths, runs.before_the_failure())
    (failed, *_) = runs.failed_history("ModelError: <b>").runs
    options = {"files": files, "paths": paths, "around": runs.SURROUNDINGS, "now": runs.NOW}
    for run in (failed, None, failed):
        write_status_page(file, failed=run, **options)
        words = Page(file.read_text(encoding="utf-8")).words
        assert ("✗ Not published. <b>." in " ".join(words.split())) == (run is not None)
        assert "flights" in words, "the summary of the run that readers see"
    assert oct(os.stat(file).st_mode)[-3:] == "600"


def test_a_damaged_summary_is_said_on_the_page(tmp_path):
    files, paths = open_local_lake(), LakePaths.below(str(tmp_path / "lake"))
    files.write_text(paths.summary("B1"), "{")
    write_status_page(tmp_path / "p.html", files=files, paths=paths, around=runs.SURROUNDINGS, now=runs.NOW)
    assert "is not the summary of a run" in (tmp_path / "p.html").read_text(encoding="utf-8")


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
