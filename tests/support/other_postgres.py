"""The embedded server of another version: `MIDNIGHT_TEST_POSTGRES=/usr/lib/postgresql/15/bin pytest …`.

The folder has initdb, pg_ctl and postgres of PostgreSQL 10 or newer, and must be readable by every user.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from cli.postgres import embedded, location

VARIABLE = "MIDNIGHT_TEST_POSTGRES"
_EMBEDDED_VERSION = 18
# First version -> what a test's source has since then, and what an older server gets.
_NEWER_SQL = {
    11: (
        ("PRIMARY KEY (happened, kind)) PARTITION BY", "CHECK (true)) PARTITION BY"),
        ("OF events DEFAULT PARTITION BY", "OF events FOR VALUES FROM (MINVALUE) TO ('2024-01-01') PARTITION BY"),
        ("OF events_rest DEFAULT", "OF events_rest FOR VALUES IN ('k')"),
    ),
    12: ((" GENERATED ALWAYS AS (total * 0.19) STORED", " DEFAULT 0"),),
    14: ((" tstzmultirange,", " text,"),),
    15: (("numeric(5, -2), tiny numeric(2, 5)", "numeric(5, 0), tiny numeric(7, 5)"),),
}


def use_other_postgres() -> None:
    """Let every server of the tests be one of the folder in the variable; nothing without it."""
    binaries = _binaries()
    if binaries is None:
        return
    run, module = embedded._run, cast("Any", embedded)

    def run_as_known(where: location.PostgresLocation, program: str, *arguments: str) -> None:
        newer = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions")
        kept = [argument for argument in arguments if argument not in newer]
        run(where, program, *kept, *(["--locale=C.UTF-8"] if program == "initdb" else []))

    if version_of_postgres() < 11:  # PostgreSQL 11 is the first that compiles expressions
        cast("dict[str, str]", embedded.DEMO_SETTINGS).pop("jit", None)
    location._wheel_binaries = lambda: binaries
    module._run = run_as_known


@cache
def version_of_postgres() -> int:
    """Major version of the tests' servers."""
    binaries = _binaries()
    if binaries is None:
        return _EMBEDDED_VERSION
    shown = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(shown.split()[2].partition(".")[0])


def needs_postgres(version: int, why: str) -> pytest.MarkDecorator:
    """Skip on older servers.

    Args:
        version: the first that has what is tested.
        why: what that is.
    """
    return pytest.mark.skipif(version_of_postgres() < version, reason=f"{why} needs PostgreSQL {version}")


def of_the_embedded_server() -> pytest.MarkDecorator:
    """Skip on any other server."""
    return pytest.mark.skipif(_binaries() is not None, reason="of the embedded server alone")


def needs_program(name: str) -> pytest.MarkDecorator:
    """Skip where the folder of the other server has fewer programs."""
    binaries = _binaries()
    return pytest.mark.skipif(
        binaries is not None and not (binaries / name).exists(), reason=f"no {name} on this server"
    )


def as_known_by_server(sql: str) -> str:
    """The statements that make a test's source, without what the tested server is too old for."""
    for version, replacements in _NEWER_SQL.items():
        for newer, older in replacements if version_of_postgres() < version else ():
            sql = sql.replace(newer, older)
    return sql


def copy_database(connection: psycopg.Connection[Any], name: str, template: str) -> None:
    """Create a database from another one."""
    strategy = "STRATEGY file_copy" if version_of_postgres() >= 15 else ""
    connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")


def drop_database(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a database and end its sessions."""
    if version_of_postgres() >= 13:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        return
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    connection.execute(f"DROP DATABASE IF EXISTS {name}")


def _binaries() -> Path | None:
    folder = os.environ.get(VARIABLE)
    return Path(folder).resolve() if folder else None
