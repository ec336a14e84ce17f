"""A year of runs, each of which changes 0.1 % of a table: whether files, bytes and time stay bounded.

    python -m benchmarks year [--rows 200000] [--runs 365] [--minutes 60] [--engine spark] [--write docs/performance.md]

The jobs run in this process, on one session: what is measured is the lake, not 730 starts of an engine; the batches
are sealed here, too. As in a real lake the maintenance runs every seven runs. No time passes between the runs, so it
removes at once what it would remove a week later.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from benchmarks.lake_jobs import SOURCE, batch_id, existing_files
from benchmarks.orders_configuration import write_configuration
from benchmarks.orders_lake import Change, seal_customers, seal_orders
from benchmarks.results import show_figures
from midnight.bronze.batches import BronzeStore
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.maintenance import optimize_tables, remove_expired_changes, remove_expired_gold
from midnight.run.plan import RunRequest, plan_run
from midnight.silver_to_gold.builds import read_builds

MAINTENANCE_EVERY = 7
HEADINGS = (
    "run",
    "silver",
    "gold",
    "silver files",
    "gold files",
    "silver MB",
    "gold MB",
    "all files",
    "all MB",
)


@dataclass(frozen=True)
class Measured:
    """The lake after a run.

    Args:
        silver_seconds: of the job; ``gold_seconds`` likewise.
        processor_seconds: of both jobs, in this process.
        silver: files and bytes of the newest version of `orders`; ``gold``: of all models of the newest build.
        disk: Parquet files and bytes of silver and gold, of all versions that exist.
    """

    silver_seconds: float
    gold_seconds: float
    processor_seconds: float
    silver: tuple[int, int]
    gold: tuple[int, int]
    disk: tuple[int, int]


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks year", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=365)
    parser.add_argument("--minutes", type=float, default=60, help="after so long no other run begins (default: 60)")
    parser.add_argument("--engine", choices=["sail", "spark"], default="sail")
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        measured = _simulate(Path(folder), options)
    runs = len(measured)
    shown = sorted({number for number in (1, 2, 30, 100, 200, runs) if number <= runs})
    rows = [_row(number, measured[number - 1]) for number in shown]
    title = f"{options.rows:,} rows, 0.1 % changed in each of {runs} runs, {options.engine}."
    text = f"{title}\n{_verdict(measured)}"
    show_figures(text, [(HEADINGS, rows)], options.write, f"year {options.engine} {options.rows}")


def _simulate(folder: Path, options: argparse.Namespace) -> list[Measured]:
    from spark_jobs.gold.run import build_gold
    from spark_jobs.runtime.session import open_session
    from spark_jobs.silver.run import build_silver

    configuration = write_configuration(folder / "include", "incremental", options.engine)
    paths, lake = LakePaths.below(str(folder / "lake")), open_local_lake()
    bronze = BronzeStore(lake, paths, SOURCE)
    cursor, changes, measured = None, list[Change](), list[Measured]()
    last_start = time.monotonic() + options.minutes * 60
    with open_session(options.engine) as session:
        for number in range(1, options.runs + 1):
            if time.monotonic() > last_start:
                print(f"stopped after {options.minutes:g} minutes; hint: --minutes or fewer --rows", flush=True)
                break
            # The changes move over the newest tenth of the keys; only the last few can still be read again.
            changes = [*changes, Change(0.1, 100, number % 100)] if number > 1 else []
            cursor = seal_orders(paths, number, options.rows, changes, mode="incremental", follows=cursor, here=True)
            seal_customers(paths, number, here=True)
            document = plan_run(RunRequest(batch_id(number), f"run-{number}"), configuration, bronze)
            processor = time.process_time()
            silver, gold = _seconds(build_silver, session, document), _seconds(build_gold, session, document)
            processor = time.process_time() - processor
            if number % MAINTENANCE_EVERY == 0:
                remove_expired_gold(lake, paths, datetime.now(UTC) + timedelta(days=7))
                remove_expired_changes(lake, paths, datetime.now(UTC))  # the batches have ids of 2024
                for table in optimize_tables(lake, paths, configuration.tables, compact=True):
                    DeltaTable(table.path).vacuum(0, dry_run=False, enforce_retention_duration=False)
            measured.append(_measure(paths, silver, gold, processor))
            if number in (1, 2) or number % 30 == 0:
                print(f"run {number}: silver {silver:.2f} s, gold {gold:.2f} s", flush=True)
    return measured


def _seconds(job: Any, session: Any, document: Any) -> float:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        job(session, document)
    return time.perf_counter() - started


def _measure(paths: LakePaths, silver_seconds: float, gold_seconds: float, processor: float) -> Measured:
    build = read_builds(paths.gold_builds)[-1]
    models = [_live(build.model_path(paths, name)) for name in build.models]
    disk = {**existing_files(paths.silver, "*.parquet"), **existing_files(paths.gold, "*.parquet")}
    return Measured(
        silver_seconds,
        gold_seconds,
        processor,
        _live(paths.silver_table("orders")),
        (sum(files for files, _ in models), sum(size for _, size in models)),
        (len(disk), sum(disk.values())),
    )


def _live(path: str) -> tuple[int, int]:
    sizes = DeltaTable(path).get_add_actions(flatten=True)["size_bytes"].to_pylist()
    return len(sizes), sum(sizes)


def _row(number: int, found: Measured) -> list[str]:
    return [
        str(number),
        f"{found.silver_seconds:.2f} s",
        f"{found.gold_seconds:.2f} s",
        f"{found.silver[0]:,}",
        f"{found.gold[0]:,}",
        f"{found.silver[1] / 1e6:.1f}",
        f"{found.gold[1] / 1e6:.1f}",
        f"{found.disk[0]:,}",
        f"{found.disk[1] / 1e6:,.0f}",
    ]


def _verdict(measured: list[Measured]) -> str:
    """What grew between the second tenth of the runs and the last, as ratios of the medians, of files the maxima."""
    tenth = max(1, len(measured) // 10)
    early, late = measured[tenth : 2 * tenth] or measured[-1:], measured[-tenth:]
    values: dict[str, tuple[Callable[[Iterable[float]], float], Callable[[Measured], float]]] = {
        "seconds": (statistics.median, lambda m: m.silver_seconds + m.gold_seconds),
        "processor seconds": (statistics.median, lambda m: m.processor_seconds),
        "files": (max, lambda m: m.silver[0] + m.gold[0]),
        "bytes": (max, lambda m: m.silver[1] + m.gold[1]),
        "all files": (max, lambda m: m.disk[0]),
        "all bytes": (max, lambda m: m.disk[1]),
    }
    grown = {name: total(map(of, late)) / total(map(of, early)) for name, (total, of) in values.items()}
    listed = ", ".join(f"{name} {ratio:.2f}" for name, ratio in grown.items())
    # Other programs on the machine change the seconds, but hardly the processor time.
    bounded = "bounded" if max(ratio for name, ratio in grown.items() if name != "seconds") <= 1.5 else "NOT bounded"
    return f"Last tenth of the runs to the second tenth, {bounded}:\n{listed}."
