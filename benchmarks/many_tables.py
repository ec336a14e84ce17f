"""Silver and gold of 1,000 small tables, each with a model: the first run, and a run in which nothing changed.

    python -m benchmarks many_tables [--tables 1000] [--rows 2000] [--engine spark] [--write docs/performance.md]

All milliseconds are per table and without those of an empty job.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.lake_jobs import SOURCE, RunCost, empty_jobs, run_jobs
from benchmarks.orders_lake import Batch, seal_all
from benchmarks.results import show_figures
from midnight.lake.paths import LakePaths
from midnight.run.run_configuration import RunConfiguration, load_run_configuration
from midnight.settings import Settings

COLUMNS = {"id": "integer", "code": "text", "amount": "numeric(12,2)", "day": "date", "paid": "boolean"}
HEADINGS = ("run", "silver per table", "gold per table", "whole run", "processor per table", "peak memory", "files")


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks many_tables", description=__doc__)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2000, help="of each table")
    parser.add_argument("--engine", choices=["sail", "spark"], default="sail")
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        empty = empty_jobs(options.engine)
        paths = LakePaths.below(f"{folder}/lake")
        started = time.perf_counter()
        configuration = _configuration(Path(folder) / "include", options.tables, options.engine)
        print(f"configuration read and checked in {time.perf_counter() - started:.1f} s", flush=True)
        costs: dict[str, RunCost] = {}
        for number, name in enumerate(["first run", "nothing changed"], start=1):
            seal_all(paths, [_batch(table, number, options.rows) for table in range(options.tables)])
            costs[name] = run_jobs(options.engine, paths, configuration, number)
    rows = [_row(name, cost, empty, options.tables) for name, cost in costs.items()]
    title = f"{options.tables:,} tables of {options.rows:,} rows and a model for each, {options.engine}."
    show_figures(title, [(HEADINGS, rows)], options.write, f"many_tables {options.engine} {options.tables}")


def _configuration(folder: Path, tables: int, engine: str) -> RunConfiguration:
    (folder / "tables").mkdir(parents=True)
    (folder / "sql" / "gold").mkdir(parents=True)
    (folder / "pipeline.yml").write_text(json.dumps({"source": {"name": SOURCE}}))
    types = {"id": "INT", "code": "STRING", "amount": "DECIMAL(12,2)", "day": "DATE", "paid": "BOOLEAN"}
    for number in range(tables):
        name = f"table_{number}"
        columns = [{"name": column, "type": kind} for column, kind in COLUMNS.items()]
        table: dict[str, Any] = {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": columns}
        contract = {
            "description": name,
            "key": ["id"],
            "columns": [{"name": column, "type": kind} for column, kind in types.items()],
        }
        (folder / "tables" / f"public.{name}.yml").write_text(json.dumps(table))
        (folder / "sql" / "gold" / f"model_{number}.sql").write_text(f"SELECT {', '.join(COLUMNS)} FROM silver.{name}")
        (folder / "sql" / "gold" / f"model_{number}.yml").write_text(json.dumps(contract))
    settings = Settings.model_validate({"config": folder, "home": folder.parent, "engine": engine})
    return load_run_configuration(settings, [])


def _batch(table: int, number: int, rows: int) -> Batch:
    query = (
        f"SELECT i::INTEGER AS id, 'code ' || (i + {table}) AS code, (i * 37 % 10000)::DECIMAL(12, 2) AS amount, "
        f"DATE '2024-01-01' + (i % 365)::INTEGER AS day, i % 3 = 0 AS paid FROM range(1, {rows + 1}) AS t(i)"
    )
    return Batch(f"table_{table}", COLUMNS, number, (query,))


def _row(name: str, cost: RunCost, empty: RunCost, tables: int) -> list[str]:
    return [
        name,
        f"{(cost.silver.seconds - empty.silver.seconds) / tables * 1000:.1f} ms",
        f"{(cost.gold.seconds - empty.gold.seconds) / tables * 1000:.1f} ms",
        f"{cost.seconds:.1f} s",
        " + ".join(
            f"{(job.processor - nothing.processor) / tables * 1000:.1f} ms"
            for job, nothing in ((cost.silver, empty.silver), (cost.gold, empty.gold))
        ),
        f"{cost.megabytes:,.0f} MB",
        f"{cost.silver.files:,} + {cost.gold.files:,}",
    ]
