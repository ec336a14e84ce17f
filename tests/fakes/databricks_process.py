"""The processes of a Databricks run: the wheel's entry points, and their Spark server."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from midnight.settings import python_path

# As Databricks runs a Python wheel task: by the distribution's metadata; every SystemExit is a failure, also with 0.
_ENTRY = """
import sys
from importlib.metadata import distribution
from pathlib import Path
said, package, entry, *arguments = sys.argv[1:]
(found,) = [point for point in distribution(package).entry_points if point.name == entry]
sys.argv = [entry, *arguments]
try:
    found.load()()
except SystemExit as end:
    Path(said).write_text(f"SystemExit: {end.code}")
"""
# Ends with its standard input.
_SERVER = """
import sys
from spark_jobs.runtime import session
with getattr(session, f"_{sys.argv[1]}_server")() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class SparkServer:
    """The Spark Connect server of one run, which stands for its job cluster.

    Args:
        engine: Sail or Apache Spark.
        folder: for temporary files.
        environment: added to the process's environment.
    """

    def __init__(self, engine: Literal["sail", "spark"], folder: Path, environment: Mapping[str, str]) -> None:
        code = python_path(environment.get("PYTHONPATH", ""))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, engine],
            env={**os.environ, **environment, "PYTHONPATH": code, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def close(self) -> None:
        end_process(self._process)


def start_task(
    task: Mapping[str, Any], parameters: Mapping[str, str], site: Path, said: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a task with a ``python_wheel_task``.

    Args:
        task: task of the job; one with an ``environment_key`` runs on serverless compute.
        parameters: parameters of the job.
        site: folder of the installed wheel.
        said: file for the SystemExit, if any; the file with the suffix .log next to it gets the output.
        environment: added to the process's environment.
    """
    runtime = Path(__file__).parent / "databricks_runtime"
    code = os.pathsep.join(filter(None, [str(site), str(runtime), environment.get("PYTHONPATH", "")]))
    version = "client.5.1" if "environment_key" in task else "18.1"
    wheel = task["python_wheel_task"]
    arguments = [_fill(value, parameters) for value in wheel.get("parameters", [])]
    program = _program(serverless="environment_key" in task)
    with said.with_suffix(".log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", program, str(said), wheel["package_name"], wheel["entry_point"], *arguments],
            env={**os.environ, **environment, "PYTHONPATH": code, "DATABRICKS_RUNTIME_VERSION": version},
            cwd=site.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _program(*, serverless: bool) -> str:
    """First what the service has and the engines do not, then what serverless compute refuses, then the task."""
    changes = ["databricks_clone.py", *(["databricks_serverless.py"] if serverless else [])]
    calls = ["add_deep_clone()", *(["restrict()"] if serverless else [])]
    sources = [(Path(__file__).parent / name).read_text() for name in changes]
    first = "from __future__ import annotations\n"  # only allowed at the beginning of a program
    return first + "\n".join([*(source.replace(first, "") for source in sources), *calls, _ENTRY])


def install(content: bytes, site: Path) -> None:
    """Unpack a pure Python wheel, as pip does."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(site)


def end_process(process: subprocess.Popen[Any]) -> None:
    """End a process and its children, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _fill(value: str, parameters: Mapping[str, str]) -> str:
    """Replace dynamic value references, as the service does: as text, without escaping."""
    return re.sub(r"\{\{\s*job\.parameters\.(\w+)\s*\}\}", lambda match: parameters[match[1]], value)
