"""One writer at a time on a local lake: the nightly run, a rebuild and maintenance wait for each other.

In Azure the Databricks job does the same: it has ``max_concurrent_runs: 1`` and a queue.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midnight.settings import Settings


@contextlib.contextmanager
def only_writer(settings: Settings, log: Any) -> Iterator[int]:
    """Wait for the lock on ``<lake>/.lock`` and hold it. The kernel frees it when its last holder ends, however.

    Args:
        settings: of the local profile.
        log: told once when there is a wait.

    Yields:
        The file descriptor; a child process that inherits it holds the lock, too.
    """
    lake = Path(settings.paths.bronze).parent
    lake.mkdir(parents=True, exist_ok=True)
    handle = os.open(lake / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(handle):
            log.info("Another task (nightly run, rebuild or maintenance) writes %s; waiting for its end", lake)
            while not _try_lock(handle):
                time.sleep(0.5)
        yield handle
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
