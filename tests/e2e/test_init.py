"""``make init`` against a database that holds everything it should not."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import yaml

from local import init
from local.embedded_postgres import Server
from midnight.errors import MidnightError
from midnight.pipeline_config import load_configuration

NASTY = (Path(__file__).parents[1] / "data" / "nasty_source.sql").read_text(encoding="utf-8")
PASSWORD = "p@ss/w:rd #1%"
GRANTS = """
GRANT USAGE ON SCHEMA public, sales, "Weird Schema" TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA public, sales, "Weird Schema", secret TO {role};
REVOKE SELECT ON hidden, half_hidden FROM {role};
GRANT SELECT (id, shown) ON half_hidden TO {role};
"""


@pytest.fixture
def reader(database: Server) -> Iterator[Server]:
    """The nasty database, and a role that may only read."""
    role = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(NASTY)
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(GRANTS.format(role=role))
        yield dataclasses.replace(database, user=role, password=PASSWORD)
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Folders of an instance of our own."""
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    return tmp_path


def url(server: Server) -> str:
    return f"postgresql://{server.user}:{quote(server.password, safe='')}@{server.host}:{server.port}/{server.database}"


def run_init(monkeypatch, source: str) -> int:
    monkeypatch.setenv("SOURCE", source)
    return init.main([])


def test_dev(reader, place, monkeypatch, capsys):
    assert 0 == run_init(monkeypatch, url(reader))
    print(capsys.readouterr().out)
    for path in sorted(place.rglob("include/**/*")):
        if path.is_file():
            print("=====", path)
            print(path.read_text())
    configuration = load_configuration(place / "include")
    1 / 0
