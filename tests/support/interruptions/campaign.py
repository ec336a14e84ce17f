"""Trials: a run with a fault, what is done about it, and the comparison afterwards."""

from __future__ import annotations

import time
import traceback
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.support.interruptions.concurrency import MORE_FAULTS
from tests.support.interruptions.faults import FAULTS, READS, Fault
from tests.support.interruptions.modes import MODES, Mode
from tests.support.interruptions.servers import Servers
from tests.support.interruptions.source_faults import SOURCE_FAULTS
from tests.support.interruptions.task import SKIPPED, Result
from tests.support.interruptions.verify import check_readers, verify
from tests.support.interruptions.world import World, new_world
from tests.support.run_sequences.comparison import NotEqualError

ALL_FAULTS = (*FAULTS, *SOURCE_FAULTS, *MORE_FAULTS)
FAULTS_PER_WORLD = 6
_MOST_TRIES = 3
_MOST_INJECTIONS = 4
_ANOTHER_CONNECTION = ("now reading on with another connection", "the other connections read on")


@dataclass(frozen=True)
class Case:
    """One cell of the table."""

    fault: Fault
    stage: str
    mode: Mode


@dataclass
class Trial:
    """Outcome of one fault.

    Args:
        seed: of the trial.
        case: fault, stage and mode.
        effect: of the fault: the stage ``failed``, was ``skipped``, or ``went on`` in spite of it; empty: none.
        injections: how often it was injected until it had an effect.
        error: of the stage with the fault, for the log.
        tries: number of runs or retries until one succeeded.
        seconds: until then.
        resumed: a line of the log about ranges of an earlier try.
        problem: why it counts as a defect; empty when it recovered.
        notes: errors that are not Midnight's own.
    """

    seed: int
    case: Case
    effect: str = ""
    injections: int = 0
    error: str = ""
    tries: int = 0
    seconds: float = 0.0
    resumed: str = ""
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def cases(mode: Mode) -> list[Case]:
    """All cells of a mode."""
    return [
        Case(fault, stage, mode)
        for fault in ALL_FAULTS
        if not (fault.needs_operator and mode.with_factory)
        for stage in fault.stages
        if stage not in READS or stage == mode.reads
    ]


def choose(seed: int, mode: Mode) -> Case:
    """The fault of a seed: consecutive ones are of different kinds, which are all equally frequent."""
    by_fault = defaultdict[str, list[Case]](list)
    for case in cases(mode):
        by_fault[case.fault.name].append(case)
    names = sorted(by_fault)
    Random(mode.name).shuffle(names)  # noqa: S311  # repeatable, not secret
    worlds, place = divmod(seed, FAULTS_PER_WORLD)
    number = worlds // len(MODES) * FAULTS_PER_WORLD + place
    return Random(seed).choice(by_fault[names[number % len(names)]])  # noqa: S311


def each_kind(modes: Sequence[Mode]) -> dict[str, list[tuple[int, Case]]]:
    """Each kind of fault once, in one of some modes.

    Returns:
        Name of a mode -> seeds, and the fault of each.
    """
    planned: dict[str, list[tuple[int, Case]]] = {mode.name: [] for mode in modes}
    for seed, fault in enumerate(ALL_FAULTS):
        start = seed % len(modes)
        by_mode = [[case for case in cases(mode) if case.fault is fault] for mode in (*modes[start:], *modes[:start])]
        case = Random(seed).choice(next(filter(None, by_mode)))  # noqa: S311
        planned[case.mode.name].append((seed, case))
    return planned


