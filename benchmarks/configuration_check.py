"""Time of the check of all files and of the lineage in a fresh process, for the demo and for many files."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import print_table
from midnight.settings import REPOSITORY, python_path
from tests.support.large_configuration import write_large_configuration

ROUNDS = 3


def main() -> None:
    """Print the median seconds of `make check` and `midnight lineage`, with the imports alone as the reference."""
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "include"
        write_large_configuration(large, tables=200, models=200, views=50)
        larger = Path(folder) / "larger"
        write_large_configuration(larger, tables=500, models=300, views=100)
        check = [sys.executable, "-m", "cli", "check"]
        lineage = [sys.executable, "-m", "cli", "lineage"]
        variants = {
            "imports alone (reference)": ([sys.executable, "-c", "import midnight.configuration_check.check"], large),
            "the demo": (check, REPOSITORY / "include"),
            "200 tables, 200 models, 50 views": (check, large),
            "lineage, the demo": ([*lineage, "public.flights.tailnum"], REPOSITORY / "include"),
            "lineage, 500 tables, 300 models, 100 views": ([*lineage, "public.t7.c1"], larger),
        }
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, (command, include) in variants.items():
                seconds[name].append(_run(command, include))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    reference = next(iter(medians.values()))
    print_table(
        ["command", f"median of {ROUNDS}", "to reference"],
        [[name, f"{median:.2f} s", f"{median / reference:.2f} x"] for name, median in medians.items()],
    )


def _run(command: list[str], include: Path) -> float:
    environment = {**os.environ, "MIDNIGHT_CONFIG": str(include), "PYTHONPATH": python_path()}
    started = time.perf_counter()
    subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=True)  # noqa: S603 - our own
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
