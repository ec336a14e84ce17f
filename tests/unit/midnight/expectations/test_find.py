"""Rules of the configuration, their messages, and what stops a publication."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from midnight.configuration.expectations import Expectations, FigureRule
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.tables import Table
from midnight.errors import ExpectationError
from midnight.expectations.find import check_figures, find_anomalies
from tests.support import expectations_backtest as backtest

COLUMNS = [{"name": "id", "type": "integer"}, {"name": "b", "type": "text"}]


def pipeline(**expectations):
    return Pipeline.model_validate({"source": {"name": "shop"}, "expectations": expectations})


def table(**expectations):
    fields = {"schema": "public", "table": "t", "silver": "t", "columns": COLUMNS}
    return Table.model_validate(fields | {"expectations": expectations})


def found(runs, of_pipeline, of_table):
    rows = backtest.ledger({"t": runs})
    return find_anomalies(rows, rows["run_id"][-1].as_py(), of_pipeline, [of_table])


@pytest.fixture
def runs():
    """Two runs, of which nothing can be learnt."""
    first, second = backtest.simulate(backtest.GROUPS[0], 1)[:2]
    return [first, backtest.replace(second, rows=round(0.75 * first.rows), quarantined=40, inserted=960, updated=0)]


def test_a_rule_names_table_figure_value_range_and_the_limits(runs):
    rules = [{"figure": "rows", "drop_percent": 20, "on_failure": "warn"}, {"figure": "rows", "below": 10}]
    (anomaly,) = found(runs, pipeline(rules=rules), table())
    assert (anomaly.table, anomaly.figure, anomaly.on_failure) == ("t", "rows", "warn")
    low, value = 0.8 * runs[0].rows, runs[1].rows
    assert anomaly.message == (
        f"t: rows is {value:,}, expected at least {low:,.0f} (drop_percent: 20, {runs[0].rows:,} in the run before)"
    )
    check_figures([anomaly])


def test_a_share_above_its_limit_stops_the_publication(runs):
    rules = [{"figure": "quarantined_percent", "above": 1}, {"figure": "null_percent", "column": "b", "above": 100}]
    anomalies = found(runs, pipeline(learnt="fail"), table(rules=rules))
    with pytest.raises(ExpectationError) as caught:
        check_figures(anomalies)
    assert "1 figure is not as expected; nothing was published, readers keep the data" in str(caught.value)
    assert "t: quarantined_percent is 4, expected 0 to 1 (above: 1" in str(caught.value)
    assert "hint: correct the source, or start a run with the parameter publish_unexpected" in str(caught.value)
    assert not caught.value.retryable


def test_a_table_replaces_the_rules_of_the_pipeline_for_the_same_figure(runs):
    rules = [{"figure": "quarantined_percent", "above": 1}]
    assert found(runs, pipeline(rules=rules), table())
    assert not found(runs, pipeline(rules=rules), table(rules=[{"figure": "quarantined_percent", "above": 5}]))
    other = Expectations(rules=(FigureRule(figure="rows", below=1),), learnt="fail")
    assert [rule.figure for rule in other.over(pipeline(rules=rules).expectations).rules] == [
        "quarantined_percent",
        "rows",
    ]
    assert other.over(Expectations()).learnt == "fail"
    assert Expectations().over(Expectations()).learnt == "warn"


def test_what_is_learnt_warns_fails_or_is_ignored():
    runs = backtest.simulate(backtest.GROUPS[0], 1)
    runs[-1] = backtest.INCIDENTS["table emptied"][0](runs[-1], runs[-2])
    for learnt, expected in (("warn", {"warn"}), ("fail", {"fail"}), ("ignore", set())):
        assert {each.on_failure for each in found(runs, pipeline(), table(learnt=learnt))} == expected
    rows = next(each for each in found(runs, pipeline(), table()) if each.figure == "rows")
    assert rows.message.startswith("t: rows is 0, expected ")
    assert rows.message.endswith(", as learnt from 59 runs")


def test_every_problem_of_the_rules_is_reported_at_once():
    rules = [
        {"figure": "null_percent", "above": 120},
        {"figure": "rows", "column": "b"},
        {"figure": "rows", "above": 1, "below": 2},
    ]
    with pytest.raises(ValidationError) as caught:
        table(rules=rules)
    text = str(caught.value)
    assert "column: is missing, which 'null_percent' needs; hint: a column of silver" in text
    assert "above: 120 is more than 100 percent" in text
    assert "column: 'b' is only valid for null_percent and distinct_values; hint: remove this line" in text
    assert "'rows' has no limit; hint: add one of above, below, rise_percent, drop_percent" in text
    assert "below: 2 is greater than above: 1" in text
    with pytest.raises(ValidationError, match="'c' is not a column of silver; hint"):
        table(rules=[{"figure": "null_percent", "column": "c", "above": 1}])
    with pytest.raises(ValidationError, match="move the rule to the file of the table that has 'b'"):
        pipeline(rules=[{"figure": "null_percent", "column": "b", "above": 1}])
    with pytest.raises(ValidationError, match="two rules for 'rows' with on_failure: fail"):
        table(rules=[{"figure": "rows", "below": 1}, {"figure": "rows", "above": 3}])
