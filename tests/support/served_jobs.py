"""A job server for tests, with a module of the test's own in the place of Spark."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.airflow_environment import REPOSITORY


@contextlib.contextmanager
def job_server(
    socket: Path, *, code: Path, module: str = "midnight.errors", watched: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A server that is ready.

    Args:
        socket: where it listens.
        code: folder with the jobs' packages.
        module: that it imports first.
        watched: folder whose changes make it stale; None for none.
    """
    socket.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(code), str(REPOSITORY / "plugins")])
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "midnight.job_server.server", socket, module, *([watched] if watched else [])],
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            for line in server.stdout or ():
                if line.startswith("job server "):
                    break
            yield server
        finally:
            server.kill()
