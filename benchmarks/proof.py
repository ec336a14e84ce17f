"""What the comparison of silver and gold costs: both jobs with `reconcile: off`, `counts` and `digests`.

    python -m benchmarks proof [--rows 1000000] [--engine spark] [--write docs/reconciliation-silver-gold.md]

The jobs run as in a pipeline. Processor time is compared, which other programs on the machine change least.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.lake_jobs import JobCost, RunCost, empty_jobs
from benchmarks.results import show_figures
from benchmarks.scale import DEFAULT_ROWS, RECENT, SPREAD, OrdersLake

METHODS = ("off", "counts", "digests")
HEADINGS = ("run", "silver", "gold", "silver, to off", "gold, to off")


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks proof", description=__doc__)
    parser.add_argument("--engine", choices=[*DEFAULT_ROWS], default="sail")
    parser.add_argument("--rows", type=int, help="of the table (default: 1,000,000; on Apache Spark 200,000)")
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    rows = options.rows or DEFAULT_ROWS[options.engine]
    empty = empty_jobs(options.engine)
    costs: dict[str, dict[str, RunCost]] = {}
    for method in METHODS:
        with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
            costs[method] = _runs(Path(folder), options.engine, rows, method)
    table = [
        _row(f"{case}, {method}", costs[method][case], costs["off"][case], empty)
        for case in costs["off"]
        for method in METHODS
    ]
    title = (
        f"{rows:,} rows of 10 columns, processor time less that of an empty job, {options.engine}.\n"
        f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end."
    )
    show_figures(title, [(HEADINGS, table)], options.write, "proof")


def _runs(root: Path, engine: str, rows: int, method: str) -> dict[str, RunCost]:
    lake = OrdersLake(root, "incremental", engine, rows)
    tables = tuple(table.model_copy(update={"reconcile": method}) for table in lake.configuration.tables.tables)
    lake.configuration = replace(lake.configuration, tables=replace(lake.configuration.tables, tables=tables))
    print(f"reconcile: {method}", flush=True)
    lake.run("first build")
    lake.run("0.1 % changed, recent keys", RECENT["0.1 %"])
    lake.run("0.1 % changed, all keys", SPREAD)
    lake.run("nothing changed")
    lake.run("full reload, nothing changed", full=True)
    return lake.costs


def _row(name: str, cost: RunCost, reference: RunCost, empty: RunCost) -> list[str]:
    silver, gold = _less(cost.silver, empty.silver), _less(cost.gold, empty.gold)
    to = (_less(reference.silver, empty.silver), _less(reference.gold, empty.gold))
    ratios = [f"{mine / other:.2f}" if other > 0.2 else "" for mine, other in zip((silver, gold), to, strict=True)]
    return [name, f"{silver:.2f} s", f"{gold:.2f} s", *ratios]


def _less(cost: JobCost, empty: JobCost) -> float:
    return cost.processor - empty.processor
