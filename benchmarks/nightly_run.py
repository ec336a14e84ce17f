"""The whole product on the demo source: `make up` on a fresh instance, `make up` again, then `make night`.

For each run: seconds from the trigger to the end of the serve stage, and the seconds of its tasks. The rest is
Airflow: scheduling, and starting one process per task.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.results import print_table
from cli.airflow.client import AirflowClient
from cli.airflow.settings import ADMIN
from cli.instance.folder import Instance

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Timing:
    """Seconds of one run: the command, trigger to views, and per task."""

    command: float
    to_views: float
    tasks: dict[str, float]

    @property
    def work(self) -> float:
        return sum(self.tasks.values())


def main() -> None:
    """Print a row per run, with the work of its tasks as a ratio to the first, and the seconds of each task."""
    with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "MIDNIGHT_HOME": str(home)}
        try:
            timings = {
                "first run (reference)": _run("up", home, environment),
                "nothing changed": _run("up", home, environment),
                "one day of change": _run("night", home, environment),
            }
        finally:
            _command("reset", environment)
    first = timings["first run (reference)"]
    rows = []
    for name, timing in timings.items():
        airflow = timing.to_views - timing.work
        seconds = [f"{value:.1f} s" for value in (timing.command, timing.to_views, timing.work, airflow)]
        rows.append([name, *seconds, f"{airflow / timing.to_views:.0%}", f"{timing.work / first.work:.2f} x"])
    print_table(
        ["run", "whole command", "trigger to views", "= tasks", "+ Airflow", "Airflow's share", "tasks to reference"],
        rows,
    )
    tasks = list(first.tasks)
    print_table(
        ["seconds of each task", *tasks],
        [[name, *(f"{timing.tasks[task]:.1f}" for task in tasks)] for name, timing in timings.items()],
    )


def _run(command: str, home: Path, environment: dict[str, str]) -> Timing:
    started = time.perf_counter()
    _command(command, environment)
    seconds = time.perf_counter() - started
    instance = Instance(home)
    port = instance.read_state()["ports"]["airflow"]
    client = AirflowClient(f"http://127.0.0.1:{port}", ADMIN, instance.secrets["airflow_admin_password"])
    run = client.runs(limit=1)[0]
    triggered = datetime.fromisoformat(run["queued_at"])
    before_report = {
        task["task_id"]: (datetime.fromisoformat(task["start_date"]), datetime.fromisoformat(task["end_date"]))
        for task in client.task_instances(run["dag_run_id"])
        if task["end_date"] and not task["task_id"].startswith("report.")
    }
    views_ready = max(end for _, end in before_report.values())
    return Timing(
        command=seconds,
        to_views=(views_ready - triggered).total_seconds(),
        tasks={name: (end - start).total_seconds() for name, (start, end) in before_report.items()},
    )


def _command(name: str, environment: dict[str, str]) -> None:
    result = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "cli", name],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"`python -m cli {name}` failed:\n{result.stdout}\n{result.stderr}")


if __name__ == "__main__":
    main()
