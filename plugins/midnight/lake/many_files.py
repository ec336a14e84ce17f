"""The same small operation for many files: side by side where each waits for a disk or a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from midnight.lake.files import LakeFiles

_WRITES = 16  # waiting for the disk or a service; a file system writes its journal once for all that wait

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_many(lake: LakeFiles, read: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of an operation that reads a small file per item, in order.

    Raises:
        Exception: what ``read`` raises for the first item for which it does.
    """
    return _run(read, list(items), lake.concurrent_reads)


def write_many(write: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of an operation that waits until a file is durable, in order.

    Raises:
        Exception: as ``read_many``; no operation is in progress any more then.
    """
    return _run(write, list(items), _WRITES)


def _run(function: Callable[[Item], Result], items: list[Item], threads: int) -> list[Result]:
    if min(threads, len(items)) <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="midnight-files") as pool:
        return list(pool.map(function, items))
