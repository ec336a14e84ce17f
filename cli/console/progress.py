"""Progress of a run in the terminal: a live table, or plain lines where the output is no terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.airflow.client import DAG_ID, FINISHED_STATES, AirflowClient, TaskState
from midnight.errors import MidnightError
from midnight.report.task_log import failure_message

_POLL_SECONDS = 0.7
_LOOK_SECONDS = 10.0
_STYLES = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "upstream_failed": ("-", "red"),
    "skipped": ("-", "dim"),
    "running": ("●", "cyan"),
    "up_for_retry": ("↻", "yellow"),
    "restarting": ("↻", "yellow"),
}
_WORDS = {
    "none": "waiting",
    "up_for_retry": "failed, will be tried again",
    "upstream_failed": "not run",
    "deferred": "running",
}


def make_console() -> Console:
    """The terminal; a file or a pipe gets lines that are wide enough for the tables."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


@contextmanager
def step(console: Console, doing: str, done: str) -> Iterator[list[str]]:
    """Print what is being done, then how long it took. The list may get one text that replaces ``done``."""
    started = time.monotonic()
    words: list[str] = []
    if console.is_terminal:
        with console.status(doing):
            yield words
    else:
        console.print(Text(f"  {doing} …", "dim"), soft_wrap=True)
        yield words
    seconds = time.monotonic() - started
    console.print(Text.assemble(("✓ ", "green"), words[0] if words else done, (f"  {seconds:.1f} s", "dim")))


class RunStuckError(MidnightError):
    """Something that a run needs has gone, so that waiting for its end would never end."""


def watch(
    client: AirflowClient,
    run_id: str,
    logs: Path,
    console: Console,
    trouble: Callable[[str, float], str | None] = lambda state, waited_seconds: None,
    *,
    timeout_seconds: float = float("inf"),
) -> str:
    """Show a run until it is finished.

    Args:
        client: of the Airflow that runs it.
        run_id: the run.
        logs: folder with the task logs.
        console: the terminal.
        trouble: called every ten seconds with the run's state and the seconds since the start: why the run will not
            go on, if it will not.
        timeout_seconds: how long to wait.

    Returns:
        ``success`` or ``failed``.

    Raises:
        RunStuckError: ``trouble`` gave a reason, or the time is over.
        AirflowClientError: Airflow no longer answers.
    """
    order = client.task_order()
    started = last_look = time.monotonic()
    seen: dict[str, tuple[str, int]] = {}
    live = Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else None
    if live:
        live.start()
    try:
        while True:
            state, tasks = client.run_state(run_id), client.tasks(run_id)
            elapsed = time.monotonic() - started
            if live:
                live.update(_table(order, tasks, state, elapsed))
            for task_id in order:
                task = tasks.get(task_id)
                now = (task.state, task.attempt) if task else ("none", 0)
                if task and seen.get(task_id, ("none", 0)) != now:
                    _tell_change(task, run_id, logs, live.console if live else console, elapsed, is_live=bool(live))
                seen[task_id] = now
            if state in FINISHED_STATES:
                return state
            if time.monotonic() - last_look > _LOOK_SECONDS:
                last_look = time.monotonic()
                reason = trouble(state, elapsed)
                if reason:
                    raise RunStuckError(reason)
            if elapsed > timeout_seconds:
                raise RunStuckError(
                    f"run {run_id} is still {state} after {elapsed / 60:.0f} minutes; "
                    "hint: `make status` shows what is running"
                )
            time.sleep(_POLL_SECONDS)
    finally:
        if live:
            live.stop()


def _table(order: Sequence[str], tasks: dict[str, TaskState], state: str, elapsed: float) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for task_id in order:
        task = tasks.get(task_id)
        name = task.state if task else "none"
        sign, style = _STYLES.get(name, ("·", "dim"))
        seconds = f"{task.seconds:6.1f} s" if task and task.seconds is not None else ""
        table.add_row(Text(sign, style), Text(task_id), Text(_WORDS.get(name, name), style), Text(seconds, "dim"))
    table.add_row("", Text(f"run {state}", "bold"), "", Text(f"{elapsed:6.1f} s", "dim"))
    return table


def _tell_change(task: TaskState, run_id: str, logs: Path, console: Console, elapsed: float, *, is_live: bool) -> None:
    if not is_live and task.state not in ("scheduled", "queued"):
        seconds = f" ({task.seconds:.1f} s)" if task.seconds is not None and task.state != "running" else ""
        words = _WORDS.get(task.state, task.state)
        console.print(f"{elapsed:6.1f} s  {task.task_id:<40} {words}{seconds}", highlight=False, soft_wrap=True)
    if task.state == "up_for_retry":
        # At once, since the next try comes after a pause of minutes.
        error = task_error(logs, run_id, task.task_id)
        if error:
            console.print(Text.assemble(("  try failed: ", "yellow"), error[0]), soft_wrap=True)


def tell_failure(client: AirflowClient, run_id: str, logs: Path, console: Console) -> None:
    """Which tasks of a run failed, the sentence of each, and where its log is.

    Args:
        client: of the Airflow that ran it.
        run_id: the run.
        logs: folder with the task logs.
        console: the terminal.
    """
    failed = [task for task in client.tasks(run_id).values() if task.state == "failed"]
    for task in failed:
        error = task_error(logs, run_id, task.task_id)
        console.print(Text.assemble(("✗ ", "red"), f"task {task.task_id} failed"), soft_wrap=True)
        if error:
            sentence, log = error
            console.print(Text(f"  {sentence}"), soft_wrap=not console.is_terminal)  # a file gets whole lines
            console.print(Text(f"  log: {log}", "dim"), soft_wrap=True)
    if not failed:
        words = f"run {run_id} failed without a failed task: it took too long, or a person ended it"
        console.print(Text.assemble(("✗ ", "red"), words), soft_wrap=True)


def task_log(logs: Path, run_id: str, task_id: str) -> Path | None:
    """The log of the last try of a task."""
    folder = logs / f"dag_id={DAG_ID}" / f"run_id={run_id}" / f"task_id={task_id}"
    attempts = sorted(folder.glob("attempt=*.log"), key=lambda path: int(path.stem.removeprefix("attempt=")))
    return attempts[-1] if attempts else None


def task_error(logs: Path, run_id: str, task_id: str) -> tuple[str, Path] | None:
    """The sentence with which the last try of a task failed, and its log; None where there is no log."""
    log = task_log(logs, run_id, task_id)
    if log is None:
        return None
    entries = [
        entry for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if (entry := _entry(line))
    ]
    return (failure_message(entries) or "the log names no error", log)


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
