"""``python -m tests.support.late_commits``: random schedules, or one again by its seed; `make prove-late-commits`."""

from __future__ import annotations

import argparse
import sys

from tests.support.late_commits.campaign import Tally, run_schedules, run_together, schedule_server
from tests.support.late_commits.schedule import Schedule


def main(arguments: list[str]) -> int:
    """Run the schedules; the exit code is 1 if a row was missed, or the rule before missed none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="number of schedules (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; with --count 1 one is printed")
    options = parser.parse_args(arguments)
    if options.count == 1:
        with schedule_server() as (server, logins):
            schedule = Schedule(server, options.seed)
            run_together([schedule], logins)
        print("\n".join(schedule.history))
        return 1 if any(reader.missed for rule, reader in schedule.readers.items() if rule != "lag") else 0

    def show(tally: Tally) -> None:
        done = tally.schedules["lag"]
        if done % 100 == 0:
            print(f"{done} schedules, {tally.reads} reads, {tally.seconds:.0f} s", flush=True)

    tally = run_schedules(range(options.seed, options.seed + options.count), show)
    print("\n".join(tally.lines()))
    for seed in dict.fromkeys(tally.failed):
        print(f"repeat: make prove-late-commits SEED={seed} COUNT=1")
    return 1 if tally.failed or not tally.missed["lag"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
