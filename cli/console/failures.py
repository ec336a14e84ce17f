"""Failed tasks of a run: the error of each, and where its log is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from cli.airflow.client import DAG_ID, AirflowClient
from midnight.report.task_log import failure_message


class FailedTask(NamedTuple):
    """A task that failed, the error of its last try, and its log; both empty where there is no log."""

    task_id: str
    error: str
    log: str


def failed_tasks(client: AirflowClient, run_id: str, logs: Path, state: str = "failed") -> list[FailedTask]:
    """The tasks of a run in a state, each with the error of its last try.

    Args:
        client: of the Airflow that ran it.
        run_id: the run.
        logs: folder with the task logs.
        state: ``failed``, or ``up_for_retry``: its last try failed, and Airflow tries again.
    """
    failed = [task.task_id for task in client.tasks(run_id).values() if task.state == state]
    return [FailedTask(task_id, *map(str, task_error(logs, run_id, task_id) or ("", ""))) for task_id in failed]


def print_failures(console: Console, run_id: str, failures: Sequence[FailedTask], *, retried: bool = False) -> None:
    """Print the failed tasks of a failed run; with ``retried`` of an active one, in which Airflow tries them again."""
    sign, outcome = (("↻ ", "yellow"), "failed, Airflow tries again") if retried else (("✗ ", "red"), "failed")
    for failure in failures:
        console.print(Text.assemble(sign, f"task {failure.task_id} {outcome}"), soft_wrap=True)
        if failure.log:
            console.print(Text(f"  {failure.error}"), soft_wrap=not console.is_terminal)  # a file gets whole lines
            console.print(Text(f"  log: {failure.log}", "dim"), soft_wrap=True)
    if not failures:
        text = f"run {run_id} failed without a failed task: it exceeded its time limit, or a person ended it"
        console.print(Text.assemble(("✗ ", "red"), text), soft_wrap=True)


def task_log(logs: Path, run_id: str, task_id: str) -> Path | None:
    """The log of the last try of a task."""
    folder = logs / f"dag_id={DAG_ID}" / f"run_id={run_id}" / f"task_id={task_id}"
    attempts = sorted(folder.glob("attempt=*.log"), key=lambda path: int(path.stem.removeprefix("attempt=")))
    return attempts[-1] if attempts else None


def task_error(logs: Path, run_id: str, task_id: str) -> tuple[str, Path] | None:
    """The error with which the last try of a task failed, and its log; None where there is no log."""
    log = task_log(logs, run_id, task_id)
    if log is None:
        return None
    entries = [
        entry for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if (entry := _entry(line))
    ]
    return (failure_message(entries) or "the log has no error", log)


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
