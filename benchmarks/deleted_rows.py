"""What `deletes: keys` costs: the key pass next to a full read, and finding the deleted rows in silver.

    python -m benchmarks deleted_rows [--rounds 5] [--silver 5000000 10000000]

The key pass is the difference between an increment with and without a list of keys, of the table `orders`, of which no
row has changed. Processor time is that of this process and of the server. Then as many keys of silver as given are
compared with a list in which 1,000 are missing, each in a process of its own: its memory should not grow with them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lake_jobs import batch_id
from benchmarks.orders import CONNECTIONS, ROWS, in_fresh_process, measured, orders_server, peak_megabytes
from benchmarks.orders_configuration import ORDER_COLUMNS
from benchmarks.results import print_table

GOAL = 0.25
FULL, ROWS_ALONE, WITH_KEYS = "full snapshot", "increment without rows", "the same with deletes: keys"
_DELETED = 1_000


@dataclass(frozen=True)
class Cost:
    """Of one ingestion: seconds on the clock, processor seconds of this process and the server, bytes written."""

    seconds: float
    processor: float
    written: int


def main(arguments: Sequence[str] = ()) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks deleted_rows", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--silver", type=int, nargs="*", default=[5_000_000, 10_000_000], help="numbers of keys")
    options = parser.parse_args(arguments)
    if options.rounds:
        _key_pass(options.rounds)
    rows = [_silver(size) for size in options.silver]
    print_table(["compared in silver", "seconds", "processor", "peak memory", "before"], rows)


def _key_pass(rounds: int) -> None:
    costs: dict[str, list[Cost]] = {FULL: [], ROWS_ALONE: [], WITH_KEYS: []}
    with orders_server() as (dsn, connection), tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        server = _postmaster(connection)
        for number in range(rounds + 1):
            target = Path(folder) / str(number)
            for place, name in enumerate(costs):
                deletes = "keys" if name == WITH_KEYS else "snapshot"
                cost = _ingest(dsn, target, place, server, deletes=deletes)
                if number:  # the first round fills the caches
                    costs[name].append(cost)
            shutil.rmtree(target)
    median = {
        name: Cost(*(statistics.median(getattr(c, f) for c in found) for f in ("seconds", "processor", "written")))
        for name, found in costs.items()
    }
    rows = [
        [name, f"{cost.seconds:.2f} s", f"{cost.processor:.2f} s", f"{cost.written / 1e6:.1f} MB"]
        for name, cost in median.items()
    ]
    print(f"{ROWS:,} rows, 10 columns, {CONNECTIONS} connections, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print_table(["read", "median", "processor", "written"], rows)
    for what in ("processor", "seconds"):
        shares = [
            (getattr(k, what) - getattr(r, what)) / getattr(f, what)
            for f, r, k in zip(costs[FULL], costs[ROWS_ALONE], costs[WITH_KEYS], strict=True)
        ]
        print(
            f"The key pass takes {statistics.median(shares):.0%} of a full read ({what}); our goal: at most {GOAL:.0%}"
        )


def _ingest(dsn: str, target: Path, number: int, server: int, *, deletes: str) -> Cost:
    from midnight.bronze.batches import BronzeStore
    from midnight.configuration.columns import Column
    from midnight.configuration.source import LoadGroup
    from midnight.configuration.tables import Table
    from midnight.lake.files import open_local_lake
    from midnight.lake.paths import LakePaths
    from midnight.postgres_to_bronze.load_group import GroupIngest
    from midnight.postgres_to_bronze.source_address import SourceAddress

    columns = tuple(Column(name=name, type=kind) for name, kind in ORDER_COLUMNS.items())
    rules: dict[str, Any] = {
        "mode": "incremental",
        "key": ("id",),
        "cursor": "created",
        "cursor_lag": 0,
        "deletes": deletes,
    }
    table = Table(schema="public", table="orders", silver="orders", columns=columns, **rules)
    ingest = GroupIngest(
        address=SourceAddress.from_uri(dsn),
        bronze=BronzeStore(open_local_lake(), LakePaths.below(str(target)), "benchmark"),
        tables=[table],
        group=LoadGroup(name="main", connections=CONNECTIONS),
        batch_id=batch_id(number),
        run_id="benchmark",
        log=lambda line: None,
    )
    processor, of_server, started = time.process_time(), _processor(server), time.perf_counter()
    asyncio.run(ingest.run())
    seconds = time.perf_counter() - started
    time.sleep(0.2)  # the server's processes end
    used = time.process_time() - processor + _processor(server) - of_server
    written = sum(file.stat().st_size for file in target.rglob(f"{batch_id(number)}/*.parquet"))
    return Cost(seconds, used, written)


def _postmaster(connection: Any) -> int:
    """The process of the server."""
    (folder,) = connection.execute("SHOW data_directory").fetchone()
    return int(Path(folder, "postmaster.pid").read_text().splitlines()[0])


def _processor(server: int) -> float:
    """Processor seconds of the server's processes, those that have ended included."""
    import psutil

    postmaster = psutil.Process(server)
    own = postmaster.cpu_times()
    running = sum(sum(child.cpu_times()[:2]) for child in postmaster.children(recursive=True))
    return own.user + own.system + own.children_user + own.children_system + running


def _silver(rows: int) -> list[str]:
    """Compare as many keys of silver with a list in which 1,000 are missing, in a process of its own."""
    found = in_fresh_process("deleted_rows", [str(rows)], {})
    figures = f"{found['seconds']:.1f} s", f"{found['processor']:.1f} s", f"{found['megabytes']:,.0f} MB"
    return [f"{rows:,} keys", *figures, f"{found['idle']:,.0f} MB"]


def _compare(rows: int) -> None:
    from pyspark.sql import functions as F

    from spark_jobs.runtime.session import open_session
    from spark_jobs.silver.key_lists import KNOWN, MARK, stage_differences

    with open_session("sail") as session, tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        keys = session.range(1, rows + 1).select(F.col("id"))
        keys.limit(10).write.parquet(f"{folder}/warm")
        idle = peak_megabytes()
        known = keys.select("id", F.lit(None).cast("string").alias(MARK))
        listed = {"batch": keys.filter(F.col("id") % (rows // _DELETED) != 7)}

        def compare() -> int:
            found = stage_differences([known], listed, {"id": "BIGINT"}, rows=rows, folder=f"{folder}/found")
            return found.filter(F.col(KNOWN)).count()

        gone, cost = measured(compare)
    print(json.dumps({**cost, "idle": idle, "gone": gone}))


if __name__ == "__main__":
    _compare(int(sys.argv[1]))
