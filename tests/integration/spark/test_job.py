"""The job as a process: its arguments, its exit, and that it exits with its parent process."""

from __future__ import annotations

import errno
import hmac
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from midnight.errors import NON_RETRYABLE_MARKER, MidnightError, QualityGateError
from midnight.settings import REPOSITORY, python_path
from spark_jobs.runtime import job
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import document, read_rows, seal, silver_rows, table, write_document

ENVIRONMENT = {**os.environ, "PYTHONPATH": python_path()}

# A job that never ends, and a parent process with its lifeline.
SLEEPER = """
import sys, time
from spark_jobs.runtime import job
def work(session, document):
    print("working", flush=True)
    time.sleep(600)
sys.exit(job.main(sys.argv[1:], work))
"""
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         env={**os.environ, "MIDNIGHT_LIFELINE": "stdin"}, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
T = table("t", {"id": "integer", "v": "text"}, key=["id"])


def argument(path: str, engine: str = "sail") -> str:
    return json.dumps({"run_document": path, "engine": engine})


@pytest.fixture
def run_document(lake) -> str:
    return write_document(document(lake, 1, (T, seal(lake, T, 1, [{"id": 1, "v": "x"}]))))


def test_a_run_document_of_many_tables_is_read_completely(lake, sail_session):
    """Sail reads a file of more than a megabyte in parts, in any order: 200 tables, or a rebuild of some runs."""
    many = [T.model_copy(update={"table": f"t{i}", "silver": f"t{i}", "description": "é" * 9000}) for i in range(300)]
    written = document(lake, 1, *[(t, seal(lake, t, 1, [])) for t in many])
    path = write_document(written)
    assert [job.read_run_document(sail_session, path) == written for _ in range(5)] == [True] * 5


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["{}"],
        ["nonsense"],
        [argument("x"), "more"],
        [argument("x", "flink")],
        ['{"run_document": "x", "tables": 1}'],
    ],
)
def test_invalid_arguments(argv, capsys):
    assert job.main(argv, lambda session, document: None) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: invalid argument")
    assert "hint: a job takes" in last


def test_a_missing_or_invalid_run_document(capsys, tmp_path):
    assert job.main([argument(f"{tmp_path}/nowhere.json")], lambda session, document: None) == 1
    assert capsys.readouterr().err.startswith("error: run document")
    (tmp_path / "wrong.json").write_text('{"batch_id": "x"}')
    assert job.main([argument(f"{tmp_path}/wrong.json")], lambda session, document: None) == 1
    assert "is not a run document of this version: run_id: Field required" in capsys.readouterr().err


def test_a_known_error_is_one_line_and_an_unknown_one_has_a_traceback(run_document, capsys):
    def known(session, document):
        raise MidnightError("a message\n  on two lines")

    def unknown(session, document):
        raise ZeroDivisionError("by zero")

    assert job.main([argument(run_document)], known) == 1
    assert capsys.readouterr().err == "error: a message on two lines\n"
    assert job.main([argument(run_document)], unknown) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.endswith("error: by zero\n")


def test_an_error_of_the_file_system_has_a_hint(run_document, capsys):
    def full(session, document):
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    assert job.main([argument(run_document)], full) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "error: [Errno 28] Error writing bytes to file; hint: check the free space and the permissions of the lake, "
        "then clear the task"
    )


def test_a_non_retryable_error_is_marked(run_document, capsys):
    def work(session, document):
        raise QualityGateError("flights: 3 rows break the key")

    assert job.main([argument(run_document)], work) == 1
    assert capsys.readouterr().err == f"{NON_RETRYABLE_MARKER}\nerror: flights: 3 rows break the key\n"


def wait_until_gone(process: psutil.Process) -> None:
    process.wait(timeout=30)


def start_parent(run_document: str, engine: str) -> tuple[subprocess.Popen, psutil.Process]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, SLEEPER, argument(run_document, engine)],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    assert parent.stdout is not None
    return parent, psutil.Process(int(parent.stdout.readline()))


def test_the_job_exits_with_its_parent(run_document):
    parent, child = start_parent(run_document, "sail")
    try:
        parent.kill()
        parent.wait()
        wait_until_gone(child)
    finally:
        parent.stdout.close()


@pytest.mark.spark
def test_the_engines_jvm_exits_with_the_jobs_parent_and_leaves_no_folder(run_document, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setitem(ENVIRONMENT, "TMPDIR", str(temporary))
    parent, child = start_parent(run_document, "spark")
    try:
        (java,) = child.children()
        assert f"-Djava.io.tmpdir={next(temporary.glob('midnight_spark_*'))}" in java.cmdline()
        parent.kill()
        parent.wait()
        wait_until_gone(child)
        wait_until_gone(java)
        assert list(temporary.glob("midnight_spark_*")) == []
    finally:
        parent.stdout.close()


def test_a_job_stops_on_sigterm(run_document):
    child = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, argument(run_document)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**ENVIRONMENT, "MIDNIGHT_LIFELINE": "stdin"},
        text=True,
    )
    with child:
        child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 128 + signal.SIGTERM


