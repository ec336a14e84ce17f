"""The rules that keep rows out of silver, from real Delta tables: new rows, since when, examples."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from midnight.configuration.tables import Table
from midnight.lake.ledger import read_ledger_rows
from midnight.lake.paths import LakePaths
from midnight.quarantine.overview import describe_rules, rejected_by_rule
from tests.support.quarantine_lake import START, write_airports


def airports(**fields) -> Table:
    given: dict[str, Any] = {"schema": "public", "table": "airports", "silver": "airports", "key": ["faa"]}
    given["columns"] = [{"name": "faa", "type": "text"}, {"name": "lon", "type": "double precision"}]
    given["checks"] = [{"rule": "range", "name": "west", "column": "lon", "max": 0, "owner": "maps"}]
    return Table.model_validate(given | fields)


@pytest.fixture
def lake(tmp_path):
    return partial(write_airports, tmp_path)


def rules(paths: LakePaths, table: Table | None = None) -> list:
    return rejected_by_rule(read_ledger_rows(paths.ledger), paths.quarantine, [table or airports()])


def test_new_rows_come_first_and_since_is_the_first_run_without_an_interruption(lake):
    old, new = ("west", "AAA", 1.0), ("west", "ZZZ", 2.0)
    [west] = rules(
        lake(("b0", [old], "applied"), ("b1", [], "applied"), ("b2", [old], "applied"), ("b3", [old, new], "applied"))
    )
    assert (west.rows, west.new_rows, west.since) == (2, 1, START + timedelta(days=2))
    assert [(e.key, e.offending.value, e.is_new) for e in west.examples] == [
        ("faa=ZZZ", "2.0", True),
        ("faa=AAA", "1.0", False),
    ]
    assert (west.rule.requirement, west.rule.owner, west.batch_id) == ("lon is at most 0", "maps", "b3")


def test_a_run_that_found_the_same_rows_has_no_new_ones(lake):
    [west] = rules(lake(("b0", [("west", "AAA", 1.0)], "applied"), ("b0", [("west", "AAA", 1.0)], "applied")))
    assert (west.rows, west.new_rows, west.since) == (1, 0, START)


def test_a_row_that_another_rule_rejected_before_is_not_new(lake):
    [west] = rules(lake(("b0", [("north", "AAA", 1.0)], "applied"), ("b1", [("west", "AAA", 1.0)], "applied")))
    assert (west.rule.name, west.rows, west.new_rows) == ("west", 1, 0), "as in the summary of the run"


def test_rows_of_a_stopped_table_are_shown_and_those_of_a_batch_that_was_not_evaluated_are_not(lake):
    paths = lake(("b0", [], "applied"), ("b1", [("west", "AAA", 1.0)], "failed"), ("b2", [], "stopped"))
    [west] = rules(paths)
    assert (west.batch_id, west.new_rows) == ("b1", 1)


def test_rules_are_sorted_by_new_rows_and_a_removed_rule_keeps_its_rows(lake):
    before, after = [("gone", "A", 1.0), ("gone", "B", 1.0)], [("west", "C", 3.0)]
    found = rules(lake(("b0", before, "applied"), ("b1", before + after, "applied")))
    assert [(r.rule.name, r.rows, r.new_rows) for r in found] == [("west", 1, 1), ("gone", 2, 0)]
    assert describe_rules(found) == {"airports": "west (1, 1 new, owner: maps), gone (2)"}


def test_rows_of_a_table_without_a_key_are_compared_as_a_whole(lake):
    paths = lake(("b0", [("west", "A", 1.0)], "applied"), ("b1", [("west", "A", 1.0), ("west", "B", 1.0)], "applied"))
    [west] = rules(paths, airports(key=[]))
    assert (west.rows, west.new_rows) == (2, 1)


def test_an_empty_lake_has_no_rules(lake, tmp_path):
    assert rules(LakePaths.below(str(tmp_path / "none"))) == []
    assert rules(lake(("b0", [], "applied"))) == []
