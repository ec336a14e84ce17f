"""Mistakes in the definition of the Power BI model are reported, all at once and each with its line."""

import pytest

from midnight.errors import ConfigurationError
from midnight.powerbi.model.semantic_model import build_model


def problems_after(folder, *replacements):
    path = folder / "powerbi" / "model.yml"
    text = path.read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        build_model(folder)
    return [f"{problem.field}: {problem.message}" for problem in caught.value.problems]


def test_unknown_names_are_reported_at_once(include):
    problems = problems_after(
        include,
        ("view: reporting.airline", "view: reporting.carrier"),
        ("month_name: month_number", "month_name: month_no"),
        ("one_value: factor", "one_value: cause"),
        ("    rows: true\n    format", "    dax: \"COUNTX('Flights', 'Flights'[Result]) + [All flights]\"\n    format"),
        ("where: {outcome: On time}", "where: {result: On time}"),
        ("where: {status: Cancelled}", "where: {status: 3}"),
        ("share: [Flights on time, Flights in timetable]", "share: [Punctual, Flights in timetable]"),
        ("mean: departure_delay_minutes", "mean: departure_delay"),
        ("median: arrival_delay_minutes", "median: airline_name"),
        ("weight: departure_delay_flights", "weight: departures"),
        ('values: ["[Cancelled share]"], at: [4', 'values: ["[Cancelled]"], at: [4'),
    )
    assert [problem.partition(";")[0] for problem in problems] == [
        "tables.Calendar.sort: 'month_no' is not a column of reporting.calendar",
        "tables.Airlines.view: 'reporting.carrier' does not exist",
        "tables.Weather.one_value: 'cause' is not a column of reporting.weather_effect",
        "measures[0].dax: 'Flights'[Result] does not exist",
        "measures[0].dax: [All flights] is not a measure",
        "measures[1].where: 'result' is not a column of reporting.flight",
        "measures[2].where: 'status' is compared with 3, which is not of its type",
        "measures[3].share: 'Punctual' is not a measure",
        "measures[5].mean: 'departure_delay' is not a column of reporting.flight",
        "measures[7].median: 'airline_name' is not a number",
        "measures[14].weight: 'departures' is not a column of reporting.weather_effect",
        "pages[0].visuals[2]: [Cancelled] does not exist",
    ]


def test_layout_mistakes_are_reported(include):
    assert problems_after(
        include, ("at: [2, 0, 2, 2]", "at: [1, 0, 2, 2]"), ("at: [0, 4, 6, 4]", "at: [7, 4, 6, 4]")
    ) == [
        "pages[0].visuals[1].at: overlaps 'Flights'",
        "pages[1].visuals[3]: at [7, 4, 6, 4] is outside the grid of 12 columns and 8 rows",
    ]


def test_a_computed_column_needs_a_description(include):
    assert problems_after(
        include, ("      day_kind: Weekday or Weekend\n", ""), ("    describe:\n  Airlines", "  Airlines")
    ) == ["tables.Calendar.describe.day_kind: is missing; hint: add a description"]


def test_what_cannot_be_added_up_is_refused(include):
    """A mean of means, a sum of shares, a median of medians: each row would count the same, whatever is behind it."""
    problems = problems_after(
        include,
        ("max: p90_arrival_delay_minutes", "mean: p90_arrival_delay_minutes\n    weight: rows"),
        ("sum: flights", "sum: cancelled_share"),
        ("sum: cancelled_flights", "median: median_departure_delay_minutes"),
        ("weight: departure_delay_flights", "weight: delayed_share"),
    )
    assert [problem.partition(",")[0] for problem in problems] == [
        "measures[10].mean: 'p90_arrival_delay_minutes' has a mean",
        "measures[11].sum: 'cancelled_share' is a mean",
        "measures[12].median: 'median_departure_delay_minutes' is a mean",
        "measures[14].weight: 'delayed_share' is a mean",
    ]


