"""Runs of Databricks jobs: their queue and life cycle.

Source: "Jobs API 2.2", objects Run, RunTask and RunState.
"""

from __future__ import annotations

import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.fakes.databricks_process import SparkServer, end_process, install, start_task

TERMINAL = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
_MESSAGES = {"FAILED": "Workload failed, see run output for details.", "CANCELED": "Run cancelled."}


def new_id() -> int:
    """A random id, like those of the service: later ones are not larger."""
    return 1 + secrets.randbelow(1 << 50)


def _milliseconds(since: float) -> int:
    return round(1000 * (time.monotonic() - since))


@dataclass
class TaskRun:
    """One task of a run."""

    task: dict[str, Any]
    run_id: int = field(default_factory=new_id)
    life_cycle: str = "BLOCKED"
    result: str = ""
    message: str = ""
    logs: str = ""
    error: str = ""
    setup_ms: int = 0
    execution_ms: int = 0
    cleanup_ms: int = 0

    def end(self, result: str, message: str = "") -> None:
        self.life_cycle, self.result, self.message = "TERMINATED", result, message or _MESSAGES.get(result, "")


@dataclass
class JobRun:
    """One run of a job, with the settings that the job had at its start."""

    job_id: int
    settings: dict[str, Any]
    parameters: dict[str, str]
    tasks: list[TaskRun]
    run_id: int = field(default_factory=new_id)
    life_cycle: str = "QUEUED"
    result: str = ""
    message: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.time)
    cluster_ms: int = 0

    @property
    def ended(self) -> bool:
        return self.life_cycle in TERMINAL


