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
    from airflow.__main__ import main as run_airflow

    for name in PACKAGES:
        importlib.import_module(name)
    run_airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
