"""PostgreSQL to bronze, against the server's own limit and against the DuckDB scanner: a long table, a wide one, many.

    python -m benchmarks extraction [--write docs/performance.md]

The reference is ``COPY … TO '/dev/null' (FORMAT binary)`` of the same tables on the same server: the cost of only
reading them. Each round runs every variant once, each of ours and DuckDB's in a fresh process; the result is the median
of the rounds' ratios, since the speed of a shared machine changes. ``whole`` counts the start of the process, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.extraction_cases import CASES, Case
from benchmarks.orders import CONNECTIONS, in_fresh_process, measured, server_with
from benchmarks.results import show_figures

HEADINGS = ("tables", "variant", "median", "to reference", "whole", "peak memory", "processor", "written")
REFERENCE = "COPY"
OURS, ALONE = "ours", "ours, reconcile: off"
DUCKDB = "DuckDB scanner"


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write seconds, ratio and peak memory of each variant for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks extraction", description=__doc__)
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    variants = [OURS, ALONE, DUCKDB] if _has_scanner() else [OURS, ALONE]
    rows = []
    for name, case in CASES.items():
        print(f"\n{case.title}, {CONNECTIONS} connections, {case.rounds} rounds", flush=True)
        references, results = _run(name, case, variants)
        rows.append([name, REFERENCE, f"{statistics.median(references):.2f} s", "1.00", *[""] * 4])
        rows += [[name, *row] for row in _rows(references, results)]
    goals = ",\n".join(f"{name}: {case.title}; goal {case.goal:g}" for name, case in CASES.items())
    title = (
        f"{os.cpu_count()} cores, {platform.machine()}, {CONNECTIONS} connections, "
        f"load {os.getloadavg()[0]:.1f} at the end.\n"
        f"{goals}."
    )
    show_figures(title, [(HEADINGS, rows)], options.write, "extraction")
    if DUCKDB not in variants:
        print("DuckDB's scanner is not installed (duckdb-extension-postgres-scanner)")


def _run(name: str, case: Case, variants: list[str]) -> tuple[list[float], dict[str, list[dict[str, float]]]]:
    """Seconds of the reference, and the measurements of each variant, per round."""
    results: dict[str, list[dict[str, float]]] = {variant: [] for variant in variants}
    references: list[float] = []
    with server_with(case.statements) as (dsn, connection), tempfile.TemporaryDirectory() as folder:
        for number in range(case.rounds):
            started = time.perf_counter()
            for table in case.tables:
                connection.execute(f"COPY (SELECT * FROM {table}) TO '/dev/null' (FORMAT binary)")
            references.append(time.perf_counter() - started)
            for variant in variants:
                target = Path(folder) / "out"
                started = time.perf_counter()
                cost = in_fresh_process("extraction", [variant, name, str(target)], {"MIDNIGHT_BENCHMARK_DSN": dsn})
                results[variant].append({**cost, "whole": time.perf_counter() - started})
                shutil.rmtree(target)
            load = os.getloadavg()[0]
            line = "  ".join(f"{v} {results[v][-1]['seconds']:.2f} s" for v in variants)
            print(f"round {number + 1}: limit {references[-1]:.2f} s  {line}  (load {load:.1f})", flush=True)
    return references, results


def _rows(references: list[float], results: dict[str, list[dict[str, float]]]) -> list[list[str]]:
    rows = []
    for variant, runs in results.items():
        ratio = statistics.median(r["seconds"] / limit for r, limit in zip(runs, references, strict=True))
        median = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        row = [variant, f"{median['seconds']:.2f} s", f"{ratio:.2f}", f"{median['whole']:.2f} s"]
        row += [f"{max(r['megabytes'] for r in runs):.0f} MB", f"{median['processor']:.2f} s"]
        rows.append([*row, f"{median['written']:.0f} MB"])
    return rows


def _has_scanner() -> bool:
    try:
        import duckdb_extension_postgres_scanner  # noqa: F401
    except ImportError:
        return False
    return True


def _measure(variant: str, case: Case, target: Path) -> None:
    dsn = os.environ["MIDNIGHT_BENCHMARK_DSN"]
    run = _prepare_duckdb(dsn, case, target) if variant == DUCKDB else _prepare_ours(variant, dsn, case, target)
    _, cost = measured(run)
    written = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    print(json.dumps({**cost, "written": written}))


def _prepare_ours(variant: str, dsn: str, case: Case, target: Path) -> Any:
    from midnight.bronze.batches import BronzeStore
    from midnight.configuration.columns import Column
    from midnight.configuration.source import LoadGroup
    from midnight.configuration.tables import Table
    from midnight.lake.files import open_local_lake
    from midnight.lake.paths import LakePaths
    from midnight.postgres_to_bronze.load_group import GroupIngest
    from midnight.postgres_to_bronze.source_address import SourceAddress

    reconcile: Literal["off", "counts"] = "off" if variant == ALONE else "counts"
    column = Column(name="id", type="bigint")  # the others come with new_columns: include
    ingest = GroupIngest(
        address=SourceAddress.from_uri(dsn),
        bronze=BronzeStore(open_local_lake(), LakePaths.below(str(target)), "benchmark"),
        tables=[
            Table(schema="public", table=name, silver=name, columns=(column,), reconcile=reconcile)
            for name in case.tables
        ],
        group=LoadGroup(name="main", connections=CONNECTIONS),
        batch_id="batch",
        run_id="benchmark",
        log=lambda line: None,
    )
    return lambda: asyncio.run(ingest.run())


def _prepare_duckdb(dsn: str, case: Case, target: Path) -> Any:
    import duckdb
    import duckdb_extension_postgres_scanner

    target.mkdir()
    package = Path(duckdb_extension_postgres_scanner.__file__).parent
    connection = duckdb.connect()
    connection.execute(f"LOAD '{next(package.rglob('*.duckdb_extension'))}'")

    def run() -> None:
        connection.execute(f"ATTACH '{dsn}' AS source (TYPE postgres, READ_ONLY)")
        for table in case.tables:
            connection.execute(f"COPY (SELECT * FROM source.public.{table}) TO '{target}/{table}.parquet'")

    return run


if __name__ == "__main__":
    _measure(sys.argv[1], CASES[sys.argv[2]], Path(sys.argv[3]))
