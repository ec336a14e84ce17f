"""What a run costs by the share of the rows that changed: silver and gold of one large table, against the first build.

    python -m benchmarks scale [--rows 10000000] [--engine spark] [--write docs/performance.md]

The jobs run as in a pipeline, in their own processes and with a run document. The batches are sealed directly, so that
neither PostgreSQL nor the ingestion is part of the figures. All cases of one mode follow each other in one lake.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.lake_jobs import JobCost, RunCost, empty_jobs, run_jobs
from benchmarks.orders_configuration import write_configuration
from benchmarks.orders_lake import Change, seal_customers, seal_orders
from benchmarks.results import show_figures
from benchmarks.scale_reference import build_by_reference
from midnight.bronze.manifest import CursorRange
from midnight.lake.paths import LakePaths
from midnight.run.run_configuration import RunConfiguration

# Apache Spark starts a JVM per job, and is the slower engine on one machine.
DEFAULT_ROWS = {"sail": 1_000_000, "spark": 200_000}
RECENT = {"0.1 %": Change(0.01, 10), "1 %": Change(0.1, 10), "10 %": Change(0.2, 2)}
SPREAD = Change(1, 1000)
TIMES = ("run", "silver", "gold", "both, less an empty job", "to the first build", "processor, to the first")
FILES = ("run", "peak memory", "files written: silver + gold", "written: silver + gold")


@dataclass
class OrdersLake:
    """A lake in one mode, and what was measured in it.

    Args:
        root: an empty folder.
        mode: of the table `orders`.
        engine: of the jobs.
        rows: of the table.
    """

    root: Path
    mode: str
    engine: str
    rows: int
    changes: list[Change] = field(default_factory=list)
    costs: dict[str, RunCost] = field(default_factory=dict)
    cursor: CursorRange | None = None
    number: int = 0

    def __post_init__(self) -> None:
        self.paths = LakePaths.below(str(self.root / "lake"))
        self.configuration: RunConfiguration = write_configuration(self.root / "include", self.mode, self.engine)

    def run(self, name: str, change: Change | None = None, *, full: bool = False) -> None:
        """Change rows, seal the batches, run both jobs.

        Args:
            name: of the case.
            change: of the source; None: nothing changes.
            full: read a full snapshot of an incremental table.
        """
        self.number += 1
        self.changes += [change] if change else []
        follows = None if full else self.cursor
        self.cursor = seal_orders(self.paths, self.number, self.rows, self.changes, mode=self.mode, follows=follows)
        seal_customers(self.paths, self.number)
        cost = run_jobs(self.engine, self.paths, self.configuration, self.number)
        self.costs[name] = cost
        _report(name, cost)


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument("--engine", choices=[*DEFAULT_ROWS], default="sail")
    parser.add_argument("--rows", type=int, help="of the table (default: 1,000,000; on Apache Spark 200,000)")
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    rows = options.rows or DEFAULT_ROWS[options.engine]
    with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        empty = empty_jobs(options.engine)
        _report("empty job", empty)
        incremental = _incremental(Path(folder) / "incremental", options.engine, rows)
        references = build_by_reference(incremental.paths)
        shutil.rmtree(incremental.root)  # before the next: two lakes of 10 million rows take 10 GB
        snapshot = _snapshot(Path(folder) / "snapshot", options.engine, rows)
    times = [row for lake in (incremental, snapshot) for row in _times(lake.costs, empty)]
    times.append(["a job without anything to do", *_seconds(empty), "", "", ""])
    times += [[f"{name}: the same gold", "", f"{seconds:.2f} s", "", "", ""] for name, seconds in references.items()]
    files = [_files(name, cost) for lake in (incremental, snapshot) for name, cost in lake.costs.items()]
    first = incremental.costs["first build"].gold.seconds
    ratios = [f"{first / seconds:.2f} times as long as {name}" for name, seconds in references.items()]
    listed = ",\n".join(ratios)
    title = (
        f"{rows:,} rows of 10 columns and 100,000 customers, {options.engine}.\n"
        f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end.\n"
        f"The first build of gold takes {listed}."
    )
    show_figures(title, [(TIMES, times), (FILES, files)], options.write, f"scale {options.engine} {rows}")


def _report(name: str, cost: RunCost) -> None:
    jobs = [("silver", cost.silver), ("gold", cost.gold)]
    listed = ", ".join(f"{job} {it.seconds:.2f} s (processor {it.processor:.2f} s)" for job, it in jobs)
    print(f"{name}: {listed}, {cost.megabytes:,.0f} MB", flush=True)


def _incremental(root: Path, engine: str, rows: int) -> OrdersLake:
    lake = OrdersLake(root, "incremental", engine, rows)
    lake.run("first build")
    lake.run("incremental, nothing changed")
    for share, change in RECENT.items():
        lake.run(f"incremental, {share} changed, recent keys", change)
    lake.run("incremental, 0.1 % changed, all keys", SPREAD)
    lake.run("full reload, nothing changed", full=True)
    return lake


def _snapshot(root: Path, engine: str, rows: int) -> OrdersLake:
    lake = OrdersLake(root, "snapshot", engine, rows)
    lake.run("first build, snapshot")
    lake.run("snapshot, nothing changed")
    lake.run("snapshot, 0.1 % changed, recent keys", RECENT["0.1 %"])
    lake.run("snapshot, 0.1 % changed, all keys", SPREAD)
    return lake


def _times(costs: dict[str, RunCost], empty: RunCost) -> list[list[str]]:
    """The first is what the others are compared with."""
    first = next(iter(costs.values()))
    return [
        [
            name,
            *_seconds(cost),
            f"{cost.seconds - empty.seconds:.2f} s",
            f"{(cost.seconds - empty.seconds) / (first.seconds - empty.seconds):.3f}",
            f"{(cost.processor - empty.processor) / (first.processor - empty.processor):.3f}",
        ]
        for name, cost in costs.items()
    ]


def _files(name: str, cost: RunCost) -> list[str]:
    return [
        name,
        f"{cost.megabytes:,.0f} MB",
        f"{cost.silver.files} + {cost.gold.files}",
        f"{_size(cost.silver)} + {_size(cost.gold)} MB",
    ]


def _seconds(cost: RunCost) -> list[str]:
    return [f"{cost.silver.seconds:.2f} s", f"{cost.gold.seconds:.2f} s"]


def _size(cost: JobCost) -> str:
    return f"{cost.written / 1e6:,.1f}"
