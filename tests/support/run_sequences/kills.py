"""Ends a job in this process at any of its writes, as a killed process ends: nothing is written after that point."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import deltalake.transaction
from deltalake import DeltaTable
from pyspark.sql.connect.client.core import SparkConnectClient


class KilledError(BaseException):
    """Not an ``Exception``: no handler of the product may continue after it."""


@dataclass
class Writes:
    """The writes of a job so far.

    Args:
        last: number of the write at which the job ends; 0: never.
        after: end after this write instead of before it.
    """

    last: int = 0
    after: bool = False
    count: int = 0
    dead: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observed(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, which ends the job at the chosen write."""

        def observed(*args: Any, **options: Any) -> Any:
            with self._lock:
                if self.dead:
                    raise KilledError
                self.count += 1
                chosen = self.count == self.last
                self.dead = chosen and not self.after
            if self.dead:
                raise KilledError
            result = write(*args, **options)
            if chosen:
                self.dead = True
                raise KilledError
            return result

        return observed


# Every way in which a job writes: commands of the engine, commits of delta-rs, links and removals of files.
WRITES: tuple[tuple[Any, str], ...] = (
    (SparkConnectClient, "execute_command"),
    (SparkConnectClient, "execute_command_as_iterator"),
    (DeltaTable, "create_write_transaction"),
    (deltalake.transaction, "create_table_with_add_actions"),
    (deltalake, "write_deltalake"),
    (os, "link"),
    (shutil, "rmtree"),
)


@contextlib.contextmanager
def observed_writes(last: int = 0, *, after: bool = False) -> Iterator[Writes]:
    """Count the writes inside the block; end the job with ``KilledError`` at one of them.

    Args:
        last: number of the write, from 1; 0: never.
        after: end after it instead of before it.
    """
    writes = Writes(last, after)
    with contextlib.ExitStack() as stack:
        for owner, name in WRITES:
            stack.enter_context(mock.patch.object(owner, name, writes.observed(getattr(owner, name))))
        yield writes
