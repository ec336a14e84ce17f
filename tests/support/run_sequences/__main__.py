"""``python -m tests.support.run_sequences``: many sequences, or one again by its seed; `make prove-increments`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from spark_jobs.runtime.session import open_session
from tests.support.run_sequences.comparison import NotEqualError
from tests.support.run_sequences.sequence import Sequence

# The engine keeps every view and cached plan of a session: a new one now and then.
_PER_SESSION = 25


def main(arguments: list[str]) -> int:
    """Run the sequences; the exit code is 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="number of sequences (default 500)")
    parser.add_argument("--seed", type=int, default=1, help="of the first sequence; with --count 1 one is repeated")
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument("--engine", choices=["sail", "spark"], default="sail")
    options = parser.parse_args(arguments)
    failed: list[int] = []
    built: Counter[str] = Counter()
    started = time.monotonic()
    last = options.seed + options.count
    for first in range(options.seed, last, _PER_SESSION):
        seeds = range(first, min(first + _PER_SESSION, last))
        with open_session(options.engine) as session:
            failed += [seed for seed in seeds if not _holds(session, seed, options, built)]
        done, seconds = seeds[-1] - options.seed + 1, time.monotonic() - started
        models = ", ".join(f"{count} {how}" for how, count in sorted(built.items()))
        print(f"{done} sequences: {len(failed)} different; models: {models}; {seconds:.0f} s", flush=True)
    for seed in failed:
        print(f"repeat: make prove-increments SEED={seed} COUNT=1 RUNS={options.runs} ENGINE={options.engine}")
    return 1 if failed else 0


def _holds(session: object, seed: int, options: argparse.Namespace, built: Counter[str]) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="midnight-sequence-"))
    sequence = Sequence(session, folder, seed, runs=options.runs, engine=options.engine)
    try:
        sequence.run()
    except NotEqualError as error:
        print(f"\nseed {seed} ({options.runs} runs): {error}\n", flush=True)
        return False
    finally:
        built.update(sequence.built)
        shutil.rmtree(folder, ignore_errors=True)
    if options.count == 1:
        print("\n".join(sequence.history))
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
