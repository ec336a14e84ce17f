"""Allows one writer at a time on a local lake: a run, a rebuild, maintenance and `make build` wait for each other.

In Azure the Databricks job has ``max_concurrent_runs: 1`` and a queue instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from midnight.errors import LakeError
from midnight.lake.paths import LakePaths

_MAX_NAME_BYTES = 500


@contextlib.contextmanager
def lake_write_lock(
    paths: LakePaths, name: str, log: Callable[[str], object], timeout_seconds: float | None = None
) -> Iterator[int]:
    """Wait for the lock on ``<lake>/.lock`` and hold it. The kernel releases it when its last holder ends.

    Args:
        paths: of the local lake.
        name: of the writer, shown to processes that wait.
        log: called once if there is a wait, with the current holder.
        timeout_seconds: longest wait; None for an Airflow task, which has its own timeout.

    Yields:
        The file descriptor; a child process that inherits it holds the lock as well.

    Raises:
        LakeError: another writer did not finish in time.
    """
    lake = Path(paths.root)
    lake.mkdir(parents=True, exist_ok=True)
    handle = os.open(paths.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    started = time.monotonic()
    try:
        if not _try_lock(handle):
            log(f"waiting for {_holder(handle)}, which is writing to {lake}")
            while not _try_lock(handle):
                if timeout_seconds is not None and time.monotonic() - started > timeout_seconds:
                    raise LakeError(
                        f"{_holder(handle)} has been writing to {lake} for more than {timeout_seconds:.0f} s; "
                        "hint: wait until it has finished, then try again"
                    )
                time.sleep(0.5)
        os.truncate(handle, 0)
        os.pwrite(handle, f"{name} (process {os.getpid()})".encode()[:_MAX_NAME_BYTES], 0)
        yield handle
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    return os.pread(handle, _MAX_NAME_BYTES, 0).decode(errors="replace") or "another writer"


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
