"""A run over 1,000 small tables, each with a model: the first, and one in which nothing changed.

    python -m benchmarks many_tables [--tables 1000] [--rows 2000] [--engine spark] [--write docs/performance.md]

The tables are read from a server of the benchmark's own. Ingestion and plan read and check the configuration, as the
tasks of the pipeline do. The reference is the server's own COPY of all tables, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lake_jobs import SOURCE, RunCost, batch_id, empty_jobs, run_planned_jobs
from benchmarks.orders import CONNECTIONS, in_fresh_process, measured, server_with
from benchmarks.results import show_figures
from midnight.lake.paths import LakePaths
from midnight.run.run_configuration import RunConfiguration, load_run_configuration
from midnight.settings import Settings

COLUMNS = {"id": "integer", "code": "text", "amount": "numeric(12,2)", "day": "date", "paid": "boolean"}
TYPES = {"id": "INT", "code": "STRING", "amount": "DECIMAL(12,2)", "day": "DATE", "paid": "BOOLEAN"}
HEADINGS = ("run", "ingest", "plan", "silver", "gold", "all of it", "processor", "peak memory", "files")
_TABLE = """
CREATE TABLE table_{number} AS
SELECT i AS id, 'code ' || (i + {number}) AS code, (i * 37 % 10000)::numeric(12,2) AS amount,
       '2024-01-01'::date + i % 365 AS day, i % 3 = 0 AS paid
FROM generate_series(1, {rows}) i;
ALTER TABLE table_{number} ADD PRIMARY KEY (id)
"""


@dataclass(frozen=True)
class WholeRun:
    """What each step of one run cost; ``ingest`` and ``plan`` as from ``measured``."""

    ingest: dict[str, float]
    plan: dict[str, float]
    jobs: RunCost


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks many_tables", description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2000, help="of each table")
    parser.add_argument("--engine", choices=["sail", "spark"], default="sail")
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    tables, engine = options.tables, options.engine
    empty = empty_jobs(engine)
    statements = [_TABLE.format(number=number, rows=options.rows) for number in range(tables)]
    with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder, server_with(statements) as (dsn, connection):
        started = time.perf_counter()
        for number in range(tables):
            connection.execute(f"COPY table_{number} TO '/dev/null' (FORMAT binary)")
        reference = time.perf_counter() - started
        _write_configuration(Path(folder) / "include", tables)
        runs = {
            name: _run(folder, engine, number, dsn)
            for number, name in enumerate(["first run", "nothing changed"], start=1)
        }
    rows = [_row(name, run, empty, tables) for name, run in runs.items()]
    title = (
        f"{tables:,} tables of {options.rows:,} rows and a model for each, {engine}.\n"
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end.\n"
        f"The server's own COPY takes {reference / tables * 1000:.1f} ms per table."
    )
    show_figures(title, [(HEADINGS, rows)], options.write, f"many_tables {engine} {tables}")


def _run(folder: str, engine: str, number: int, dsn: str) -> WholeRun:
    arguments, secrets = [folder, engine, str(number)], {"MIDNIGHT_BENCHMARK_DSN": dsn}
    ingest = in_fresh_process("many_tables", ["ingest", *arguments], secrets)
    plan = in_fresh_process("many_tables", ["plan", *arguments], secrets)
    return WholeRun(ingest, plan, run_planned_jobs(engine, LakePaths.below(f"{folder}/lake"), number))


def _write_configuration(folder: Path, tables: int) -> None:
    (folder / "tables").mkdir(parents=True)
    (folder / "sql" / "gold").mkdir(parents=True)
    pipeline = {"source": {"name": SOURCE}, "groups": [{"name": "main", "connections": CONNECTIONS}]}
    (folder / "pipeline.yml").write_text(json.dumps(pipeline))
    for number in range(tables):
        name = f"table_{number}"
        columns = [{"name": column, "type": kind} for column, kind in COLUMNS.items()]
        table: dict[str, Any] = {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": columns}
        contract = {
            "description": name,
            "key": ["id"],
            "columns": [{"name": column, "type": kind} for column, kind in TYPES.items()],
        }
        (folder / "tables" / f"public.{name}.yml").write_text(json.dumps(table))
        (folder / "sql" / "gold" / f"model_{number}.sql").write_text(f"SELECT {', '.join(COLUMNS)} FROM silver.{name}")
        (folder / "sql" / "gold" / f"model_{number}.yml").write_text(json.dumps(contract))


def _row(name: str, run: WholeRun, empty: RunCost, tables: int) -> list[str]:
    """Milliseconds are per table; those of the jobs without the ones of an empty job."""
    jobs, steps = run.jobs, (run.ingest, run.plan)
    seconds = [step["seconds"] for step in steps]
    seconds += [jobs.silver.seconds - empty.silver.seconds, jobs.gold.seconds - empty.gold.seconds]
    processor = sum(step["processor"] for step in steps) + jobs.processor - empty.processor
    return [
        name,
        *(f"{each / tables * 1000:.1f} ms" for each in seconds),
        f"{sum(seconds) / tables * 1000:.1f} ms",
        f"{processor / tables * 1000:.1f} ms",
        f"{max(jobs.megabytes, *(step['megabytes'] for step in steps)):,.0f} MB",
        f"{jobs.silver.files:,} + {jobs.gold.files:,}",
    ]


def _measure(step: str, folder: str, engine: str, number: int) -> None:
    """Run a step of the run in this process, and print what it cost."""
    work = _prepare_ingest(folder, engine, number) if step == "ingest" else _prepare_plan(folder, engine, number)
    print(json.dumps(measured(work)[1]))


def _prepare_ingest(folder: str, engine: str, number: int) -> Callable[[], object]:
    from midnight.bronze.batches import BronzeStore
    from midnight.configuration_check.check import check_run
    from midnight.lake.files import open_local_lake
    from midnight.postgres_to_bronze.load_group import GroupIngest
    from midnight.postgres_to_bronze.source_address import SourceAddress

    def ingest() -> None:
        configuration = check_run(_settings(folder, engine), []).tables
        [group] = configuration.pipeline.groups
        reading = GroupIngest(
            address=SourceAddress.from_uri(os.environ["MIDNIGHT_BENCHMARK_DSN"]),
            bronze=BronzeStore(open_local_lake(), LakePaths.below(f"{folder}/lake"), SOURCE),
            tables=configuration.select([]),
            group=group,
            batch_id=batch_id(number),
            run_id=f"run-{number}",
            log=lambda line: None,
        )
        asyncio.run(reading.run())

    return ingest


def _prepare_plan(folder: str, engine: str, number: int) -> Callable[[], object]:
    from midnight.bronze.batches import BronzeStore
    from midnight.lake.files import open_local_lake
    from midnight.run.plan import RunRequest, plan_run

    def plan() -> None:
        configuration: RunConfiguration = load_run_configuration(_settings(folder, engine), [])
        bronze = BronzeStore(open_local_lake(), LakePaths.below(f"{folder}/lake"), SOURCE)
        plan_run(RunRequest(batch_id(number), f"run-{number}"), configuration, bronze)

    return plan


def _settings(folder: str, engine: str) -> Settings:
    return Settings.model_validate({"config": f"{folder}/include", "home": folder, "engine": engine})


if __name__ == "__main__":
    _measure(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
