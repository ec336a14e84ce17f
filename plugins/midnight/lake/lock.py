"""One writer at a time on a local lake: a run, a rebuild, maintenance and `make build` wait for each other.

In Azure the Databricks job does the same: it has ``max_concurrent_runs: 1`` and a queue.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from midnight.errors import LakeError
from midnight.settings import Settings

_LONGEST_NAME = 500


@contextlib.contextmanager
def lake_write_lock(
    settings: Settings, name: str, log: Callable[[str], object], timeout_seconds: float | None = None
) -> Iterator[int]:
    """Wait for the lock on ``<lake>/.lock`` and hold it. The kernel frees it when its last holder ends, however.

    Args:
        settings: of the local profile.
        name: who holds it, for those that wait.
        log: told once, when there is a wait, for whom.
        timeout_seconds: longest wait; None for a task, which Airflow ends after its own timeout.

    Yields:
        The file descriptor; a child process that inherits it holds the lock, too.

    Raises:
        LakeError: another writer is not done in time.
    """
    lake = Path(settings.paths.root)
    lake.mkdir(parents=True, exist_ok=True)
    handle = os.open(settings.paths.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    started = time.monotonic()
    try:
        if not _try_lock(handle):
            log(f"waiting for {_holder(handle)}, which writes {lake}")
            while not _try_lock(handle):
                if timeout_seconds is not None and time.monotonic() - started > timeout_seconds:
                    raise LakeError(
                        f"{lake} has been written by {_holder(handle)} for more than {timeout_seconds:.0f} s; "
                        "hint: wait for its end, then try again"
                    )
                time.sleep(0.5)
        os.truncate(handle, 0)
        os.pwrite(handle, f"{name} (process {os.getpid()})".encode()[:_LONGEST_NAME], 0)
        yield handle
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    return os.pread(handle, _LONGEST_NAME, 0).decode(errors="replace") or "another writer"


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
