"""Starts a stage in a process of its own, forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from tests.support.interruptions.stages import run_stage
from tests.support.interruptions.task import Result, Task
from tests.support.waiting import LIMIT_SECONDS

_context = multiprocessing.get_context("forkserver")
# A child also imports the parent's main module, `python -m tests.support.interruptions`, and so the campaign.
_context.set_forkserver_preload(["tests.support.interruptions.stages", "tests.support.interruptions.campaign"])


class Child:
    """A stage that runs.

    Args:
        task: the stage.
        on_pause: called when it pauses (``Moments``); then it goes on.
    """

    def __init__(self, task: Task, on_pause: Callable[[], None] = lambda: None) -> None:
        self.task, self._on_pause = task, on_pause
        self._pipe, other = _context.Pipe()
        self._process = _context.Process(target=run_stage, args=(task, other))
        self._process.start()
        other.close()

    @property
    def is_running(self) -> bool:
        return self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def wait(self, seconds: float = LIMIT_SECONDS) -> Result:
        """How it ended; an ``error`` that begins with ``killed`` when it was."""
        result = None
        while result is None:
            answer = self._receive(self._pipe, seconds)
            if answer == "paused":
                self._on_pause()
                self._pipe.send("go on")
            else:
                result = answer
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._pipe.close()
        return result

    def _receive(self, pipe: Connection, seconds: float) -> Any:
        if not pipe.poll(seconds):
            self._process.kill()
            return Result(f"hangs: no end after {seconds} s", expected=False)
        try:
            return pipe.recv()
        except EOFError:
            self._process.join()
            return Result(f"killed: exit code {self._process.exitcode}")


def stop_fork_server() -> None:
    """End the process from which the stages are forked; the next stage starts another one."""
    server: Any = forkserver._forkserver
    server._stop()  # its only end before that of this process


def run(task: Task, on_pause: Callable[[], None] = lambda: None) -> Result:
    """Run a stage to its end."""
    return Child(task, on_pause).wait()
