"""The local job operator with real processes: results, errors, killing and the lake's lock.

Every test runs a job as a child process of the task, and in the job server.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import midnight.settings
from midnight.errors import NON_RETRYABLE_MARKER, RELEASABLE_MARKER, JobError, LakeError, NonRetryableJobError
from midnight.job_server.client import ServedJob
from midnight.job_server.messages import SOCKET_NAME
from midnight.lake.lock import lake_write_lock
from midnight.settings import load_settings
from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator
from tests.support.airflow_environment import REPOSITORY
from tests.support.served_jobs import job_server
from tests.support.waiting import wait_for
from tests.unit.midnight_airflow.conftest import DagRun

# Like a job in spark_jobs/, without Spark.
JOB = """
import json, os, subprocess, sys, threading, time
arguments = json.loads(sys.argv[1])
def lifeline():
    while os.read(0, 4096): pass
    os._exit(3)
threading.Thread(target=lifeline, daemon=True).start()
home = os.path.dirname(os.path.abspath(__file__))
"""


@dataclass(frozen=True)
class RunJob:
    """Runs the operator on a job with the given body.

    Args:
        folder: contains the job and the files that it writes.
        dag_run: of the task.
    """

    folder: Path
    dag_run: DagRun

    def __call__(self, body: str) -> LocalSparkJobOperator:
        (self.folder / "bronze_to_silver.py").write_text(JOB + textwrap.dedent(body))
        operator = LocalSparkJobOperator(task_id="silver.bronze_to_silver", step="bronze_to_silver", retries=0)
        operator.execute(self.dag_run.try_task(operator))
        return operator


@pytest.fixture(params=["own process", "job server"])
def run_job(
    request: pytest.FixtureRequest, local_home: Path, monkeypatch: pytest.MonkeyPatch, dag_run: DagRun
) -> Iterator[RunJob]:
    package = local_home / "code" / "spark_jobs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(midnight.settings, "REPOSITORY", local_home / "code")
    if request.param == "own process":
        yield RunJob(package, dag_run)
        return
    start = LocalSparkJobOperator._start

    def start_in_server(operator: LocalSparkJobOperator, arguments: str, lock: int) -> ServedJob:
        job = start(operator, arguments, lock)
        assert isinstance(job, ServedJob)
        return job

    monkeypatch.setattr(LocalSparkJobOperator, "_start", start_in_server)
    with job_server(load_settings().home / SOCKET_NAME, code=package.parent):
        yield RunJob(package, dag_run)


def test_the_job_gets_the_run_document_and_no_secret_of_airflow(run_job, monkeypatch, local_home):
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_SOURCE", "postgresql://user:secret@host/db")
    run_job(
        """
        with open(home + "/seen.json", "w") as file:
            json.dump([arguments, dict(os.environ)], file)
        """
    )
    arguments, environment = json.loads((run_job.folder / "seen.json").read_text())
    assert arguments["engine"] == "sail"
    assert arguments["run_document"].startswith(f"{local_home}/lake/bronze/_runs/20260102T000000000Z-")
    assert [name for name in environment if name.startswith("AIRFLOW")] == []


def test_the_output_of_the_job_is_in_the_log(run_job, capsys):
    run_job("print('12 rows'); print('a warning', file=sys.stderr)")

    log = capsys.readouterr().out
    assert "12 rows" in log
    assert "a warning" in log


def test_the_error_of_a_failed_job_is_its_own(run_job):
    with pytest.raises(JobError) as raised:
        run_job("print('error: flights: 3 rows; look there', file=sys.stderr); sys.exit(1)")
    assert str(raised.value) == "bronze_to_silver: flights: 3 rows; look there"


def test_a_non_retryable_failure(run_job):
    with pytest.raises(NonRetryableJobError, match="bronze_to_silver: the check failed"):
        run_job(f"print({NON_RETRYABLE_MARKER!r}); print('error: the check failed'); sys.exit(1)")
    releasable = f"print({RELEASABLE_MARKER!r} + json.dumps(['silver/t/x']))"
    with pytest.raises(NonRetryableJobError) as caught:
        run_job(f"print({NON_RETRYABLE_MARKER!r}); {releasable}; print('error: the check failed'); sys.exit(1)")
    assert caught.value.releasable == ("silver/t/x",)


def test_the_error_of_a_job_without_one_is_its_last_line(run_job):
    with pytest.raises(JobError) as raised:
        run_job("print('nearly done', flush=True); os._exit(7)")
    assert str(raised.value) == (
        "bronze_to_silver: the job ended with exit code 7: nearly done; hint: see the log of this task"
    )


def test_the_error_of_a_killed_job_names_the_signal(run_job):
    with pytest.raises(JobError, match="killed by SIGKILL; hint: check the memory"):
        run_job("import signal; os.kill(os.getpid(), signal.SIGKILL)")


@pytest.mark.parametrize("ignores_sigterm", [False, True])
def test_killing_the_task_ends_the_job_and_its_children(run_job, monkeypatch, ignores_sigterm, dag_run):
    """As Airflow does it: ``on_kill`` in the SIGTERM handler, while ``execute`` waits for the job's output."""
    operators = []
    original = LocalSparkJobOperator.execute
    monkeypatch.setattr(
        LocalSparkJobOperator, "execute", lambda self, context: (operators.append(self), original(self, context))
    )
    ended_after = []

    def on_term(number, frame):
        started = time.monotonic()
        operators[0].on_kill()
        ended_after.append(time.monotonic() - started)

    before = signal.signal(signal.SIGTERM, on_term)
    given_up = threading.Event()
    killer = threading.Thread(target=_terminate_self_when, args=(run_job.folder / "pids", given_up))
    try:
        killer.start()
        with pytest.raises(JobError, match="SIGKILL" if ignores_sigterm else "SIGTERM"):
            run_job(
                f"""
                import signal
                if {ignores_sigterm}:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                with open(home + "/pids.new", "w") as file:
                    file.write(f"{{os.getpid()}} {{child.pid}}")
                os.rename(home + "/pids.new", home + "/pids")
                time.sleep(60)
                """
            )
    finally:
        given_up.set()
        killer.join()
        signal.signal(signal.SIGTERM, before)

    assert ended_after[0] < 5, "Airflow's supervisor would have killed the task before its job was gone"
    assert [pid for pid in map(int, (run_job.folder / "pids").read_text().split()) if _lives(pid)] == []


