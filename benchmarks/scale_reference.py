"""The reference of the benchmark `scale`: dbt with DuckDB builds the same gold models from the same silver.

dbt is not a dependency of Midnight: it is installed once into `build/dbt-environment`. Where that is not possible,
plain DuckDB runs the same statements.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deltalake import DeltaTable

from benchmarks.orders_configuration import MODELS
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY

_ENVIRONMENT = REPOSITORY / "build" / "dbt-environment"
# Newer releases of dbt-core load a part of themselves from GitHub while they are installed.
_PACKAGES = ("dbt-core==1.10.13", "dbt-duckdb==1.9.6")


def build_by_reference(paths: LakePaths) -> dict[str, float]:
    """Build the gold models into Parquet files.

    Args:
        paths: of a lake whose silver is complete.

    Returns:
        Name of each reference -> seconds with the start of its process.
    """
    silver = {name: _files(paths, name) for name in ("orders", "customers")}
    commands = {"DuckDB alone": _script}
    if _install():
        commands = {"dbt with DuckDB": _dbt_project, **commands}
    found = {}
    for name, command in commands.items():
        with tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
            try:
                found[name] = _run(command(Path(folder), silver), Path(folder))
            except RuntimeError as error:  # the figures of an hour must not be lost
                print(error, flush=True)
    return found


def _files(paths: LakePaths, name: str) -> str:
    files = ", ".join(f"'{path}'" for path in DeltaTable(paths.silver_table(name)).file_uris())
    return f"read_parquet([{files}])"


def _install() -> bool:
    """Whether dbt can be used."""
    dbt = _ENVIRONMENT / "bin" / "dbt"
    if not dbt.exists():
        subprocess.run([sys.executable, "-m", "venv", _ENVIRONMENT], check=True)  # noqa: S603
        pip = [str(_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", *_PACKAGES]
        subprocess.run(pip, capture_output=True, check=False)  # noqa: S603
    return dbt.exists()


def _run(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - started


def _dbt_project(folder: Path, silver: dict[str, str]) -> list[str]:
    (folder / "models").mkdir()
    (folder / "out").mkdir()
    project = {
        "name": "gold",
        "version": "1.0.0",
        "profile": "gold",
        "models": {"+materialized": "external", "+options": {"compression": "snappy"}},
    }
    output = {"type": "duckdb", "path": f"{folder}/gold.duckdb", "threads": 2, "external_root": f"{folder}/out"}
    (folder / "dbt_project.yml").write_text(json.dumps(project))
    (folder / "profiles.yml").write_text(json.dumps({"gold": {"target": "it", "outputs": {"it": output}}}))
    for name, (sql, _) in MODELS.items():
        query = re.sub(r"gold\.(\w+)", r"{{ ref('\1') }}", _with_silver(sql, silver))
        (folder / "models" / f"{name}.sql").write_text(query)
    return [str(_ENVIRONMENT / "bin" / "dbt"), "--quiet", "run", "--profiles-dir", ".", "--project-dir", "."]


def _script(folder: Path, silver: dict[str, str]) -> list[str]:
    statements = []
    for name, (sql, _) in MODELS.items():
        query = re.sub(r"gold\.(\w+)", rf"read_parquet('{folder}/\1.parquet')", _with_silver(sql, silver))
        statements.append(f"COPY ({query}) TO '{folder}/{name}.parquet'")
    (folder / "build.sql").write_text(";\n".join(statements))
    code = "import duckdb, pathlib; duckdb.execute(pathlib.Path('build.sql').read_text())"
    return [sys.executable, "-c", code]


def _with_silver(sql: str, silver: dict[str, str]) -> str:
    return re.sub(r"silver\.(\w+)", lambda found: silver[found[1]], sql)
