"""The faults: each runs one stage of a run, or more, and interrupts it at a random moment."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support.interruptions.child import Child, run
from tests.support.interruptions.task import Result
from tests.support.interruptions.world import World

Inject = Callable[[World, str, str], Result]
READS = ("ingest", "copy")
JOBS = ("silver", "gold")
WRITES = (*READS, "plan", *JOBS, "publish")


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Args:
        name: in the table.
        stages: that it can happen to.
        inject: runs the stage of a batch with the fault; returns how it ended.
        needs_operator: Data Factory's copies do not have what is interrupted.
        passes: a stage may succeed although the fault happened while it ran.
        again: the run may also go on with the same batch afterwards.
    """

    name: str
    stages: Sequence[str]
    inject: Inject
    needs_operator: bool = False
    passes: bool = False
    again: bool = True


def _kill(world: World, stage: str, batch: str) -> Result:
    return run(world.task(stage, batch, action="kill", at=world.moment(stage)))


def _terminate(world: World, stage: str, batch: str) -> Result:
    return run(world.task(stage, batch, action="terminate", at=world.moment(stage)))


def _kill_later(world: World, stage: str, batch: str) -> Result:
    """At a time, not at an event: also in the middle of what Sail and delta-rs do."""
    child = Child(world.task(stage, batch))
    time.sleep(world.rng.random() * world.seconds[stage] / 2**world.injections)
    child.send(signal.SIGKILL)
    return child.wait()


def _file_limit(world: World, stage: str, batch: str) -> Result:
    limit = world.rng.choice([0, 100, 3000, 30_000] if world.injections == 0 else [0])
    return run(world.task(stage, batch, action="limit", limit=limit, at=early(world, stage)))


def early(world: World, stage: str) -> int:
    """A moment after which the stage still writes: earlier with each injection that had no effect."""
    return -(-world.moment(stage) // 4**world.injections)


def middle(world: World, stage: str) -> dict[str, Any]:
    """A random moment; after an injection without effect one at which the source is being read.

    Returns:
        Options of a ``Task``.
    """
    if world.injections == 0:
        return {"at": world.moment(stage)}
    if world.mode.with_factory:  # before one of its statements
        return {"at": world.rng.randint(1, 4), "only": "Connection.wait"}
    return {"at": max(int(world.events[stage] * world.rng.uniform(0.4, 0.8)), 1)}


def _full_disk(world: World, stage: str, batch: str) -> Result:
    if not world.is_mount:
        return _file_limit(world, stage, batch)
    spare = world.rng.choice([0, 4, 16, 64] if world.injections == 0 else [0])
    try:
        task = world.task(stage, batch, action="pause", at=early(world, stage))
        return run(task, lambda: world.resize_to(spare))
    finally:
        world.restore_space()


def paused(world: World, stage: str, batch: str, on_pause: Callable[[], Any], **options: Any) -> Result:
    """Something happens at a random event of a stage, which waits until it has happened, or goes on meanwhile.

    In half of the cases rows change at the same moment.
    """
    background = world.rng.random() < 0.5
    thread = threading.Thread(target=on_pause)

    def happens() -> None:
        if background:
            thread.start()
            return
        on_pause()
        if world.rng.random() < 0.5:
            with contextlib.suppress(psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
                world.write(2)

    try:
        return run(world.task(stage, batch, action="pause", **middle(world, stage), **options), happens)
    finally:
        if thread.ident is not None:
            thread.join()


FAULTS: tuple[Fault, ...] = (
    Fault("kill -9 at an event", WRITES, _kill),
    Fault("kill -9 at a time", (*READS, *JOBS, "publish"), _kill_later),
    Fault("SIGTERM", WRITES, _terminate),
    Fault("disk full", WRITES, _full_disk),
    Fault("file size limit", WRITES, _file_limit),
)