def _terminate_self_when(path: Path, given_up: threading.Event) -> None:
    while not path.exists() and not given_up.is_set():
        time.sleep(0.02)
    if path.exists():
        os.kill(os.getpid(), signal.SIGTERM)


def _lives(pid: int, checks: int = 50) -> bool:
    """Whether a process still lives after so many checks, 0.02 s apart."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for _ in range(checks):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return False
            time.sleep(0.02)
        return True
    return False


TASK = """
import os, sys
sys.path[:0] = [{repository!r}, {repository!r} + "/plugins"]
from pathlib import Path
import midnight.settings
from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator
midnight.settings.REPOSITORY = Path({code!r})
operator = LocalSparkJobOperator(task_id="t", step="bronze_to_silver")
from midnight.errors import NON_RETRYABLE_MARKER, NonRetryableJobError, JobError
from midnight.settings import load_settings
from midnight.lake.lock import lake_write_lock
with lake_write_lock(load_settings().paths, 'a task', print) as lock:
    operator._run('{{}}', lock)
"""


@pytest.mark.slow
def test_the_job_of_a_task_killed_with_sigkill_ends_and_keeps_the_lock_until_then(run_job, local_home):
    (run_job.folder / "bronze_to_silver.py").write_text(
        JOB.replace("os._exit(3)", "time.sleep(1); os._exit(3)")  # the job needs a second to end
        + "open(home + '/pid.new', 'w').write(str(os.getpid())); os.rename(home + '/pid.new', home + '/pid')\n"
        + "time.sleep(60)\n"
    )
    script = TASK.format(repository=str(REPOSITORY), code=str(local_home / "code"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL) as task:
        wait_for((run_job.folder / "pid").exists)
        job = psutil.Process(int((run_job.folder / "pid").read_text()))
        task.kill()

    with lake_write_lock(load_settings().paths, "a test", lambda _: None):
        # The kernel releases the lock shortly before it ends the process; releasing it early would be a second before.
        assert not _lives(job.pid, checks=15)


def test_the_second_writer_waits_for_the_first(local_home):
    order: list[str] = []

    def second() -> None:
        with lake_write_lock(load_settings().paths, "the second", order.append):
            order.append("second")

    with lake_write_lock(load_settings().paths, "the first", order.append):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    lake = load_settings().paths.bronze.removesuffix("/bronze")
    assert order == [f"waiting for the first (process {os.getpid()}), which is writing to {lake}", "first", "second"]


def test_waiting_for_another_writer_has_a_timeout(local_home):
    with (
        lake_write_lock(load_settings().paths, "the nightly run", print),
        pytest.raises(LakeError, match=r"the nightly run .* has been writing to .* for more than 0 s; hint: wait"),
        lake_write_lock(load_settings().paths, "a person", lambda _: None, timeout_seconds=0.1),
    ):
        pytest.fail("two writers at the same time")
