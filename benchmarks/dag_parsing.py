"""Time to import the DAG files, as the DAG processor does it in a fresh process, for 5 and for 500 tables."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.results import print_table
from midnight.settings import REPOSITORY, python_path

ROUNDS = 5

EMPTY_DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG("empty", schedule=None):
    EmptyOperator(task_id="nothing")
"""
PARSE = """
import runpy, sys, time
import airflow.sdk
started = time.perf_counter()
for path in sys.argv[1:]:
    runpy.run_path(path)
print(time.perf_counter() - started)
"""
TABLE = """
schema: public
table: table_{number}
silver: table_{number}
key: [id]
columns:
  - {{name: id, type: bigint}}
  - {{name: name, type: text}}
"""


def main() -> None:
    """Print the median seconds per variant, and each as a ratio to the empty DAG."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY_DAG)
        ours = sorted((REPOSITORY / "dags").glob("*.py"))
        variants = {"an empty DAG (reference)": ([empty], _configuration(Path(folder), 5))}
        for count in (5, 500):
            variants[f"our {len(ours)} DAGs, {count} tables"] = (ours, _configuration(Path(folder), count))
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, (files, include) in variants.items():
                seconds[name].append(_parse(files, include, Path(folder)))
    reference = statistics.median(next(iter(seconds.values())))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print_table(
        ["DAG files", f"median of {ROUNDS}", "to reference"],
        [[name, f"{median:.3f} s", f"{median / reference:.2f} x"] for name, median in medians.items()],
    )


def _configuration(folder: Path, tables: int) -> Path:
    include = folder / f"include-{tables}"
    if not include.exists():
        (include / "tables").mkdir(parents=True)
        (include / "pipeline.yml").write_text("source: {name: bench}\n")
        for number in range(tables):
            (include / "tables" / f"public.table_{number}.yml").write_text(TABLE.format(number=number))
    return include


def _parse(files: list[Path], include: Path, home: Path) -> float:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "MIDNIGHT_CONFIG": str(include),
        "PYTHONPATH": python_path(),
    }
    result = subprocess.run(  # noqa: S603 - our own interpreter and files
        [sys.executable, "-c", PARSE, *map(str, files)], env=environment, capture_output=True, text=True, check=True
    )
    return float(result.stdout.split()[-1])


if __name__ == "__main__":
    main()
