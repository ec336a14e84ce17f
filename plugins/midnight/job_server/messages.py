"""The exchange of a task and the job server on a Unix socket: lines of JSON, and descriptors with the request.

    server: {"ready": true}                   or {"refused": "<reason>"}
    task:   {"module": …, "arguments": …, …}  with the descriptors of the job's input, its output, and the lake's lock
    server: {"started": <process id>}
    server: {"ended": <exit code>}            the process id stays reserved until the task closes the connection

The job is started by the request, not by the connection: a task that gave up waiting never has a job.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SOCKET_NAME = "jobs.sock"
_MAX_DESCRIPTORS = 3
_MAX_ADDRESS_BYTES = 100  # the kernel takes 107


class Connection:
    """One end of the exchange."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected
        self._buffer = b""
        self.descriptors: list[int] = []  # received so far

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send one message.

        Raises:
            OSError: the other end has closed the connection.
        """
        data = json.dumps(message).encode() + b"\n"
        if descriptors:
            socket.send_fds(self._socket, [data[:1]], list(descriptors))
            data = data[1:]
        self._socket.sendall(data)

    def receive(self, timeout_seconds: float | None = None) -> dict[str, Any] | None:
        """The next message; None when the other end has closed the connection.

        Raises:
            TimeoutError: none arrived in time.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while b"\n" not in self._buffer:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], rest)[0]:
                raise TimeoutError
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, _MAX_DESCRIPTORS)
            except ConnectionResetError:
                return None
            self.descriptors += descriptors
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address for a socket's path of any length (Linux; the kernel takes about a hundred bytes).

    Args:
        path: of the socket; its folder must exist.

    Raises:
        FileNotFoundError: it does not.
    """
    if len(os.fsencode(path)) <= _MAX_ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
