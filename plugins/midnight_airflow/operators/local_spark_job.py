"""Runs a Spark job of the repository as a child process (local profile)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from midnight.errors import NON_RETRYABLE_MARKER, JobError, NonRetryableJobError
from midnight.lake.lock import lake_write_lock
from midnight.run.document import RunDocument
from midnight.run.plan import renew_rebuild_plan
from midnight.settings import REPOSITORY, load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.masking_key import masking_key_text
from midnight_airflow.run_context import batch_id
from midnight_airflow.run_totals import push_run_totals

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.configuration.tables import Table

Step = Literal["bronze_to_silver", "silver_to_gold"]

# Airflow's supervisor sends SIGKILL 5 s after SIGTERM; the job must be gone before that.
GRACE_SECONDS = 3.0


class LocalSparkJobOperator(BaseOperator):
    """Run ``python -m spark_jobs.<step>`` on this machine and wait for it.

    The job holds the read end of a pipe and ends when this process dies, whatever killed it. The lake's lock belongs
    to the job as well, so that it outlives a killed task until the job is gone.

    Args:
        step: module of the job in ``spark_jobs``.
    """

    ui_color = "#E8F4EA"

    def __init__(self, *, step: Step, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step
        self._process: subprocess.Popen[bytes] | None = None

    def execute(self, context: Context) -> None:
        """Run the job for the batch of this DAG run.

        Raises:
            JobError: the job ended with another exit code than 0.
            ConfigurationError: a table has masked columns, and there is no usable key.
        """
        settings = load_settings()
        document = settings.paths.run_document(batch_id(context))
        arguments = {"run_document": document, "engine": settings.engine}
        name = f"the task {self.task_id} of the run {context['run_id']}"
        with lake_write_lock(settings.paths, name, self.log.info) as lock:
            first_line = ""
            if self.step == "bronze_to_silver":
                lake = open_lake(settings)
                renew_rebuild_plan(settings, lake, batch_id(context))
                first_line = masking_key_text(_tables(lake.read_text(document)))
            if first_line:
                arguments["masking_key"] = "stdin"
            # -P: the folder that Airflow was started in must not lend its modules to the job.
            self._run([sys.executable, "-P", "-m", f"spark_jobs.{self.step}", json.dumps(arguments)], lock, first_line)
        if self.step == "bronze_to_silver":
            push_run_totals(context, settings)

    def on_kill(self) -> None:
        """End the job and everything it started. Runs inside a signal handler: no logging, which could deadlock."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal_group(process.pid, signal.SIGKILL)

    def _run(self, command: Sequence[str], lock: int, first_line: str = "") -> None:
        self.log.info("Starting %s", " ".join(command[3:]))
        started = time.monotonic()
        last_error = last_line = ""
        kind = JobError
        with subprocess.Popen(  # noqa: S603 - our own module, an argument list, no shell
            command,
            env=_job_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        ) as process:
            self._process = process
            try:
                _tell(process, first_line)
                for raw in process.stdout or ():
                    last_line = raw.decode(errors="replace").rstrip()
                    self.log.info(last_line)
                    if last_line == NON_RETRYABLE_MARKER:
                        kind = NonRetryableJobError
                    if last_line.startswith("error: "):
                        last_error = last_line.removeprefix("error: ")
                code = process.wait()
            except BaseException:
                _signal_group(process.pid, signal.SIGKILL)
                raise
        if code != 0:
            raise kind(f"{self.step}: {last_error or _ending(code, last_line)}")
        self.log.info("%s took %.1f s", self.step, time.monotonic() - started)


def _tables(run_document: str | None) -> list[Table]:
    """Of a run document; none when there is no such document, which the job says better."""
    return [] if run_document is None else [w.table for w in RunDocument.model_validate_json(run_document).tables]


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    """Write the job's first line; its input stays open, as its lifeline."""
    if line and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # a job that is gone already says why by its output
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _job_environment() -> dict[str, str]:
    """The job needs no secret of Airflow (connections, database, keys), so it gets none of Airflow's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    folders = [str(REPOSITORY), str(REPOSITORY / "plugins"), kept.get("PYTHONPATH", "")]
    kept["PYTHONPATH"] = os.pathsep.join(folder for folder in folders if folder)
    kept["PYTHONUNBUFFERED"] = "1"
    kept["MIDNIGHT_LIFELINE"] = "stdin"
    return kept


def _ending(code: int, last_line: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        cure = "; the machine may be out of memory" if name == "SIGKILL" else ""
        return f"the job was ended by {name}{cure}; clear this task to run it again"
    return f"the job ended with exit code {code}: {last_line or 'it said nothing'}; see the log of this task"
