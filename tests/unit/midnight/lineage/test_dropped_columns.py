"""Each source column is dropped in turn: what then breaks in the product's own checks is what the lineage says.

``make prove-lineage`` drops every column, not a sample.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midnight.lineage.lineage import Lineage
from midnight.settings import REPOSITORY
from tests.support.lineage_truth import Truth, compare
from tests.support.varied_queries import write_varied_queries

# A key of a table that others refer to, and a column of models, views and measures.
SAMPLE = ("airports.faa", "flights.arr_delay")
ALL = "MIDNIGHT_LINEAGE_COLUMNS" in os.environ


def differences(folder: Path, work: Path, sample: tuple[str, ...] = ()) -> dict[str, tuple[set, set]]:
    truth = Truth(folder, work)
    columns = [(t, c) for t, c in truth.columns if not sample or f"{t.table}.{c}" in sample]
    assert columns
    found = compare(truth, Lineage(folder, truth.tables).graph, columns)
    return {name: (missed, wrong) for name, missed, wrong in found if missed or wrong}


def test_the_demo(tmp_path: Path) -> None:
    assert differences(REPOSITORY / "include", tmp_path, () if ALL else SAMPLE) == {}


def test_every_form_of_query(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert differences(write_varied_queries(tmp_path / "include"), work) == {}


def test_a_lineage_that_misses_something_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midnight.lineage.query_columns._Queries._add_join", lambda *_: None)
    work = tmp_path / "work"
    work.mkdir()
    assert differences(write_varied_queries(tmp_path / "include"), work, ("two.id",)) != {}
