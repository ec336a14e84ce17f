"""`midnight status --fail-if-older-than`: the check from outside of Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.console.publication_age import check_publication_age, parse_age
from midnight.gold_to_serving.publication import record_publication
from midnight.lake.files import open_local_lake
from midnight.settings import REPOSITORY, load_settings
from tests.support.publications import published

NOW = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "hours"), [("90m", 1.5), ("7h", 7), (" 2d ", 48), ("0h", 0)])
def test_ages(text, hours):
    assert parse_age(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "7", "h", "-7h", "7 h", "1.5h", "7w", "9999999h"])
def test_other_forms_are_refused(text):
    with pytest.raises(ValueError, match=r"is not a valid age; hint: a number with m, h or d"):
        parse_age(text)


def publish(home: Path, published_at: datetime) -> None:
    record = published(published_at)
    record_publication(load_settings({"MIDNIGHT_HOME": str(home)}).paths, open_local_lake(), record)


@pytest.mark.parametrize(("hours", "fresh"), [(6.9, True), (7, True), (7.1, False), (100, False)])
def test_a_publication_is_fresh_up_to_the_limit(tmp_path, capsys, hours, fresh):
    publish(tmp_path, NOW - timedelta(hours=hours))
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path)})
    assert check_publication_age(settings, timedelta(hours=7), NOW) is fresh
    message = capsys.readouterr().err
    assert bool(message) is not fresh
    if not fresh:
        assert "the newest publication is" in message
        assert "the limit is 7 h" in message


def test_nothing_published_and_an_unreadable_record_fail_the_check(tmp_path, capsys):
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path)})
    assert not check_publication_age(settings, timedelta(days=9), NOW)
    assert "nothing was published yet" in capsys.readouterr().err
    path = Path(settings.paths.published)
    path.parent.mkdir(parents=True)
    path.write_text("not json")
    assert not check_publication_age(settings, timedelta(days=9), NOW)
    assert "cannot read what was published" in capsys.readouterr().err


def test_the_exit_code_is_that_of_the_check(tmp_path):
    publish(tmp_path, datetime.now(UTC) - timedelta(hours=8))
    environment = {**os.environ, "MIDNIGHT_HOME": str(tmp_path)}
    line = [sys.executable, "-m", "cli", "status", "--json", "--fail-if-older-than"]
    codes = [
        subprocess.run([*line, age], cwd=REPOSITORY, env=environment, capture_output=True, check=False).returncode
        for age in ("7h", "9h", "soon")
    ]
    assert codes == [1, 0, 2]