def run_worlds(servers: Servers, root: Path, seed: int, count: int, only: str = "") -> Iterable[Trial]:
    """Trials of consecutive seeds: a few in each world, and the next world in the next mode.

    Args:
        servers: of the sources.
        root: an empty folder.
        seed: of the first.
        count: how many.
        only: part of the name of the faults; empty: all.
    """
    last = seed + count
    first = seed
    while first < last:
        end = min(last, first - first % FAULTS_PER_WORLD + FAULTS_PER_WORLD)
        mode = MODES[first // FAULTS_PER_WORLD % len(MODES)]
        planned = [(each, choose(each, mode)) for each in range(first, end)]
        if only:
            possible = [case for case in cases(mode) if only in f"{case.fault.name} {case.stage}"]
            planned = [(s, Random(s).choice(possible)) for s, _ in planned] if possible else []  # noqa: S311
        yield from run_world(servers, root / f"w{first}", mode, planned)
        first = end


def run_world(servers: Servers, root: Path, mode: Mode, planned: Sequence[tuple[int, Case]]) -> Iterable[Trial]:
    """Trials in one world.

    Args:
        servers: of the sources.
        root: does not exist yet.
        mode: of the world.
        planned: seeds, and the fault of each.
    """
    waiting = list(planned)
    while waiting:  # after a defect the others get a new world
        with new_world(servers, root, mode, waiting[0][0]) as world:
            _complete(world)
            verify(world)
            while waiting:
                seed, case = waiting.pop(0)
                world.rng.seed(seed)
                trial = _try(world, seed, case)
                yield trial
                if trial.problem:
                    break


def _try(world: World, seed: int, case: Case) -> Trial:
    trial, rng = Trial(seed, case), world.rng
    position = world.stages.index(case.stage)
    try:
        while True:
            world.injections, trial.injections = trial.injections, trial.injections + 1
            world.write()
            batch = world.new_batch()
            for stage in world.stages[:position]:
                _succeed(world, stage, batch)
            result = case.fault.inject(world, case.stage, batch)
            trial.effect, trial.error = _effect(case.fault, result), result.error
            if trial.effect or trial.injections == _MOST_INJECTIONS:
                break
        if result.error and not result.expected:
            trial.notes.append(result.error)
        check_readers(world)
        if rng.random() < 0.4:
            world.write()
        started = time.monotonic()
        again = case.fault.again and rng.random() < 0.6
        _recover(world, trial, batch if again else world.new_batch(), position if again else 0, result)
        trial.seconds = time.monotonic() - started
        if world.dirty:
            _complete(world)
        verify(world)
        world.gone = False
    except NotEqualError as error:
        trial.problem = str(error)
    except Exception:  # noqa: BLE001  # what cannot be read is a defect as well
        trial.problem = traceback.format_exc()
    return trial


def _effect(fault: Fault, result: Result) -> str:
    if result.error:
        return "failed"
    if SKIPPED in result.lines:
        return "skipped"
    other = any(text in line for line in result.lines for text in _ANOTHER_CONNECTION)
    return "went on" if other or (fault.passes and result.happened) else ""


def _recover(world: World, trial: Trial, batch: str, position: int, result: Result) -> None:
    """Clear the failed task, or start the next run."""
    stages = world.stages[position:] if result.error or position == 0 else world.stages[position + 1 :]
    if position == 0 and not result.error and batch == world.batches[-1] and trial.case.stage == world.stages[0]:
        stages = world.stages[1:] if SKIPPED not in result.lines else ()
    for _ in range(_MOST_TRIES):
        trial.tries += 1
        for stage in stages:
            result = world.run(stage, batch)
            said = [line for line in result.lines if "resumed: " in line or "starts again: " in line]
            trial.resumed = said[-1] if said else trial.resumed
            if result.error:
                trial.notes.append(f"{stage} failed again: {result.error}")
                break
        else:
            return
    raise NotEqualError(f"not recovered after {_MOST_TRIES} tries: {result.error}")


def _complete(world: World) -> None:
    """A run without a fault."""
    batch = world.new_batch()
    for stage in world.stages:
        _succeed(world, stage, batch)


def _succeed(world: World, stage: str, batch: str) -> None:
    result = world.run(stage, batch)
    if result.error:
        raise NotEqualError(f"{stage} of a run without a fault failed: {result.error}")
    if SKIPPED in result.lines:
        raise NotEqualError(f"{stage} of the newest run was skipped")
