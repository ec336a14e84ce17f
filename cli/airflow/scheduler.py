"""Airflow's scheduler of a local instance: ``python -m cli.airflow.scheduler scheduler …``.

Its workers, and their tasks, are forks of it. So it imports the packages that tasks use once, instead of every task.
Only packages of others: Midnight's own modules may change while the scheduler runs.
"""

from __future__ import annotations

import importlib

# Imports only: none of these starts a thread (with NO_THREADS of cli/instance/processes.py) or opens a connection.
PACKAGES = (
    "asyncpg",
    "deltalake",
    "pyarrow.csv",
    "pyarrow.dataset",  # imports pandas
    "pyarrow.parquet",
    "sqlglot.dialects.spark",
    "sqlglot.optimizer.annotate_types",
    "sqlglot.optimizer.scope",
)


def main() -> None:
    """Import the packages, then become Airflow's command line."""
    airflow = importlib.import_module("airflow.__main__")
    for name in PACKAGES:
        importlib.import_module(name)
    airflow.main()


if __name__ == "__main__":
    main()
