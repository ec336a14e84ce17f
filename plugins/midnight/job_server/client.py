"""A job that the job server runs, with the part of ``subprocess.Popen`` that a task needs."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from midnight.errors import JobError
from midnight.job_server.messages import Connection, socket_address

# A server that is still importing answers late; a task's own process would import as long.
READY_TIMEOUT_SECONDS = 60
STARTED_TIMEOUT_SECONDS = 60


class ServedJob:
    """A running job.

    Args:
        connection: to its supervisor.
        pid: of the job, the leader of its process group; reserved until this object is closed.
        stdin: the write end of its standard input; the job exits when it is closed.
        stdout: the read end of its standard output and error.
    """

    def __init__(self, connection: Connection, pid: int, stdin: int, stdout: int) -> None:
        self._connection = connection
        self._code: int | None = None
        self._is_lost = False
        self.pid = pid
        self.stdin = os.fdopen(stdin, "wb")
        self.stdout = os.fdopen(stdout, "rb")

    def poll(self) -> int | None:
        """The exit code, minus the signal's number after a signal; None while the job runs."""
        if self._code is None and not self._is_lost:
            try:
                message = self._connection.receive(0)
            except TimeoutError:
                return None
            self._is_lost = message is None
            self._code = message["ended"] if message is not None else None
        return self._code

    def wait(self) -> int:
        """Wait for the exit code.

        Raises:
            JobError: the supervisor was killed, so the outcome of the job is unknown. It has ended, or ends with
                the standard input.
        """
        while (code := self.poll()) is None:
            if self._is_lost:
                raise JobError(
                    "the job server's process ended while the job was running; hint: check the memory of this "
                    "machine, then clear this task: it then works without the server, or with a new one"
                )
            # Not for ever: a signal handler may have called poll(), and got the answer.
            with contextlib.suppress(OSError):
                select.select([self._connection.fileno()], [], [], 0.2)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        with contextlib.suppress(JobError):  # was raised by the caller's own wait()
            self.wait()
        self._connection.close()


def start_job(
    path: Path,
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    lock: int,
    log: Callable[[str], object],
) -> ServedJob | None:
    """Start a job in the job server.

    Args:
        path: of the server's socket.
        module: run as ``python -m`` does.
        arguments: of the module.
        environment: of the job, complete.
        lock: descriptor that the job also holds.
        log: gets a line when there is a server that does not run the job.

    Returns:
        The job; None without a server, or when it refuses: the caller then starts a process of its own.

    Raises:
        JobError: the server ended after it was asked for the job.
    """
    connection = _connect(path, log)
    if connection is None:
        return None
    job_input, stdin = os.pipe()
    stdout, output = os.pipe()
    request = {"module": module, "arguments": list(arguments), "environment": dict(environment), "folder": os.getcwd()}
    started = None
    try:
        connection.send(request, [job_input, output, lock])
        started = connection.receive(STARTED_TIMEOUT_SECONDS)
    except OSError as error:  # TimeoutError is one
        log(f"job server: {error or type(error).__name__}")
    finally:
        os.close(job_input)
        os.close(output)
    if started is None:
        os.close(stdin)  # a job that was started nevertheless ends
        os.close(stdout)
        connection.close()
        raise JobError("the job server did not start the job; hint: clear this task")
    return ServedJob(connection, started["started"], stdin, stdout)


def _connect(path: Path, log: Callable[[str], object]) -> Connection | None:
    """A connection to a server that is ready; None when there is none."""
    connected = socket.socket(socket.AF_UNIX)
    try:
        with socket_address(path) as address:
            connected.connect(address)
    except FileNotFoundError:
        connected.close()
        return None
    except OSError as error:
        connected.close()
        log(f"the job server does not answer ({error}): this job has a process of its own; `make up` restarts it")
        return None
    connection = Connection(connected)
    try:
        answer = connection.receive(READY_TIMEOUT_SECONDS) or {"refused": "it ended"}
    except TimeoutError:
        answer = {"refused": f"no answer after {READY_TIMEOUT_SECONDS} s"}
    if "refused" not in answer:
        return connection
    connection.close()
    log(f"the job server does not run this job: {answer['refused']}; it has a process of its own")
    return None
