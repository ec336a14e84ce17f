"""The embedded server of another version: `MIDNIGHT_TEST_POSTGRES=/usr/lib/postgresql/15/bin pytest …`.

The folder has initdb, pg_ctl and postgres of PostgreSQL 10 or newer, and must be readable by every user.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, cast

import psycopg

from cli.postgres import embedded, location

VARIABLE = "MIDNIGHT_TEST_POSTGRES"
_FIRST_WITH_FORCE = 130_000


def use_other_postgres() -> None:
    """Let every server of the tests be one of the folder in the variable; nothing without it."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    binaries, run, module = Path(folder).resolve(), embedded._run, cast("Any", embedded)

    def run_as_known(where: location.PostgresLocation, program: str, *arguments: str) -> None:
        newer = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions")
        kept = [argument for argument in arguments if argument not in newer]
        run(where, program, *kept, *(["--locale=C.UTF-8"] if program == "initdb" else []))

    version = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    if " 10." in version:  # PostgreSQL 11 is the first that compiles expressions
        cast("dict[str, str]", embedded.DEMO_SETTINGS).pop("jit", None)
    location._wheel_binaries = lambda: binaries
    module._run = run_as_known


def drop_database(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a database and end its sessions."""
    if connection.info.server_version >= _FIRST_WITH_FORCE:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        return
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    connection.execute(f"DROP DATABASE {name}")
