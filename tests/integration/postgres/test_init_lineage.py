"""Lineage of the configuration that ``make init`` writes: each dropped source column breaks what was predicted."""

from __future__ import annotations

import os
from pathlib import Path

from cli.postgres.embedded import Server
from midnight.lineage.lineage import Lineage
from tests.support.ingest_run import run_sql
from tests.support.init_command import run_init, url
from tests.support.lineage_truth import Truth, compare

LIBRARY = (
    "CREATE TABLE author (id int PRIMARY KEY, name text NOT NULL, born date)",
    "CREATE TABLE book (isbn text PRIMARY KEY, author int NOT NULL REFERENCES author, title text, price numeric(8,2))",
    "CREATE TABLE loan (id bigint PRIMARY KEY, isbn text REFERENCES book, reader text, lent timestamptz,"
    " back timestamptz, updated_at timestamptz NOT NULL DEFAULT now())",
    "INSERT INTO author VALUES (1, 'Ada', '1815-12-10')",
    "INSERT INTO book VALUES ('1', 1, 'Notes', 9.5)",
    "INSERT INTO loan VALUES (1, '1', 'Bo', now(), NULL)",
)
EVERY = 1 if "MIDNIGHT_LINEAGE_COLUMNS" in os.environ else 9


def differences(include: Path, work: Path, every: int) -> dict[str, tuple[set, set]]:
    work.mkdir()
    truth = Truth(include, work)
    found = compare(truth, Lineage(include, truth.tables).graph, truth.columns[::every])
    return {name: (missed, wrong) for name, missed, wrong in found if missed or wrong}


def test_a_library(database: Server, place: Path, tmp_path: Path) -> None:
    for statement in LIBRARY:
        run_sql(database, statement)
    assert run_init(url(database)) == 0
    assert differences(place / "include", tmp_path / "work", 1) == {}


def test_difficult_names(written: tuple[Path, str], tmp_path: Path) -> None:
    assert differences(written[0] / "include", tmp_path / "work", EVERY) == {}
