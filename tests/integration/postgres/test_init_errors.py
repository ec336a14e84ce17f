"""``make init`` with a source that cannot be read: one message, and no file."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from midnight.settings import REPOSITORY
from tests.support.init_command import url


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"host": "no-such-host.invalid"}, "cannot be reached"),
        ({"password": "Wr0ng&pass"}, "password in SOURCE is wrong"),
        ({"password": ""}, "asks for the password of"),
        ({"user": "nobody_here"}, "the role does not exist"),
        ({"database": "no_such_db"}, "has no database 'no_such_db'"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line(database, place, change, message):
    server = dataclasses.replace(database, **change)
    answer = init_command(url(server), place)
    lines = answer.stderr.strip().splitlines()
    assert (answer.returncode, len(lines), message in lines[0]) == (1, 1, True), answer.stderr
    assert (answer.stdout, (server.password or "\0") in answer.stderr, list(place.iterdir())) == ("", False, [])


def test_a_database_without_tables_is_one_line(database, place):
    answer = init_command(url(database), place)
    assert (answer.returncode, list(place.iterdir()), "has no table: is" in answer.stderr) == (1, [], True)


def test_a_role_without_permissions_gets_the_grant_to_run(reader, database, place):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {reader.user}")
        connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public, sales FROM PUBLIC")
    answer = init_command(url(reader), place)
    wanted = f'GRANT USAGE ON SCHEMA "Weird Schema" TO "{reader.user}";'
    assert (answer.returncode, wanted in answer.stderr, "Traceback" not in answer.stderr) == (1, True, True)


def init_command(source: str, place: Path) -> subprocess.CompletedProcess[str]:
    """The command as the Makefile calls it."""
    environment = {
        **os.environ,
        "SOURCE": source,
        "MIDNIGHT_HOME": str(place / "home"),
        "MIDNIGHT_CONFIG": str(place / "include"),
    }

    return subprocess.run(
        [sys.executable, "-m", "cli", "init"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
