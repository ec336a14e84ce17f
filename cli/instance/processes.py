"""Processes of an instance: each in its own session, recorded by id and start time, and stopped with its children.

A process id alone is not enough: after a restart of the machine it may belong to another program.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from midnight.errors import MidnightError

INSTANCE_VARIABLE = "MIDNIGHT_INSTANCE_ID"
# Numpy, Arrow and delta-rs start a thread each when they are imported, and a process with threads should not fork.
NO_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
_SAME_START_SECONDS = 2.0  # psutil derives start times from the boot time, which clock corrections move a little


class ProcessesError(MidnightError):
    """A process does not start or does not end."""


def bytecode_cache(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Changes of the environment so that a process keeps compiled Python code, if the user's shell forbids it.

    ``PYTHONDONTWRITEBYTECODE`` keeps folders of code clean. But without any cache each process compiles Airflow and
    pandas again, which takes longer than a run of the demo; so the processes of an instance keep it in its folder.

    Args:
        folder: of the instance.
        environment: of the user.
    """
    if not environment.get("PYTHONDONTWRITEBYTECODE"):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


@dataclass(frozen=True)
class ProcessRecord:
    """A process that a command started.

    Args:
        pid: its id.
        created: its start time, seconds since 1970.
    """

    pid: int
    created: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def find(self) -> psutil.Process | None:
        """The process if it still runs; None when it has ended, also when another process has its id."""
        try:
            process = psutil.Process(self.pid)
            return None if self.id_is_taken() or process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None

    def id_is_taken(self) -> bool:
        """Whether another process has the id now; a zombie keeps its own."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.created) >= _SAME_START_SECONDS
        except psutil.NoSuchProcess:
            return False


def start(command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path) -> ProcessRecord:
    """Start a process in a session of its own, so that Ctrl-C in the terminal does not end it.

    Args:
        command: program and arguments.
        environment: complete; must contain ``INSTANCE_VARIABLE``.
        log: gets its output, appended.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            umask=0o077,  # its files may contain rows of the source
        )
    return ProcessRecord(process.pid, psutil.Process(process.pid).create_time())


def members(instance_id: str) -> list[psutil.Process]:
    """All processes with the instance's id in their environment, without this process and its parents."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(INSTANCE_VARIABLE) == instance_id
            if marked and process.pid not in own and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            continue
    return found


def left_behind(records: Sequence[ProcessRecord]) -> list[psutil.Process]:
    """Other processes in the sessions of the recorded processes.

    Airflow's executor renames its workers, which overwrites the environment that ``members`` reads; when the
    scheduler is killed they run forever.
    """
    opened = {record.pid: record for record in records if not record.id_is_taken()}
    found = []
    for process in psutil.process_iter():
        try:
            record = opened.get(os.getsid(process.pid))
            young = record is not None and process.create_time() > record.created - _SAME_START_SECONDS
            if record and young and process.pid != record.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
            continue
    return found


def stop_all(records: Sequence[ProcessRecord], instance_id: str, *, timeout_seconds: float = 10) -> None:
    """Stop the recorded processes in their order, then their children and all other processes of the instance.

    Raises:
        ProcessesError: a process survives SIGKILL.
    """
    mains = [process for record in records if (process := record.find()) is not None]
    # The main process alone first: Airflow's scheduler waits forever for workers that got the signal before it.
    _signal(mains, signal.SIGTERM)
    psutil.wait_procs(mains, timeout=timeout_seconds)
    for number, seconds in ((signal.SIGTERM, timeout_seconds / 2), (signal.SIGKILL, timeout_seconds)):
        rest = [*members(instance_id), *left_behind(records)]
        _signal(rest, number)
        psutil.wait_procs(rest, timeout=seconds)
    left = [*members(instance_id), *left_behind(records)]
    if left:
        names = ", ".join(f"{process.pid} ({process.name()})" for process in left)
        raise ProcessesError(f"these processes do not end: {names}", "end them with kill -9")


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
