"""The doctor runs all checks, even when one hangs or breaks, and prints all findings."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time

import pytest
from rich.console import Console

from cli.checks.finding import Check, Finding, run_checks
from cli.commands import doctor
from midnight.errors import ConfigurationError, ConfigurationProblem, Diagnosis, SourceError
from midnight.settings import REPOSITORY
from tests.unit.cli.commands.conftest import states


def test_checks_run_side_by_side_and_keep_their_order():
    all_at_once = threading.Barrier(6)

    def check(name: str) -> Check:
        def run() -> list[Finding]:
            all_at_once.wait(20)  # raises BrokenBarrierError unless all six run at the same time
            return [Finding.ok(name, "")]

        return Check(name, run)

    found = run_checks([check(name) for name in "abcdef"])
    assert states(found) == [(name, "ok") for name in "abcdef"]


def test_a_check_that_hangs_or_breaks_does_not_hide_the_others():
    problems = [ConfigurationProblem("a.yml", 3, "x", "is wrong"), ConfigurationProblem("b.yml", None, "", "is gone")]

    def fail(error: BaseException) -> Check:
        def run() -> list[Finding]:
            raise error

        return Check(type(error).__name__, run)

    ended: list[str] = []
    found = run_checks(
        [
            Check("hangs", lambda: time.sleep(30) or [], 0.2),
            fail(SourceError("the server is away; start it")),
            fail(ConfigurationError(problems)),
            fail(ZeroDivisionError("division by zero")),
        ],
        lambda check: ended.append(check.name),
    )
    assert [(finding.state, finding.found) for finding in found] == [
        ("fail", "no answer within 0 s"),
        ("fail", "the server is away; start it"),
        ("fail", "a.yml:3: x: is wrong"),
        ("fail", "b.yml: is gone"),
        ("fail", "the check itself failed: ZeroDivisionError: division by zero"),
    ]
    assert sorted(ended) == ["ConfigurationError", "SourceError", "ZeroDivisionError", "hangs"]


@pytest.mark.parametrize("width", [80, 120])
def test_findings_fit_the_page_and_are_whole_when_piped(width):
    found = [
        Finding.fail("source", "a long message " * 12 + "END", "a long hint " * 12 + "HINT"),
        Finding("disk", "ok", Diagnosis("1 GB", "not shown")),
        Finding.warn("clock", "an escape \x1b[31m sequence"),
    ]
    text = io.StringIO()
    doctor.print_findings(Console(file=text, width=width, highlight=False), found)
    lines = text.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert ("END" in text.getvalue(), "HINT" in text.getvalue(), "not shown" in text.getvalue()) == (True, True, False)
    assert ("\x1b" in text.getvalue(), lines[-1]) == (False, "✗ 1 of 3 failed")


def test_the_command_says_all_and_ends_with_1(tmp_path):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MIDNIGHT_")},
        "MIDNIGHT_HOME": str(tmp_path / "home"),
        "MIDNIGHT_ENGINE": "flink",
        "COLUMNS": "80",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "cli", "doctor"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr, list(tmp_path.iterdir())) == (1, "", [])
    assert "MIDNIGHT_ENGINE" in answer.stdout
    assert "failed" in answer.stdout.splitlines()[-1]
