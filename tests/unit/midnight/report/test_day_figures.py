"""Figures over days: weighted means, comparisons, and words where there is nothing to compare."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from midnight.report.day_figures import day_figure
from midnight.report.day_means import mean_columns
from midnight.report.definition import Chart, Figure

LAST = date(2013, 10, 2)  # a Wednesday


def figure(**changes: Any) -> Figure:
    values = {"title": "T", "sql": "x", "day": "day", "value": "value", "format": "decimal", **changes}
    return Figure.model_validate(values)


def rows(**by_days_ago: Any) -> list[dict[str, Any]]:
    """``d0=(value, per)`` is the last day."""
    return [
        {"day": LAST - timedelta(days=int(name[1:])), "value": value, "per": per}
        for name, (value, per) in by_days_ago.items()
    ]


@pytest.mark.parametrize(
    ("changes", "given", "text", "change", "direction"),
    [
        ({}, rows(d0=(12, 1), d7=(10, 1)), "12.0", "▲ 2.0 (+20.0%) vs Wed 25 Sep", ""),
        ({"better": "less"}, rows(d0=(12, 1), d7=(10, 1)), "12.0", "▲ 2.0 (+20.0%) vs Wed 25 Sep", "bad"),
        ({"better": "more"}, rows(d0=(8, 1), d7=(10, 1)), "8.0", "▼ 2.0 (-20.0%) vs Wed 25 Sep", "bad"),
        ({"better": "less"}, rows(d0=(8, 1), d7=(10, 1)), "8.0", "▼ 2.0 (-20.0%) vs Wed 25 Sep", "good"),
        ({"format": "integer"}, rows(d0=(1975, 1), d7=(965, 1)), "1,975", "▲ 1,010 (+104.7%) vs Wed 25 Sep", ""),
        # a share: of 200 rows and of 10 rows, in percentage points
        ({"format": "percent", "per": "per"}, rows(d0=(180, 200), d7=(8, 10)), "90.0%",
         "▲ 10.0 points vs Wed 25 Sep", ""),
        # the weights are the rows of each day, not the days
        ({"per": "per", "days": 2}, rows(d0=(40, 100), d1=(0, 300), d7=(1, 2), d8=(0, 0)), "0.1",
         "▼ 0.4 (-80.0%) vs 2 days to Wed 25 Sep", ""),
        ({"days": 2}, rows(d0=(10, 1), d1=(20, 1), d7=(10, 1), d8=(10, 1)), "15.0",
         "▲ 5.0 (+50.0%) vs 2 days to Wed 25 Sep", ""),
        ({"days": 3}, rows(d0=(9, 1), d2=(3, 1), d7=(6, 1), d9=(6, 1)), "6.0",
         "= same as 2 of 3 days to Wed 25 Sep", ""),
        ({"compare_days": 365}, rows(d0=(1, 1), d365=(2, 1)), "1.0", "▼ 1.0 (-50.0%) vs Tue 2 Oct 2012", ""),
        ({}, rows(d0=(12, 1), d7=(0, 1)), "12.0", "▲ 12.0 vs Wed 25 Sep", ""),
        ({}, rows(d0=(-2, 1), d7=(4, 1)), "-2.0", "▼ 6.0 vs Wed 25 Sep", ""),
        ({}, rows(d0=(1.04, 1), d7=(1.01, 1)), "1.0", "= same as Wed 25 Sep", ""),
        ({}, rows(d0=(12, 1)), "12.0", "nothing to compare: Wed 25 Sep is before the first day", ""),
        ({}, rows(d0=(12, 1), d7=(None, 1), d9=(1, 1)), "12.0", "nothing to compare: no value for Wed 25 Sep", ""),
        ({"per": "per"}, rows(d0=(12, 4), d7=(0, 0)), "3.0", "nothing to compare: per is 0 for Wed 25 Sep", ""),
        ({}, rows(d0=(None, 1), d7=(4, 1)), "—", "no value for Wed 2 Oct 2013", ""),
        ({"per": "per"}, rows(d0=(None, None)), "—", "no value for Wed 2 Oct 2013", ""),
        ({"per": "per"}, rows(d0=(0, 0), d7=(4, 4)), "—", "per is 0 for Wed 2 Oct 2013", ""),
        ({}, rows(d0=(float("nan"), 1)), "—", "no value for Wed 2 Oct 2013", ""),
        ({}, [], "—", "no rows yet", ""),
        ({}, [{"day": None, "value": 1}], "—", "no rows yet", ""),
    ],
)  # fmt: skip
def test_the_newest_days_and_their_comparison(changes, given, text, change, direction):
    found = day_figure(figure(**changes), given)
    assert (found.text, found.change, found.direction) == (text, change, direction)


def test_several_rows_of_a_day_are_added_up_and_the_line_shows_the_days():
    given = [{"day": LAST - timedelta(days=n), "value": 1 + n} for n in range(40)] * 2
    found = day_figure(figure(note="pieces"), given)
    assert (found.text, found.period, found.note) == ("2.0", "Wed 2 Oct 2013", "pieces")
    assert "T, 30 days: from 2 to 60" in found.line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"day": 20131002, "value": 1}], "20131002 in the column 'day' is not a date; hint: cast it to DATE"),
        ([{"day": LAST, "value": "x"}], "'x' in the column 'value' is not a number"),
    ],
)
def test_a_wrong_type_names_its_column(given, message):
    with pytest.raises(ValueError, match=message):
        day_figure(figure(), given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": None}, "day is 'day' and value is None; hint: write both, or neither"),
        ({"day": None, "value": None, "days": 7}, "days without day; hint: add day and value"),
        ({"format": "text"}, "format is 'text' for a figure with day"),
        ({"days": 0}, "greater than or equal to 1"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        figure(**changes)


def chart(**changes: Any) -> Chart:
    values = {"title": "T", "kind": "line", "sql": "x", "x": "day", "y": ["v"], "mean_days": 3, **changes}
    return Chart.model_validate(values)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        # one day of four is missing, one is NULL: the mean begins when three days have passed
        ("w", [None, None, 4.0, (3 * 4 + 1 * 12) / 4, 12.0]),
        (None, [None, None, 3.0, 7.0, 12.0]),
    ],
)
def test_the_mean_of_n_days_is_weighted_and_leaves_out_null(weight, expected):
    days = [LAST + timedelta(days=n) for n in (0, 1, 2, 3, 5)]
    columns = {"day": days, "v": [0, 5, 4, 12, None], "w": [0, None, 3, 1, 9]}
    found = mean_columns(chart(weight=weight), columns)
    assert found == {"v_mean_of_3_days": expected}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "bar"}, "mean_days is 3 for a chart of kind 'bar'; hint: a line without series has it"),
        ({"mean_days": None, "weight": "w"}, "weight is 'w' without mean_days"),
        ({"kind": "table", "mean_days": None, "series": "s"}, "series is 's' for a table; hint: list its columns in y"),
    ],
)
def test_fields_of_a_chart_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        chart(**changes)


def test_the_days_of_a_mean_are_dates():
    with pytest.raises(ValueError, match="'2013-10' in the column 'day' is not a date; hint: cast it to DATE"):
        mean_columns(chart(), {"day": ["2013-10"], "v": [1]})
