"""More faults: two runs at once, a clock that goes back, cleared tasks, lost files."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.support.interruptions.child import Child, run
from tests.support.interruptions.faults import READS, Fault
from tests.support.interruptions.tables import NAMES
from tests.support.interruptions.task import SKIPPED, Result
from tests.support.interruptions.world import World


def _same_batch_interleaved(world: World, stage: str, batch: str) -> Result:
    """A try that the scheduler has given up still runs, while the next one reads the same batch to its end."""
    second: list[Result] = []

    def other() -> None:
        second.append(world.run(stage, batch))

    first = run(world.task(stage, batch, action="pause", at=world.moment(stage)), other)
    return replace(second[0], happened=True) if second and not second[0].error else first


def _same_stage_at_once(world: World, stage: str, batch: str) -> Result:
    child = Child(world.task(stage, batch))
    time.sleep(world.rng.random() * world.seconds[stage] / 2**world.injections)
    overlap = child.is_running
    second = world.run(stage, batch)
    first = child.wait()
    return replace(first if second.error else second, happened=overlap)


def _two_runs(world: World, stage: str, batch: str) -> Result:
    """Two runs of different days, all their stages, at the same time."""
    results: dict[str, Result] = {}
    later, delay = world.new_batch(), world.rng.random()

    def follow(chosen: str) -> None:
        for each in world.stages:
            results[chosen] = run(world.task(each, chosen))
            if results[chosen].error or SKIPPED in results[chosen].lines:
                return

    thread = threading.Thread(target=follow, args=(batch,))
    thread.start()
    time.sleep(delay)
    world.write(2)
    follow(later)
    thread.join()
    world.dirty = True
    return replace(results[batch] if results[batch].error else results[later], happened=True)


def _clock_back(world: World, stage: str, batch: str) -> Result:
    """The scheduler's clock is some days behind: the run is older than those before it. The source's clock differs."""
    with world.connect() as connection:
        for ahead in world.rng.sample(["-50 minutes", "-2 minutes", "3 hours"], 2):
            connection.execute(
                "UPDATE orders SET note = 'clock', moved = clock_timestamp() + %s::interval WHERE id %% 101 = %s",
                [ahead, world.rng.randrange(101)],
            )
    world.dirty = True
    old = world.new_batch(days=-world.rng.choice([1.001, 2, 4]))
    result = Result()
    for each in world.stages:
        result = run(world.task(each, old))
        if result.error or SKIPPED in result.lines:
            return result
    return result


def _cleared(world: World, stage: str, batch: str) -> Result:
    """Tasks of old runs are cleared, in any order."""
    result = Result()
    for _ in range(world.rng.randint(1, 4)):
        old = world.rng.choice(world.batches[-4:])
        for each in world.rng.sample(world.stages, world.rng.randint(1, 3)):
            answer = run(world.task(each, old))
            result = answer if answer.error and not answer.expected else result
    world.dirty = True
    return replace(result, happened=True)


def _lost_file(world: World, stage: str, batch: str) -> Result:
    """A file of the batch that has just been sealed is lost or damaged; plan and the jobs must not use the rest."""
    paths = world.settings.paths
    files = sorted(Path(paths.bronze).rglob(f"{batch}/*.parquet"))
    victim, how = world.rng.choice(files), world.rng.choice(["delete", "truncate", "damage"])
    content = victim.read_bytes()
    if how == "delete":
        victim.unlink()
    elif how == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        victim.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :])
    found = run(world.task(stage, batch))
    if how != "damage" and not found.error:  # a damaged one is found by the job that reads it
        return Result(f"a file with {how} was not noticed", expected=False)
    again = world.run(world.mode.reads, batch)
    if again.error:
        return again
    return replace(run(world.task(stage, batch)), happened=True)  # clearing a task clears those after it as well


def _cut_activity(world: World, stage: str, batch: str) -> Result:
    """One copy activity fails after the others before it have written their files; half of its own file is there."""
    return run(world.task(stage, batch, cut_copy=world.rng.randint(1, len(NAMES))))


def _abandoned_pipeline(world: World, stage: str, batch: str) -> Result:
    """The worker is killed, its pipeline run goes on, and writes its files when the next try has sealed the batch."""
    first = run(world.task(stage, batch, action="kill", at=world.moment(stage)))
    world.write(2)
    second = world.run(stage, batch)
    world.write(2)
    late = run(world.task("copy late", batch))
    if world.rng.random() < 0.5:  # the task is cleared once more
        second = second if second.error else world.run(stage, batch)
    return replace(late if late.error else second, happened=bool(first.error))


MORE_FAULTS: tuple[Fault, ...] = (
    Fault("two tries, interleaved", READS, _same_batch_interleaved, passes=True),
    Fault("two tries at once", ("silver", "gold", "publish", *READS), _same_stage_at_once, passes=True),
    Fault("two runs at once", READS, _two_runs, passes=True, again=False),
    Fault("clock going back", READS, _clock_back, again=False),
    Fault("cleared tasks", READS, _cleared, passes=True, again=False),
    Fault("lost file of bronze", ("plan",), _lost_file, passes=True),
    Fault("copy activity cut off", ("copy",), _cut_activity),
    Fault("pipeline run abandoned", ("copy",), _abandoned_pipeline, passes=True),
)
