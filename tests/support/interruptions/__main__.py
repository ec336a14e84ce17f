"""``python -m tests.support.interruptions``: seeded faults and the table of outcomes; `make prove-interruptions`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.support.interruptions.campaign import Trial, run_worlds
from tests.support.interruptions.servers import Servers


def main(arguments: list[str]) -> int:
    """Run the faults; the exit code is 1 if one was not recovered from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="number of faults (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the first; with --count 1 one is repeated")
    parser.add_argument("--only", default="", help="part of a fault's name and stage")
    options = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="midnight-interruptions-"))
    trials: list[Trial] = []
    started = time.monotonic()
    try:
        with Servers().running() as servers:
            for trial in run_worlds(servers, root, options.seed, options.count, options.only):
                trials.append(trial)
                _report(trial, verbose=options.count == 1)
    except KeyboardInterrupt:
        print(f"interrupted after {len(trials)} of {options.count} faults")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print_table(trials)
    failed = [trial for trial in trials if trial.problem]
    print(
        f"{len(trials)} faults: {sum(t.effect == 'failed' for t in trials)} ended a stage, "
        f"{sum(t.effect in ('skipped', 'went on') for t in trials)} were survived by it, "
        f"{sum(not t.effect for t in trials)} had no effect; {len(failed)} not recovered; "
        f"{time.monotonic() - started:.0f} s"
    )
    for trial in failed:
        print(f"repeat: make prove-interruptions SEED={trial.seed} COUNT=1")
    return 1 if failed else 0


def _report(trial: Trial, *, verbose: bool) -> None:
    case = trial.case
    mark = "DEFECT" if trial.problem else f"ok, {trial.effect}" if trial.effect else "no effect"
    print(
        f"seed {trial.seed}: {case.fault.name}, {case.stage}, {case.mode.name}: {mark}; {trial.error[:160]}"
        f"{trial.resumed}",
        flush=True,
    )
    for text in [*([trial.problem] if trial.problem else []), *trial.notes]:
        print("    " + text.strip()[-3000 if verbose or trial.problem else -400 :].replace("\n", "\n    "), flush=True)


def print_table(trials: Sequence[Trial]) -> None:
    """One line per fault and stage, over all modes; Markdown."""
    cells = defaultdict[tuple[str, str], list[Trial]](list)
    for trial in trials:
        cells[trial.case.fault.name, trial.case.stage].append(trial)
    print("\n| fault | stage | faults | failed | survived | no effect | recovered | most tries | seconds |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for (fault, stage), found in sorted(cells.items()):
        counts = Counter(trial.effect for trial in found)
        numbers = (
            *(len(found), counts["failed"], counts["skipped"] + counts["went on"], counts[""]),
            *(sum(not trial.problem for trial in found), max(trial.tries for trial in found)),
        )
        seconds = sum(trial.seconds for trial in found) / len(found)
        print(f"| {fault} | {stage} | {' | '.join(map(str, numbers))} | {seconds:.1f} |")
    modes = Counter(trial.case.mode.name for trial in trials)
    print("\nFaults by mode: " + ", ".join(f"{name} {count}" for name, count in modes.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
