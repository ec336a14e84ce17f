"""One session per engine for all tests of the jobs, since its start takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from spark_jobs.runtime.session import open_session
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import document, seal

Rows = Sequence[Mapping[str, Any]]


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


@pytest.fixture
def apply(sail_session, lake: LakePaths):
    """Apply one batch of one or more tables; returns the ledger's entries by table."""

    def run(*given: tuple[Table, Rows], number: int = 1, **options: Any) -> dict[str, LedgerEntry]:
        batches = [(t, seal(lake, t, number, rows, **options)) for t, rows in given]
        return {entry.table: entry for entry in build_silver(sail_session, document(lake, number, *batches))}

    return run
