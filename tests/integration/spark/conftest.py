"""One session per engine for all tests of the jobs: starting one costs seconds."""

from __future__ import annotations

import pytest

from midnight.lake.paths import LakePaths
from spark_jobs.runtime.session import open_session


@pytest.fixture(scope="session")
def sail_session():
    with open_session("sail") as session:
        yield session


@pytest.fixture(scope="session")
def spark_session():
    """Apache Spark with Delta; mark the tests that use it with ``spark``."""
    with open_session("spark") as session:
        yield session


@pytest.fixture
def lake(tmp_path):
    """Paths of an empty lake."""
    return LakePaths.below(str(tmp_path / "lake"))
