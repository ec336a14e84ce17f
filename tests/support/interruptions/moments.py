"""Counts what a stage does (statements, pieces of a COPY, files, commits) and interrupts it at one of these events."""

from __future__ import annotations

import functools
import inspect
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg
import psycopg

from midnight.postgres_to_bronze.copy_stream import CopyStream
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from tests.support.run_sequences.kills import WRITES

Action = Literal["", "kill", "terminate", "pause", "limit"]
_FILE_EVENTS = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
_CALLS: tuple[tuple[Any, str], ...] = (
    *((asyncpg.Connection, name) for name in ("execute", "fetch", "fetchrow", "fetchval", "copy_from_query")),
    (psycopg.Connection, "wait"),  # before a statement is sent
    (CopyStream, "_take"),
    (PartWriter, "add"),
    (PartWriter, "finish"),
    *WRITES,
)


@dataclass
class Moments:
    """The events of a stage so far.

    Args:
        root: files below it are events.
        action: at the event ``at``: ``kill`` (SIGKILL of this process), ``terminate`` (SIGTERM), ``pause`` (tell the
            parent and wait for its answer), ``limit`` (files may grow by no more than ``limit`` bytes).
        at: number of the event, from 1.
        limit: in bytes.
        only: part of the name of an event; others are not counted.
        ask: tells the parent and waits.
    """

    root: str
    action: Action = ""
    at: int = 0
    limit: int = 0
    only: str = ""
    ask: Callable[[], None] | None = None
    count: int = 0
    last: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self) -> None:
        """Observe this process from now on; this cannot be undone."""
        for owner, name in _CALLS:
            setattr(owner, name, self._observed(getattr(owner, name), f"{getattr(owner, '__name__', owner)}.{name}"))
        sys.addaudithook(self._audit)

    def _observed(self, call: Callable[..., Any], what: str) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(call):

            @functools.wraps(call)
            async def observed_later(*args: Any, **options: Any) -> Any:
                self._tick(what)
                return await call(*args, **options)

            return observed_later

        @functools.wraps(call)
        def observed(*args: Any, **options: Any) -> Any:
            self._tick(what)
            return call(*args, **options)

        return observed

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and path.startswith(self.root) and flags & (os.O_WRONLY | os.O_RDWR):
                self._tick(f"open {path.removeprefix(self.root)}")
        elif event in _FILE_EVENTS and str(arguments[0]).startswith(self.root):
            self._tick(f"{event} {str(arguments[0]).removeprefix(self.root)}")

    def _tick(self, what: str) -> None:
        if self.only not in what:
            return
        with self._lock:
            self.count += 1
            if self.count != self.at:
                return
            self.last = what
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.action == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))
        elif self.action == "pause" and self.ask is not None:
            self.ask()