KILLER = """
import os, signal, sys
from spark_jobs.runtime import job
from spark_jobs.silver import outcomes, run, table as silver_table
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def dying_after(function):
    def replacement(*arguments, **options):
        function(*arguments, **options)
        die()
    return replacement
where, argument = sys.argv[1:]
if where == "before the change": silver_table.SilverTable.commit = die
if where == "before the ledger": silver_table.SilverTable.commit = dying_after(silver_table.SilverTable.commit)
if where == "after the quarantine": outcomes.write_quarantine = dying_after(outcomes.write_quarantine)
if where == "after the change": silver_table.write_changes = dying_after(silver_table.write_changes)
sys.exit(job.main([argument], run.build_silver, masks=True))
"""
ROWS = [{"id": i, "v": f"value {i}"} for i in range(2000)]
NEXT = [{"id": i, "v": f"value {i}" if i % 7 else "changed"} for i in range(100, 2100)] + [{"id": None, "v": "x"}]


@pytest.mark.parametrize(
    "where", ["before the change", "after the quarantine", "after the change", "before the ledger"]
)
def test_a_killed_job_leaves_silver_consistent_and_the_next_try_completes(sail_session, lake, tmp_path, where):
    build_silver(sail_session, document(lake, 1, (T, seal(lake, T, 1, ROWS))))
    first = silver_rows(lake, T)
    plan = document(lake, 2, (T, seal(lake, T, 2, NEXT)))
    done = subprocess.run(
        [sys.executable, "-c", KILLER, where, argument(write_document(plan))], env=ENVIRONMENT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    expected = [{"id": row["id"], "v": row["v"]} for row in NEXT[:-1]]
    assert silver_rows(lake, T) in (first, expected)
    (entry,) = build_silver(sail_session, plan)
    assert (entry.rows_in, entry.quarantined, entry.silver_after) == (2001, 1, 2000)
    assert silver_rows(lake, T) == expected
    assert [row["rule"] for row in read_rows(lake.quarantine)] == ["key_not_null"]
    # An older batch must not be applied now, whatever the ledger had when the job was killed.
    (older,) = build_silver(sail_session, document(lake, 1, (T, seal(lake, T, 1, ROWS))))
    assert older.status == "skipped"


def test_jobs_killed_at_any_moment(sail_session, lake):
    rows = [{"id": i, "v": f"value {i}" * 5} for i in range(60_000)]
    plan = document(lake, 1, (T, seal(lake, T, 1, rows)))
    path = write_document(plan)
    for delay in (0.1, 0.3, 0.6):
        child = subprocess.Popen(
            [sys.executable, "-m", "spark_jobs.bronze_to_silver", argument(path)],
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=REPOSITORY,
        )
        with child:
            while child.poll() is None and not Path(lake.ledger, "_delta_log").exists():
                time.sleep(0.005)
            time.sleep(delay)
            child.kill()
        if Path(lake.silver_table("t"), "_delta_log").exists():
            assert len(silver_rows(lake, T)) == len(rows)
    (entry,) = build_silver(sail_session, plan)
    assert entry.silver_after == len(rows)
    assert silver_rows(lake, T) == rows


def test_a_masking_job_reads_its_key_from_standard_input_and_fails_without_one(lake):
    people = table("people", {"email": {"type": "text", "mask": "pseudonym"}}, key=["email"], on_schema_change="freeze")
    path = write_document(document(lake, 1, (people, seal(lake, people, 1, [{"email": "canary@x.example"}]))))
    key = secrets.token_hex(32)
    command = [sys.executable, "-P", "-m", "spark_jobs.bronze_to_silver"]

    def run(argument: dict[str, str], line: str) -> tuple[int, str]:
        with subprocess.Popen(
            [*command, json.dumps({"run_document": path, "engine": "sail", **argument})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, "MIDNIGHT_LIFELINE": "stdin"},
            text=True,
        ) as process:
            process.stdin.write(line)
            process.stdin.flush()  # and stays open: the lifeline
            return process.wait(60), process.stdout.read()

    code, output = run({}, "")
    assert (code, NON_RETRYABLE_MARKER in output, "the masking key of ['public.people'] does not exist" in output) == (
        1,
        True,
        True,
    )
    code, output = run({"masking_key": "stdin"}, f"{key}\n")
    assert (code, "people: 1 rows in: 1 inserted" in output) == (0, True)
    assert key not in output
    assert "canary" not in output
    expected = hmac.new(bytes.fromhex(key), b"canary@x.example", "sha256").hexdigest()[:32]
    assert silver_rows(lake, people) == [{"email": expected}]
    found = [p for p in Path(lake.silver).rglob("*") if p.is_file() and key.encode() in p.read_bytes()]
    assert (found, key in Path(path).read_text()) == ([], False)


def test_a_step_that_is_not_part_of_the_run_ends_immediately(tmp_path, capsys):
    arguments = json.dumps({"run_document": f"{tmp_path}/nowhere.json", "steps": "silver_to_gold"})
    assert job.main([arguments], lambda session, document: None, "bronze_to_silver") == 0
    assert capsys.readouterr().out == "bronze_to_silver: skipped, this run only has steps 'silver_to_gold'\n"


def test_an_unknown_step_is_an_error(capsys):
    arguments = json.dumps({"run_document": "x", "steps": "gold"})
    assert job.main([arguments], lambda session, document: None, "silver_to_gold") == 1
    assert "steps: String should match pattern" in capsys.readouterr().err