class Runner:
    """Runs jobs, each in a thread.

    Args:
        folder: for installed wheels and logs.
        environment: added to the processes' environment.
        read: returns the content of a file of the workspace; None when it does not exist.
        engine: which Spark Connect server a run gets; None for jobs that need none.

    Attributes:
        runs: all runs, oldest first.
        writers: job name -> largest number of its processes that ran at the same time.
        no_cluster: why the clusters of the next runs do not start, one message per run.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        read: Callable[[str], bytes | None],
        engine: Literal["sail", "spark"] | None,
    ) -> None:
        self.folder, self.environment, self.engine = folder, dict(environment), engine
        self.runs: list[JobRun] = []
        self.writers: dict[str, int] = {}
        self.no_cluster: list[str] = []
        self._read = read
        self._working: dict[str, int] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self, run: JobRun) -> None:
        """Queue a run; it starts when ``max_concurrent_runs`` allows it."""
        with self._changed:
            self.runs.append(run)
            if not run.settings.get("queue", {}).get("enabled") and self._is_full(run):
                run.life_cycle, run.result = "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED"
                run.message = "Skipping this run because the limit of maximum concurrent runs has been reached."
                return
        thread = threading.Thread(target=self._live, args=(run,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def cancel(self, run: JobRun) -> None:
        """Cancel a run, which is TERMINATING first."""
        with self._changed:
            if not run.ended:
                run.cancelled.set()
                run.life_cycle = "TERMINATING"
            self._changed.notify_all()

    def close(self) -> None:
        """Cancel all runs."""
        for run in self.runs:
            self.cancel(run)
        for thread in self._threads:
            thread.join(20)

    def _is_full(self, run: JobRun) -> bool:
        before = self.runs[: self.runs.index(run)]
        active = [other for other in before if other.job_id == run.job_id and not other.ended]
        return len(active) >= run.settings.get("max_concurrent_runs", 1)

    def _live(self, run: JobRun) -> None:
        with self._changed:
            self._changed.wait_for(lambda: run.cancelled.is_set() or not self._is_full(run))
            if not run.cancelled.is_set():
                run.life_cycle = "PENDING"
        (self.folder / str(run.run_id)).mkdir(parents=True)
        if self.no_cluster and not run.cancelled.is_set():
            message = self.no_cluster.pop(0)
            for task in run.tasks:
                task.end("FAILED", message)
            self._end(run)
            return
        server, begun = None, time.monotonic()
        try:
            if self.engine is not None and not run.cancelled.is_set():
                server = SparkServer(self.engine, self.folder / str(run.run_id), self.environment)
            with self._changed:
                if not run.cancelled.is_set():
                    run.life_cycle = "RUNNING"
            run.tasks[0].setup_ms = _milliseconds(begun)
            for task in run.tasks:
                at = time.monotonic()
                self._run_task(run, task, server)
                task.execution_ms = _milliseconds(at)
        finally:
            at = time.monotonic()
            if server is not None:
                server.close()
            run.tasks[-1].cleanup_ms = _milliseconds(at)
            run.cluster_ms = _milliseconds(begun)
            self._end(run)

    def _end(self, run: JobRun) -> None:
        failed = next((task for task in run.tasks if task.result != "SUCCESS"), None)
        with self._changed:
            if run.cancelled.is_set():
                run.life_cycle, run.result, run.message = "TERMINATED", "CANCELED", "Run cancelled."
            elif failed is not None:
                run.life_cycle, run.result = "INTERNAL_ERROR", failed.result or "FAILED"
                run.message = (
                    f"Task {failed.task['task_key']} failed with message: {failed.message} "
                    "This caused all downstream tasks to get skipped."
                )
            else:
                run.life_cycle, run.result = "TERMINATED", "SUCCESS"
            self._changed.notify_all()

    def _run_task(self, run: JobRun, task: TaskRun, server: SparkServer | None) -> None:
        upstream = {item["task_key"] for item in task.task.get("depends_on", [])}
        results = [other.result for other in run.tasks if other.task["task_key"] in upstream]
        if run.cancelled.is_set():
            task.end("CANCELED")
        elif any(result != "SUCCESS" for result in results):
            task.end("UPSTREAM_FAILED", f"Upstream task {sorted(upstream)} failed.")
        else:
            task.life_cycle = "RUNNING"
            self._work(run, task, server)

    def _work(self, run: JobRun, task: TaskRun, server: SparkServer | None) -> None:
        environments = {item["environment_key"]: item["spec"] for item in run.settings.get("environments", [])}
        serverless = environments.get(task.task.get("environment_key"), {})
        site = self.folder / str(run.run_id) / "site"
        for path in [library["whl"] for library in task.task.get("libraries", [])] + serverless.get("dependencies", []):
            content = self._read(path)
            if content is None:
                task.error = f"Library installation failed for library {path}: the file does not exist"
                task.end("FAILED", task.error)
                return
            install(content, site)
        environment = dict(self.environment)
        if server is not None:
            environment |= {"SPARK_REMOTE": server.url, "SPARK_CONNECT_MODE_ENABLED": "1"}
        said = self.folder / str(run.run_id) / f"{task.run_id}.end"
        # Counted before the first and after the last moment in which the process may write.
        self._count(run, 1)
        process = start_task(task.task, run.parameters, site, said, environment)
        stopped = self._wait(run, task, process)
        self._count(run, -1)
        task.logs = said.with_suffix(".log").read_text(errors="replace")
        task.error = said.read_text() if said.exists() else ""
        failed = process.returncode != 0 or task.error
        if failed and not stopped:
            task.error = task.error or (task.logs.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        limit = f"Run timed out after {task.task.get('timeout_seconds')} seconds."
        task.end(stopped or ("FAILED" if failed else "SUCCESS"), limit if stopped == "TIMEDOUT" else "")

    @staticmethod
    def _wait(run: JobRun, task: TaskRun, process: subprocess.Popen[bytes]) -> str:
        """Wait for the process; the result when it had to be stopped, otherwise an empty text."""
        seconds = task.task.get("timeout_seconds", 0)
        deadline = time.monotonic() + seconds if seconds else float("inf")
        while process.poll() is None:
            if run.cancelled.wait(0.02) or time.monotonic() > deadline:
                task.life_cycle = "TERMINATING"
                end_process(process)
                return "CANCELED" if run.cancelled.is_set() else "TIMEDOUT"
        return ""

    def _count(self, run: JobRun, change: int) -> None:
        # All jobs of this workspace write the same lake, unless a test gives them different names on purpose.
        with self._changed:
            name = run.settings["name"]
            self._working[name] = self._working.get(name, 0) + change
            self.writers[name] = max(self.writers.get(name, 0), self._working[name])
