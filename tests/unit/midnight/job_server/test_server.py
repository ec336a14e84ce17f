"""The job server with real processes and jobs of the tests' own: what a job gets, and what makes the server refuse."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from midnight.errors import JobError
from midnight.job_server.client import ServedJob, start_job
from midnight.job_server.messages import SOCKET_NAME
from midnight.lake.lock import lake_write_lock
from midnight.lake.paths import LakePaths
from tests.support.airflow_environment import REPOSITORY
from tests.support.served_jobs import job_server

pytestmark = pytest.mark.slow


@dataclass
class Jobs:
    """Starts jobs in the server.

    Args:
        folder: with the package ``jobs``, whose changes make the server stale; the job itself lies elsewhere.
        server: its process.
    """

    folder: Path
    server: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / SOCKET_NAME

    def start(self, body: str, *arguments: str, lock: int | None = None, **environment: str) -> ServedJob | None:
        (self.folder / "code" / "job.py").write_text(textwrap.dedent(body))
        with open(os.devnull) as nothing:
            return start_job(
                self.socket,
                "job",
                arguments,
                environment=environment,
                lock=nothing.fileno() if lock is None else lock,
                log=self.log.append,
            )

    def run(self, body: str, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code and output of a job."""
        job = self.start(body, *arguments, **environment)
        assert job is not None, self.log
        with job:
            output = job.stdout.read().decode()
            return job.wait(), output


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    package = tmp_path / "code" / "jobs"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "rules.py").write_text("RULE = 'first'\n")
    with job_server(tmp_path / SOCKET_NAME, code=package.parent, module="jobs.rules", watched=package) as server:
        yield Jobs(tmp_path, server)


def test_a_job_is_run_like_a_module_on_the_command_line(jobs):
    code, output = jobs.run(
        """
        import os, sys
        print(__name__, sys.argv[1:], dict(os.environ), "jobs.rules" in sys.modules)
        print("a warning", file=sys.stderr)
        """,
        '{"engine": "sail"}',
        NAME="value",
    )
    assert code == 0
    assert output == "__main__ ['{\"engine\": \"sail\"}'] {'NAME': 'value'} True\na warning\n"


