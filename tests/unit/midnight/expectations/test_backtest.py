"""What is learnt finds incidents and raises few false alarms; `make prove-expectations` runs more of the same."""

from __future__ import annotations

import time

import pytest

from midnight.expectations.find import evaluate
from midnight.expectations.history import read_figures
from tests.support import expectations_backtest as backtest


def test_incidents_are_found():
    found = [each for _, _, each in backtest.cases(seed=1)]
    assert len(backtest.INCIDENTS) == 20
    assert sum(found) >= 0.95 * len(found)


@pytest.mark.parametrize("group", backtest.GROUPS, ids=lambda group: group.name)
def test_a_history_without_incidents_has_at_most_one_alarm(group):
    assert len(backtest.false_alarms(group, seed=1, tables=2, every=3)) <= 1


def test_an_incident_that_was_published_is_reported_once():
    """The level of the rows is new from then on; and the return to the old one is not an incident."""
    runs = backtest.simulate(backtest.GROUPS[0], 3)
    third = [backtest.replace(run, rows=run.rows * 2 // 3) for run in runs[51:]]
    drop = backtest.INCIDENTS["rows dropped by a third"][0](runs[50], runs[49])
    rows = backtest.ledger({"t": [*runs[:50], drop, *third[:4], *runs[55:]]})
    alarms = {number: [a.figure for a in backtest.evaluate_run(rows, number, ["t"])] for number in range(49, 60)}
    assert alarms.pop(50) == ["deleted", "rows"]
    assert not any("rows" in figures for figures in alarms.values())


def test_an_incident_that_stopped_the_publication_stays_unexpected():
    """Also when the next run finds nothing new: it would publish what the run before has written."""
    runs = backtest.simulate(backtest.GROUPS[0], 4)
    twice = backtest.INCIDENTS["table loaded twice"][0](runs[50], runs[49])
    after = backtest.replace(runs[51], rows=twice.rows, inserted=900)
    rows = backtest.ledger({"t": [*runs[:50], twice, after]})
    run_ids, batches = rows["run_id"].to_pylist(), rows["batch_id"].to_pylist()
    anomalies = {}
    for published in (batches[49], batches[50]):
        figures = read_figures(rows, run_ids[51], "America/New_York", published)
        anomalies[published] = [each.figure for each in evaluate(figures, {"t": backtest.SETTINGS})]
    assert anomalies == {batches[49]: ["inserted", "rows"], batches[50]: []}


def test_500_tables_take_less_than_a_second():
    one = backtest.ledger({"t": backtest.simulate(backtest.GROUPS[1], 1, runs=90)})
    names = [f"t{i}" for i in range(500)]
    rows = backtest.pa.concat_tables(
        [one.set_column(one.column_names.index("table"), "table", [[name] * one.num_rows]) for name in names]
    ).combine_chunks()
    begun = time.process_time()
    figures = read_figures(rows, rows["run_id"][-1].as_py(), "America/New_York")
    evaluate(figures, dict.fromkeys(names, backtest.SETTINGS))
    assert time.process_time() - begun < 1
    assert len(figures.series) == 10 * 500
