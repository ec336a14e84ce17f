"""What differs from a user's run in the child processes: limits, times, and a network between them and the source."""

from __future__ import annotations

import os
import signal
import socket
from asyncio import selector_events
from typing import Any

from midnight.postgres_to_bronze import copy_stream, page_ranges, snapshot, source_connection, source_settings
from midnight.postgres_to_bronze.read_place import SnapshotPlace
from tests.support.interruptions.task import Task
from tests.support.run_sequences.limits import as_for_large_tables

_connect: Any = selector_events.BaseSelectorEventLoop.sock_connect


def set_conditions(task: Task) -> None:
    """Change limits of the product in this process, which runs one stage: for small tables, and for a test's time."""
    page_ranges.SMALLEST_RANGE_PAGES = task.range_pages
    loop: Any = selector_events.BaseSelectorEventLoop
    loop.sock_connect = _connect_as_over_a_network
    safe: Any = SnapshotPlace  # its property is replaced: these servers lose no commit
    safe.is_safe = True
    snapshot.WORKER_LOCK_TIMEOUT = f"{task.wait_seconds}s"
    source_settings.SESSION_SETTINGS["lock_timeout"] = f"{task.wait_seconds}s"
    copy_stream.IDLE_TIMEOUT_SECONDS = task.wait_seconds
    source_connection.STATEMENT_TIMEOUT_SECONDS = 4 * task.wait_seconds
    if task.role_timeouts:
        source_settings._SINCE_VERSION["statement_timeout"] = 99
    if task.large:
        as_for_large_tables().__enter__()  # for good: the process has one stage
    if task.stage != "ingest":  # a job's process ends at SIGTERM; of the others Airflow ends the process as well
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


async def _connect_as_over_a_network(loop: Any, socket_: socket.socket, address: Any) -> None:
    """With a small window the server is in the middle of a COPY of a small table, too, when something happens.

    The segments must be small as well: a window below the loopback's of 64 kB makes the server wait for 0.2 s each
    time that it is full, a hundred times in a read.
    """
    if socket_.family == socket.AF_INET:
        socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    await _connect(loop, socket_, address)
