"""The command `midnight`: its help, its exit codes, and that it works from any folder."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli import main as command_line
from cli.exit_codes import MEANINGS, ExitCode, run_command
from cli.main import app
from midnight.errors import LakeError
from midnight.settings import REPOSITORY, python_path
from tools import bootstrap
from tools.commands_page import all_commands, commands_page

COMMANDS: dict[str, Any] = dict(all_commands(typer.main.get_group(app)))


@pytest.fixture
def midnight(tmp_path: Path) -> Path:
    """The command as the install writes it, in a folder with a space, and called from another one."""
    folder = tmp_path / "my tools"
    folder.mkdir()
    bootstrap.write_launcher(str(folder / "midnight"), sys.executable)
    return folder / "midnight"


def call(midnight: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "FORMAT", "SQL")}
    return subprocess.run(
        [str(midnight), *arguments],
        cwd=midnight.parent,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_one_clear_help_text(name):
    command = COMMANDS[name]
    parameters: list[Any] = command.params  # of Typer's own classes, which have a help text
    texts = [command.help, *(parameter.help for parameter in parameters if parameter.name != "help")]
    assert [text for text in texts if not text or not text.endswith(".")] == []


def test_the_help_imports_no_heavy_package():
    code = (
        "import sys\nfrom cli.main import app\n"
        "try:\n    app(['query', '--help'], prog_name='midnight')\nexcept SystemExit as end:\n    print(end.code)\n"
        "heavy = {'airflow', 'pyspark', 'duckdb', 'psycopg', 'asyncpg', 'pyarrow', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]


def test_it_works_from_another_folder(midnight, tmp_path):
    done = call(midnight, "--help")
    assert (done.returncode, "Usage: midnight [OPTIONS] COMMAND" in done.stdout) == (0, True), done.stderr
    home = tmp_path / "home"
    done = call(midnight, "status", "--json", MIDNIGHT_HOME=str(home))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"instance": str(home), "exists": False}), done.stderr


def test_a_relative_path_belongs_to_the_callers_folder(midnight):
    done = call(midnight, "status", "--json", MIDNIGHT_HOME="mine")
    assert json.loads(done.stdout)["instance"] == str(midnight.parent / "mine")


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (["down"], {}, (ExitCode.DONE, "")),
        (["airflow", "dags", "list"], {}, (ExitCode.PROBLEM, "hint: make up")),
        (["run"], {}, (ExitCode.PROBLEM, "hint: make up")),
        (["init", "postgresql://me:secret@host/db"], {}, (ExitCode.PROBLEM, "a password on a command line is visible")),
        (["init"], {"SOURCE": ""}, (ExitCode.USAGE, "SOURCE")),
        (["query"], {"SQL": " "}, (ExitCode.USAGE, "the query is empty")),
        (["check"], {"FORMAT": "xml"}, (ExitCode.USAGE, "FORMAT")),
        (["synapse", "--environment", "test"], {}, (ExitCode.USAGE, "--environment")),
        (["upp"], {}, (ExitCode.USAGE, "upp")),
    ],
)
def test_the_exit_code_tells_whose_problem_it_is(tmp_path, monkeypatch, arguments, variables, expected):
    for name, value in {"MIDNIGHT_HOME": str(tmp_path / "home"), **variables}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, arguments, prog_name="midnight")
    code, message = expected
    assert (done.exit_code, message in done.stderr) == (code, True), done.output
    assert "secret" not in done.output


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LakeError("the lake is away", "look for it"), ExitCode.PROBLEM, "✗ the lake is away; hint: look for it\n"),
        (
            OSError(errno.ENOSPC, "full", "/lake/x"),
            ExitCode.PROBLEM,
            "✗ the disk is full while writing /lake/x; hint:",
        ),
        (subprocess.TimeoutExpired(["java", "-version"], 5), ExitCode.PROBLEM, "✗ `java -version` was not finished"),
        (ValueError("ouch"), ExitCode.DEFECT, "✗ `build` failed because of a defect of Midnight"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted; hint: `make status`"),
    ],
)
def test_an_error_is_a_message_and_a_defect_a_traceback(capsys, error, code, message):
    def fail() -> int:
        raise error

    assert run_command("build", fail) == code
    printed = capsys.readouterr().err
    assert message in printed
    assert ("Traceback" in printed) == (code == ExitCode.DEFECT)
    assert code in MEANINGS


def test_airflow_gets_its_arguments_unchanged(monkeypatch):
    given = {}
    monkeypatch.setattr(command_line, "_run", lambda name, module, **options: given.update(options))
    arguments = ["dags", "list", "--output", "json", "-v", "--", "--conf", '{"a": "$b"}', "--help"]
    assert CliRunner().invoke(app, ["airflow", *arguments]).exit_code == 0
    assert given == {"arguments": arguments}


def test_the_shell_completes_commands(midnight):
    done = call(midnight, _MIDNIGHT_COMPLETE="complete_bash", COMP_WORDS="midnight publish-w", COMP_CWORD="1")
    assert done.stdout.split() == ["publish-wheel"]


def test_the_page_of_commands_is_current_and_has_no_long_line():
    ((path, text),) = commands_page(REPOSITORY).items()
    assert (REPOSITORY / path).read_text(encoding="utf-8") == text, "run python -m tools.generated_files"
    assert max(map(len, text.splitlines())) <= 100
    for name in COMMANDS:
        assert f"## {name}\n" in text


def test_a_reader_that_ends_early_is_not_a_defect():
    """As in ``midnight check --json | head``: no traceback, and the exit code of a program that got SIGPIPE."""
    code = (
        "import sys\n"
        "from cli.exit_codes import run_command\n"
        "sys.exit(run_command('check', lambda: print('x' * 1_000_000) or 0))"
    )
    environment = {**os.environ, "PYTHONPATH": python_path()}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == (b"", ExitCode.PIPE_CLOSED)
