"""Airflow as the tests import it: in a folder of its own, before any test module can import it with other settings."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from midnight.settings import REPOSITORY

PREPARED_FOR = "MIDNIGHT_TESTS_PREPARED_FOR"


def prepare_airflow() -> None:
    """Set what ``import airflow`` reads; does nothing the second time, nor in a child process.

    In a parallel run each of pytest's processes has its own; the first one hands its environment on to the others.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    if os.environ.get(PREPARED_FOR) == worker:
        return
    os.environ[PREPARED_FOR] = worker
    home = tempfile.mkdtemp(prefix="midnight_airflow_")
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(home, ignore_errors=True) if os.getpid() == owner else None)
    os.environ.update(
        {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        }
    )
