"""Runs the tests of the DAG files with another version of Airflow, in an environment of its own.

    python -m tools.airflow_version 3.3.0 [--constraints FILE-OR-ADDRESS]

The other packages are those of requirements.in without their versions: Airflow, or its constraint file, chooses them.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from midnight.settings import REPOSITORY, python_path

# Not needed to parse DAGs: large, or chosen by another package.
_LEFT_OUT = {"pyspark", "pysail", "plotly", "mssql-python", "databricks-sdk"}
_TEST_PACKAGES = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "psycopg[binary]", "psutil")
_TESTS = "tests/integration/airflow"


def requirements(lines: Iterable[str], version: str) -> list[str]:
    """What to install: the packages of requirements.in, only Airflow with a version.

    Args:
        lines: of requirements.in.
        version: of Airflow.
    """
    names = [re.split(r"[=<>~;#\s]", line.strip(), maxsplit=1)[0] for line in lines]
    kept = [name for name in names if name and name.partition("[")[0] not in _LEFT_OUT]
    return [f"{name}=={version}" if name == "apache-airflow" else name for name in kept] + list(_TEST_PACKAGES)


def main(argv: Sequence[str]) -> int:
    """Install and test; returns the exit code of pytest, or of the installation if that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", help="of Airflow, for example 3.3.0")
    parser.add_argument("--constraints", help="file or address of Airflow's constraints for this version")
    given = parser.parse_args(argv)
    folder = REPOSITORY / "build" / f"airflow-{given.version}"
    uv, python = str(Path(sys.executable).with_name("uv")), str(folder / "bin" / "python")
    wanted = requirements((REPOSITORY / "requirements.in").read_text(encoding="utf-8").splitlines(), given.version)
    constraints = ["--constraint", given.constraints] if given.constraints else []
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", python, *constraints, *wanted],
    ):
        done = subprocess.run(command, check=False)
        if done.returncode:
            return done.returncode
    environment = {**os.environ, "PYTHONPATH": python_path()}
    tests = [python, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", _TESTS]
    return subprocess.run(tests, cwd=REPOSITORY, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