def test_a_mean_in_a_view_cannot_be_added_up_either(include):
    """What T-SQL computes, and what a view passes on from another."""
    view = "CREATE OR ALTER VIEW reporting.{} AS\nSELECT {} FROM {}\n"
    serving = include / "sql" / "serving"
    (serving / "means.sql").write_text(
        "CREATE OR ALTER VIEW reporting.means AS\n"
        "SELECT r.origin_code, AVG(CAST(r.distance_miles AS FLOAT)) AS miles\n"
        "FROM reporting.route_performance AS r\nGROUP BY r.origin_code\n"
    )
    (serving / "passed_on.sql").write_text(view.format("passed_on", "m.miles", "reporting.means AS m"))
    table = "tables:\n  Means: {view: reporting.passed_on, describe: {miles: Mean distance}}\n"
    measure = "measures:\n  - {name: Far, table: Means, mean: miles, weight: rows, format: '0', description: Miles}\n"
    (problem,) = problems_after(include, ("tables:\n", table), ("measures:\n", measure))
    assert problem.startswith("measures[0].mean: 'miles' has a mean, a quantile or a quotient in each row")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    weight: rows\n", "", "measures[5]: 'Mean departure delay' has no weight; hint: mean and weight belong"),
        (
            "    rows: true\n    where",
            "    sum: flight_key\n    where",
            "measures[1]: 'Flights on time' has where without",
        ),
        ("    rows: true\n", "", "measures[0]: 'Flights in timetable' has []; hint: give exactly one of rows, sum"),
        (
            "name: Flights on time",
            "name: flights in TIMETABLE",
            "measures[1].name: 'flights in TIMETABLE' and 'Flights in",
        ),
        (
            "  Weather:\n    view",
            "  airlines:\n    view",
            "tables.airlines: 'airlines' and 'Airlines' are the same name to Power",
        ),
        ('values: ["Weather[Factor]"], select', 'values: ["[Last day]"], select', "a slicer shows one column, not"),
        ("kind: card, title: Flights,", "kind: card, select: x, title: Flights,", "a card selects nothing"),
    ],
)
def test_each_mistake_in_a_measure_or_visual_is_named(include, old, new, expected):
    assert any(expected in problem for problem in problems_after(include, (old, new)))


def test_every_problem_has_its_line(include):
    path = include / "powerbi" / "model.yml"
    outcome = '      outcome: "On time, Late, Diverted or Cancelled"\n'
    text = path.read_text().replace(outcome, "").replace("sum: flights", "sum: flight")
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        build_model(include)
    lines = text.split("\n")
    named = [lines[problem.line - 1].strip() for problem in caught.value.problems]
    assert named == ["describe:", "sum: flight"]
    assert {problem.where for problem in caught.value.problems} == {"powerbi/model.yml"}


def test_two_titles_that_read_the_same_are_refused(include):
    title = "title: On time,"
    assert problems_after(include, (title, 'title: "Flights ",')) == [
        "pages[0].visuals[1].title: 'Flights ' is given twice; hint: give each its own title"
    ]


def test_mistakes_of_comparisons_and_drill_through_are_reported(include):
    assert problems_after(
        include,
        (
            "compare: {measure: Flights in timetable, day: flight_date, period: last_day}",
            "compare: {measure: Flights, day: year_month, period: last_day}",
        ),
        ("change: [Flights on the last day, Flights a week before]", "change: [Flights today, Flights a week before]"),
        ('drill_through: ["Flights[Route]"', 'drill_through: ["Flights[Way]"'),
    ) == [
        "measures[15].compare: 'year_month' is not a date",
        "measures[15].compare: 'Flights' is not a measure",
        "measures[17].change: 'Flights today' is not a measure",
        "pages[5].drill_through: Flights[Way] does not exist",
    ]
    assert problems_after(include, ('drill_through: ["Flights[Way]"', 'drill_through: ["[On-time share]"')) == [
        "pages[5].drill_through[0]: '[On-time share]' is a measure; hint: write Table[Column]"
    ]
