"""Progress of a run in the terminal: a live table, or plain lines where the output is not a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.airflow.client import FINISHED_STATES, AirflowClient, TaskState
from cli.console.failures import task_error
from midnight.errors import MidnightError

_POLL_SECONDS = 0.7
_OBSTACLE_CHECK_SECONDS = 10.0
_STYLES = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "upstream_failed": ("-", "red"),
    "skipped": ("-", "dim"),
    "running": ("●", "cyan"),
    "up_for_retry": ("↻", "yellow"),
    "restarting": ("↻", "yellow"),
}
_STATE_TEXTS = {
    "none": "waiting",
    "up_for_retry": "failed, will be retried",
    "upstream_failed": "not run",
    "deferred": "running",
}


def make_console(*, stderr: bool = False) -> Console:
    """The terminal; a file or a pipe gets lines that are wide enough for the tables.

    Args:
        stderr: write to standard error, because standard output carries a document for a script.
    """
    console = Console(highlight=False, stderr=stderr)
    return console if console.is_terminal else Console(highlight=False, stderr=stderr, width=120)


@contextmanager
def step(console: Console, doing: str, done: str) -> Iterator[list[str]]:
    """Print what is being done, then how long it took.

    Args:
        console: the terminal.
        doing: shown while the block runs.
        done: shown after it, unless the block adds another text to the list that it gets.
    """
    started = time.monotonic()
    result: list[str] = []
    if console.is_terminal:
        with console.status(doing):
            yield result
    else:
        console.print(Text(f"  {doing} …", "dim"), soft_wrap=True)
        yield result
    seconds = time.monotonic() - started
    console.print(Text.assemble(("✓ ", "green"), result[0] if result else done, (f"  {seconds:.1f} s", "dim")))


class RunStuckError(MidnightError):
    """A run that cannot finish: something that it needs has stopped, or its time is over."""


def watch(
    client: AirflowClient,
    run_id: str,
    logs: Path,
    console: Console,
    find_obstacle: Callable[[str, float], str | None] = lambda state, waited_seconds: None,
    *,
    timeout_seconds: float = float("inf"),
) -> str:
    """Show a run until it is finished.

    Args:
        client: of the Airflow that runs it.
        run_id: the run.
        logs: folder with the task logs.
        console: the terminal.
        find_obstacle: called every ten seconds with the run's state and the seconds since the start; returns why the
            run cannot continue, or None.
        timeout_seconds: how long to wait.

    Returns:
        ``success`` or ``failed``.

    Raises:
        RunStuckError: ``find_obstacle`` returned a reason, or the time is over.
        AirflowClientError: Airflow no longer answers.
    """
    order = client.task_order()
    started = last_check = time.monotonic()
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
                    _print_change(task, run_id, logs, live.console if live else console, elapsed, is_live=bool(live))
                seen[task_id] = now
            if state in FINISHED_STATES:
                return state
            if time.monotonic() - last_check > _OBSTACLE_CHECK_SECONDS:
                last_check = time.monotonic()
                reason = find_obstacle(state, elapsed)
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
        table.add_row(Text(sign, style), Text(task_id), Text(_STATE_TEXTS.get(name, name), style), Text(seconds, "dim"))
    table.add_row("", Text(f"run {state}", "bold"), "", Text(f"{elapsed:6.1f} s", "dim"))
    return table


def _print_change(task: TaskState, run_id: str, logs: Path, console: Console, elapsed: float, *, is_live: bool) -> None:
    if not is_live and task.state not in ("scheduled", "queued"):
        seconds = f" ({task.seconds:.1f} s)" if task.seconds is not None and task.state != "running" else ""
        text = _STATE_TEXTS.get(task.state, task.state)
        console.print(f"{elapsed:6.1f} s  {task.task_id:<40} {text}{seconds}", highlight=False, soft_wrap=True)
    if task.state == "up_for_retry":
        # At once, since the next try starts minutes later.
        error = task_error(logs, run_id, task.task_id)
        if error:
            console.print(Text.assemble(("  try failed: ", "yellow"), error[0]), soft_wrap=True)
