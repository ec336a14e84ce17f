"""Fixtures that every test folder shares."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Iterator

import hypothesis
import psycopg
import pytest

from cli.demo.source import demo_login, load_demo
from cli.postgres.embedded import Server
from cli.postgres.temporary import temporary_server
from midnight.settings import REPOSITORY
from tests.support.airflow_environment import prepare_airflow
from tests.support.demo_copy import copied_demo
from tests.support.demo_instance import DemoInstance
from tests.support.other_postgres import drop_database, use_other_postgres, version_of_postgres

FIRST_VERSION_WITH_DEMO = 15
# A test asserts results, not times: a busy machine is not an error. The examples follow from the test's code, so that a
# change fails for what it changes; MIDNIGHT_RANDOM_TESTS=1 draws new ones.
is_random = bool(os.environ.get("MIDNIGHT_RANDOM_TESTS"))
hypothesis.settings.register_profile("midnight", deadline=None, derandomize=not is_random)
hypothesis.settings.load_profile("midnight")
prepare_airflow()  # before a test module imports airflow
use_other_postgres()

pytest_plugins = ["tests.support.parallel_run"]
pytest.register_assert_rewrite("tests.support.maintenance_tests")  # its tests show their values as others do


@pytest.fixture(scope="session", autouse=True)
def no_instance_in_the_checkout() -> Iterator[None]:
    """A test that forgets MIDNIGHT_HOME would write to the default instance, and `make up` would refuse its folder."""
    home = REPOSITORY / ".midnight"
    there = home.exists()
    yield
    assert home.exists() == there, f"a test has written to {home}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL 18 for the whole session; tests use the fixture ``database`` to stay apart."""
    with temporary_server() as server:
        yield server


@pytest.fixture
def database(postgres_server: Server) -> Iterator[Server]:
    """A fresh, empty database of its own; the login is the superuser's."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield dataclasses.replace(postgres_server, database=name)
        drop_database(connection, name)


@pytest.fixture(scope="session")
def demo_source(postgres_server: Server) -> Server:
    """The loaded demo source (superuser's login). Every test sees the same one: read it only."""
    if version_of_postgres() < FIRST_VERSION_WITH_DEMO:
        pytest.skip("the demo has a server of its own, a newer one")
    load_demo(postgres_server, "reader-password")
    return demo_login(postgres_server)


@pytest.fixture
def own_demo_source(demo_source: Server) -> Iterator[Server]:
    """A copy of the demo source of the test's own."""
    with copied_demo(demo_source) as copy:
        yield copy


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoInstance]:
    """The instance of the tests that need a running Airflow; it is started by ``first_run``."""
    instance = DemoInstance(tmp_path_factory.mktemp("instance"))
    yield instance
    instance.run("reset")


@pytest.fixture(scope="session")
def first_run(home: DemoInstance) -> str:
    """What the first `make up` printed."""
    done = home.run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
