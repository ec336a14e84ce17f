"""Runs a Spark job of this repository as a process on this machine (local profile)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from midnight.databricks.runs import parse_releasable
from midnight.errors import NON_RETRYABLE_MARKER, JobError, NonRetryableJobError
from midnight.job_server.client import ServedJob, start_job
from midnight.job_server.messages import SOCKET_NAME
from midnight.lake.lock import lake_write_lock
from midnight.run.document import RunDocument
from midnight.run.plan import renew_rebuild_plan
from midnight.settings import load_settings, python_path
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.masking_key import masking_key_text
from midnight_airflow.open_lineage import OpenLineageDatasets, step_of_job
from midnight_airflow.release import ask_for_release, decide
from midnight_airflow.run_context import batch_id
from midnight_airflow.run_totals import push_run_totals

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.configuration.tables import Table
    from midnight.lineage.open_lineage import Step as LineageStep

Step = Literal["bronze_to_silver", "silver_to_gold"]

# Airflow's supervisor sends SIGKILL 5 s after SIGTERM; the job must have ended before that.
GRACE_SECONDS = 3.0


class LocalSparkJobOperator(OpenLineageDatasets, BaseOperator):
    """Run ``python -m spark_jobs.<step>`` on this machine and wait for it.

    The instance's job server runs it, which has imported Spark already. Without one, or when the code has changed since
    it imported it, the job is a child process of the task.

    Either way the job holds the read end of a pipe and exits when this process dies, for whatever reason. The job also
    holds the lake's lock, so that a killed task does not release it before the job has ended.

    Args:
        step: name of the job's module in ``spark_jobs``.
    """

    ui_color = "#E8F4EA"

    def __init__(self, *, step: Step, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step
        self._process: subprocess.Popen[bytes] | ServedJob | None = None

    @property
    def lineage_step(self) -> LineageStep:
        return step_of_job(self.step)

    def execute(self, context: Context) -> None:
        """Run the job for the batch of this DAG run.

        Raises:
            JobError: the job's exit code is not 0.
            ConfigurationError: a table has masked columns, and the masking key is missing or weak.
        """
        try:
            self._run_locked(context)
        except NonRetryableJobError as error:
            ask_for_release(self, context, error)
            raise
        if self.step == "bronze_to_silver":
            push_run_totals(context, load_settings())

    def execute_released(self, context: Context, event: dict[str, Any], message: str, releasable: list[str]) -> None:
        """Run the job again after a person has released what stopped it.

        Raises:
            NonRetryableJobError: it was not released.
        """
        decide(context, event, message, releasable)
        self.execute(context)

    def _run_locked(self, context: Context) -> None:
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
            self._run(json.dumps(arguments), lock, first_line)

    def on_kill(self) -> None:
        """Kill the job and its child processes. Runs inside a signal handler: no logging, which could deadlock."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal_group(process.pid, signal.SIGKILL)

    def _run(self, arguments: str, lock: int, first_line: str = "") -> None:
        self.log.info("Starting spark_jobs.%s %s", self.step, arguments)
        started = time.monotonic()
        last_error = last_line = ""
        kind: type[JobError] = JobError
        releasable: tuple[str, ...] = ()
        with self._start(arguments, lock) as process:
            self._process = process
            try:
                _write_first_line(process, first_line)
                for raw in process.stdout or ():
                    last_line = raw.decode(errors="replace").rstrip()
                    self.log.info(last_line)
                    if last_line == NON_RETRYABLE_MARKER:
                        kind = NonRetryableJobError
                    releasable = parse_releasable([last_line]) or releasable
                    if last_line.startswith("error: "):
                        last_error = last_line.removeprefix("error: ")
                code = process.wait()
            except BaseException:
                _signal_group(process.pid, signal.SIGKILL)
                raise
        if code != 0:
            message = f"{self.step}: {last_error or _describe_exit(code, last_line)}"
            raise NonRetryableJobError(message, releasable) if kind is NonRetryableJobError else kind(message)
        self.log.info("%s took %.1f s", self.step, time.monotonic() - started)

    def _start(self, arguments: str, lock: int) -> subprocess.Popen[bytes] | ServedJob:
        module, environment = f"spark_jobs.{self.step}", _job_environment()
        served = start_job(
            load_settings().home / SOCKET_NAME,
            module,
            [arguments],
            environment=environment,
            lock=lock,
            log=self.log.info,
        )
        if served is not None:
            return served
        return subprocess.Popen(  # noqa: S603 - our own module, an argument list, no shell
            # -P: do not import modules from the working directory of Airflow.
            [sys.executable, "-P", "-m", module, arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )


def _tables(run_document: str | None) -> list[Table]:
    """Tables of a run document; none when it does not exist, which the job reports."""
    return [] if run_document is None else [w.table for w in RunDocument.model_validate_json(run_document).tables]


def _write_first_line(process: subprocess.Popen[bytes] | ServedJob, line: str) -> None:
    """Write the first line of the job's input; it stays open: the job exits when it is closed."""
    if line and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # the output of a job that has ended contains the reason
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _job_environment() -> dict[str, str]:
    """The environment without Airflow's variables: the job needs no secret of Airflow (connections, database, keys)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    kept["PYTHONPATH"] = python_path(kept.get("PYTHONPATH", ""))
    kept["PYTHONUNBUFFERED"] = "1"
    kept["MIDNIGHT_LIFELINE"] = "stdin"
    return kept


def _describe_exit(code: int, last_line: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = "check the memory of this machine, then clear" if name == "SIGKILL" else "clear"
        return f"the job was killed by {name}; hint: {hint} this task"
    return f"the job ended with exit code {code}: {last_line or 'no output'}; hint: see the log of this task"