@pytest.mark.parametrize(
    ("body", "code", "output"),
    [
        ("import sys; sys.exit(4)", 4, ""),
        ("import sys; sys.exit()", 0, ""),
        ("raise ValueError('bad')", 1, "ValueError: bad\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
    ],
)
def test_the_exit_code(jobs, body, code, output):
    ended, seen = jobs.run(body)
    assert ended == code
    assert seen.endswith(output)


def test_one_job_leaves_nothing_to_the_next(jobs):
    jobs.run("import jobs.rules; jobs.rules.RULE = 'changed'")
    assert jobs.run("import jobs.rules; print(jobs.rules.RULE)") == (0, "first\n")


def test_only_the_owner_can_reach_the_socket(jobs):
    assert stat.S_IMODE(jobs.socket.stat().st_mode) == 0o600


def test_a_path_longer_than_the_kernel_takes(tmp_path):
    folder = tmp_path / ("long" * 30)
    (folder / "code").mkdir(parents=True)
    with job_server(folder / SOCKET_NAME, code=folder / "code") as server:
        assert Jobs(folder, server).run("print('ran')") == (0, "ran\n")


def test_changed_code_is_refused_then_imported(jobs):
    (jobs.folder / "code" / "jobs" / "rules.py").write_text("RULE = 'the second'\n")

    assert jobs.start("pass") is None
    assert jobs.log == [
        "the job server does not run this job: its code has changed since it was imported; it has a process of its own"
    ]
    assert jobs.run("import jobs.rules; print(jobs.rules.RULE)") == (0, "the second\n")
    assert jobs.server.poll() is None, "the server keeps its process id"


def test_code_that_cannot_be_imported_is_refused_until_it_is_corrected(jobs):
    rules = jobs.folder / "code" / "jobs" / "rules.py"
    rules.write_text("RULE = \n")
    assert jobs.start("pass") is None  # the server replaces itself
    assert jobs.start("pass") is None
    assert "jobs.rules cannot be imported: SyntaxError: invalid syntax" in jobs.log[-1]

    rules.write_text("RULE = 'corrected'\n")
    assert jobs.start("pass") is None
    assert jobs.run("import jobs.rules; print(jobs.rules.RULE)") == (0, "corrected\n")


def test_imports_that_start_threads_are_refused(jobs):
    (jobs.folder / "code" / "jobs" / "rules.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    jobs.start("pass")
    assert jobs.start("pass") is None
    assert "its imports have started threads (1), so that it cannot fork" in jobs.log[-1]


def test_the_job_holds_the_lock_after_the_task_released_it(jobs):
    paths = LakePaths.below(str(jobs.folder / "lake"))
    with lake_write_lock(paths, "a task", print) as lock:
        job = jobs.start("import time; time.sleep(1); print('done', flush=True)", lock=lock)
        assert job is not None
    waited: list[str] = []
    with lake_write_lock(paths, "a test", waited.append):
        assert job.stdout.read() == b"done\n"
    assert len(waited) == 1
    with job:
        assert job.wait() == 0


WAITS_FOR_END_OF_INPUT = """
import os, sys
print(os.getpid(), flush=True)
while os.read(0, 4096):
    pass
os._exit(3)
"""

TASK = """
import os, sys, time
from pathlib import Path
from midnight.job_server.client import start_job
job = start_job(Path(sys.argv[1]), "job", [], environment={}, lock=2, log=print)
print(job.stdout.readline().decode(), end="", flush=True)
time.sleep(60)
"""


def test_the_job_ends_when_the_task_is_killed(jobs):
    (jobs.folder / "code" / "job.py").write_text(WAITS_FOR_END_OF_INPUT)
    with subprocess.Popen(
        [sys.executable, "-c", TASK, jobs.socket],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins")},
        stdout=subprocess.PIPE,
        text=True,
    ) as task:
        assert task.stdout is not None
        job = psutil.Process(int(task.stdout.readline()))
        assert job.is_running()
        task.kill()
    job.wait(timeout=20)
    assert not job.is_running()


def test_the_job_outlives_its_server(jobs):
    job = jobs.start(WAITS_FOR_END_OF_INPUT)
    assert job is not None
    with job:
        job.stdout.readline()
        jobs.server.kill()
        jobs.server.wait()
        job.stdin.close()
        assert job.wait() == 3
    assert jobs.start("pass") is None
    assert "the job server does not answer" in jobs.log[0]


def test_a_killed_supervisor_is_an_error_of_the_task(jobs):
    job = jobs.start(WAITS_FOR_END_OF_INPUT)
    assert job is not None
    with job:
        process = psutil.Process(int(job.stdout.readline()))
        supervisor = process.parent()
        assert supervisor is not None
        supervisor.kill()
        job.stdin.close()
        with pytest.raises(JobError, match=r"the job server's process ended while .*; hint: .* clear this task"):
            job.wait()
    process.wait(timeout=20)


def test_the_process_id_is_reserved_until_the_task_closes_the_job(jobs):
    job = jobs.start("pass")
    assert job is not None
    with job:
        assert job.wait() == 0
        time.sleep(0.1)
        assert psutil.Process(job.pid).status() == psutil.STATUS_ZOMBIE


def test_without_a_server_there_is_no_job_and_no_message(tmp_path):
    log: list[str] = []
    assert start_job(tmp_path / SOCKET_NAME, "job", [], environment={}, lock=2, log=log.append) is None
    assert start_job(tmp_path / "missing" / SOCKET_NAME, "job", [], environment={}, lock=2, log=log.append) is None
    assert log == []
