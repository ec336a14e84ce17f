"""Every measure of the Power BI model equals the result of SQL, for every selection.

The demo is built by the jobs and published; the DAX is what Microsoft's parser read in the generated model; the SQL
here is by hand, over the single flights and observations wherever they decide the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.report.charts import draw
from midnight.report.definition import ReportDefinition, load_report_definition
from midnight.report.templates import format_number
from midnight.settings import REPOSITORY
from tests.contracts.published_demo import Demo, published_demo

MONTH, CARRIER = ("Calendar", "Year month"), ("Airlines", "Airline name")
OUTCOME, ORIGIN = ("Flights", "Outcome"), ("Flights", "Origin name")
FACTOR, BAND = ("Weather", "Factor"), ("Weather", "Band")
SQL_COLUMNS = {MONTH: "year_month", CARRIER: "airline_name", OUTCOME: "outcome", ORIGIN: "origin_name"}

OF_FLIGHTS = {
    "Flights in timetable": "nullif(count(*), 0)",
    "Flights on time": "CASE WHEN count(*) > 0 THEN count(*) FILTER (arrival_delay_minutes < 15) END",
    "Flights cancelled": "CASE WHEN count(*) > 0 THEN count(*) FILTER (actual_departure_utc IS NULL AND "
    "status = 'Cancelled') END",
    "On-time share": "count(*) FILTER (arrival_delay_minutes < 15) / nullif(count(*), 0)",
    "Cancelled share": "count(*) FILTER (status = 'Cancelled') / nullif(count(*), 0)",
    "Mean departure delay": "avg(departure_delay_minutes)",
    "Mean arrival delay": "avg(arrival_delay_minutes)",
    "Median arrival delay": "median(arrival_delay_minutes)",
    "Mean distance": "avg(distance_miles)",
    "Last day": "max(flight_date)",
}
WORST_DAY = """SELECT max(p90) FROM (SELECT quantile_cont(arrival_delay_minutes, 0.9)::DECIMAL(9,1) AS p90
               FROM reporting.flight {where} GROUP BY date_key, airline_key)"""
OF_WEATHER = {
    "Weather flights": "nullif(count(*), 0)",
    "Weather cancelled flights": "CASE WHEN count(*) > 0 THEN count(*) FILTER (status = 'Cancelled') END",
    "Weather cancelled share": "count(*) FILTER (status = 'Cancelled') / nullif(count(*), 0)",
    "Weather departure delay": "avg(departure_delay_minutes)",
}
# Band of a factor -> condition on the observation at the airport and hour of departure.
BANDS = {
    ("Wind", "15 to 25 mph"): "w.wind_speed >= 15 AND w.wind_speed < 25",
    ("Visibility", "Below 1 mile"): "w.visib < 1",
    ("Precipitation", "None"): "w.precip = 0",
    ("Wind", "No observation"): "w.wind_speed IS NULL",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with published_demo(tmp_path_factory.mktemp("power_bi")) as demo:
        yield demo


def of_flights(demo: Demo, measure: str, selection: Mapping[tuple[str, str], list[str]]) -> Any:
    conditions = [
        f"{SQL_COLUMNS[column]} IN ({', '.join(quote(value) for value in values)})"
        for column, values in selection.items()
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    if measure == "Worst arrival delay of a day":
        return demo.sql(WORST_DAY.format(where=where))
    return demo.sql(f"SELECT {OF_FLIGHTS[measure]} FROM reporting.flight {where}")


def quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def same(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    if isinstance(expected, int | float) or hasattr(expected, "as_tuple"):
        return math.isclose(float(found), float(expected), rel_tol=1e-9, abs_tol=1e-9)
    return pd.Timestamp(found) == pd.Timestamp(expected)


OF_RUNS = {
    "Data up to (UTC)": "max(data_up_to) FROM midnight.runs",
    "Published at (UTC)": "max(published_at) FROM midnight.runs",
    "Rows in quarantine": "sum(quarantined) FROM midnight.runs WHERE run_id = 'run 2'",
    "New rows in quarantine": "sum(quarantined_new) FROM midnight.runs WHERE run_id = 'run 2'",
    "Rows with a warning": "sum(warnings) FROM midnight.runs WHERE run_id = 'run 2'",
    "Rows that fail": "sum(failed_rows) FROM midnight.checks WHERE run_id = 'run 2'",
    "Rows checked": "sum(rows) FROM midnight.checks WHERE run_id = 'run 2'",
    "Rows kept out": "sum(rows) FROM midnight.quarantine_counts WHERE run_id = 'run 2'",
    "New rows kept out": "sum(new_rows) FROM midnight.quarantine_counts WHERE run_id = 'run 2'",
}


def test_the_page_of_data_quality_shows_the_newest_run(demo: Demo) -> None:
    for measure, query in OF_RUNS.items():
        expected = demo.sql(f"SELECT {query}")
        assert (expected is None) == (measure == "Published at (UTC)"), measure
        for selection in ({}, {MONTH: ["2013-01"]}):
            assert same(demo.model.value(measure, selection), expected), measure


ON_TIME, COUNT = OF_FLIGHTS["On-time share"], OF_FLIGHTS["Flights in timetable"]
# Value and condition on the day; last is the last day with flights of the selection.
OF_PERIODS = {
    "Flights on the last day": (COUNT, "flight_date = last"),
    "Flights a week before": (COUNT, "flight_date = last - 7"),
    "Flights per day over 7 days": (
        "count(*) / nullif(count(DISTINCT flight_date), 0)",
        "flight_date > last - 7 AND flight_date <= last",
    ),
    "On-time share on the last day": (ON_TIME, "flight_date = last"),
    "On-time share a week before": (ON_TIME, "flight_date = last - 7"),
    "On-time share over 7 days": (ON_TIME, "flight_date > last - 7 AND flight_date <= last"),
    "On-time share of the month": (ON_TIME, "flight_date >= date_trunc('month', last) AND flight_date <= last"),
    "On-time share of the month before": (
        ON_TIME,
        "flight_date >= date_trunc('month', last) - INTERVAL 1 MONTH AND flight_date <= last - INTERVAL 1 MONTH",
    ),
}
CHANGES = {
    "Flights against a week before": ("Flights on the last day", "Flights a week before"),
    "On-time share against a week before": ("On-time share on the last day", "On-time share a week before"),
    "On-time share against the month before": ("On-time share of the month", "On-time share of the month before"),
}


def of_period(demo: Demo, measure: str, selection: Mapping[tuple[str, str], list[str]]) -> Any:
    if measure in CHANGES:
        now, before = (of_period(demo, part, selection) for part in CHANGES[measure])
        return None if now is None or before is None else now - before
    value, days = OF_PERIODS[measure]
    chosen = {
        column: f"{SQL_COLUMNS[column]} IN ({', '.join(quote(one) for one in values)})"
        for column, values in selection.items()
    }
    last = f"SELECT max(flight_date) FROM reporting.flight WHERE {' AND '.join(chosen.values()) or 'true'}"
    # A selection of days decides which day is the last one; it does not hide the days before.
    others = [text for column, text in chosen.items() if column[0] != "Calendar"]
    return demo.sql(
        f"WITH l AS ({last}) SELECT {value} FROM reporting.flight, l AS l(last) WHERE {' AND '.join([*others, days])}"
    )


def test_comparisons_equal_those_of_sql(demo: Demo) -> None:
    wrong = []
    for selection in [s for s in selections(demo) if len(s) != 1 or CARRIER not in s or s[CARRIER][0] < "B"]:
        for measure in [*OF_PERIODS, *CHANGES]:
            found, expected = demo.model.value(measure, selection), of_period(demo, measure, selection)
            if not same(found, expected):
                wrong.append((measure, selection, found, expected))
    assert wrong == []


def test_every_measure_is_compared(demo: Demo) -> None:
    compared = {*OF_FLIGHTS, "Worst arrival delay of a day", *OF_WEATHER, *OF_PERIODS, *CHANGES, *OF_RUNS}
    assert compared == set(demo.model.measures)


def selections(demo: Demo) -> list[dict[tuple[str, str], list[str]]]:
    carriers = demo.values(CARRIER)
    return [
        {},
        *({MONTH: [month]} for month in demo.values(MONTH)),
        *({CARRIER: [carrier]} for carrier in carriers),
        {CARRIER: carriers[:3]},
        {CARRIER: [carriers[0], carriers[-1]], MONTH: ["2013-02", "2013-12"]},
        {CARRIER: ["SkyWest Airlines Inc."], MONTH: ["2013-03"]},  # hardly any flight
        {ORIGIN: ["La Guardia"]},
        {MONTH: ["1999-01"]},  # none
    ]


def test_measures_of_flights_equal_those_of_sql(demo: Demo) -> None:
    wrong = []
    for selection in selections(demo):
        for measure in [*OF_FLIGHTS, "Worst arrival delay of a day"]:
            if ORIGIN in selection and demo.of_table[measure] != "Flights":
                continue
            found, expected = demo.model.value(measure, selection), of_flights(demo, measure, selection)
            if not same(found, expected):
                wrong.append((measure, selection, found, expected))
    assert wrong == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_measures_of_flights_equal_those_of_sql_for_any_selection(demo: Demo, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(list(SQL_COLUMNS)), unique=True, max_size=4))
    selection = {
        column: data.draw(st.lists(st.sampled_from(demo.values(column)), min_size=1, max_size=4, unique=True))
        for column in chosen
    }
    for measure in OF_FLIGHTS:
        found, expected = demo.model.value(measure, selection), of_flights(demo, measure, selection)
        assert same(found, expected), (measure, found, expected)


def of_weather(demo: Demo, measure: str, conditions: list[str]) -> Any:
    where = f"WHERE {' OR '.join(f'({c})' for c in conditions)}" if conditions else ""
    return demo.sql(
        f"""SELECT {OF_WEATHER[measure]} FROM reporting.flight AS f LEFT JOIN weather AS w
            ON w.origin = f.origin_code AND w.time_hour = date_trunc('hour', f.scheduled_departure_utc) {where}"""
    )


@pytest.mark.parametrize("measure", OF_WEATHER)
def test_measures_of_the_weather_equal_those_of_sql(demo: Demo, measure: str) -> None:
    for factor in ("Wind", "Visibility", "Precipitation"):  # with a factor, each flight counts once
        assert same(demo.model.value(measure, {FACTOR: [factor]}), of_weather(demo, measure, [])), factor
    for (factor, band), condition in BANDS.items():
        found = demo.model.value(measure, {FACTOR: [factor], BAND: [band]})
        assert same(found, of_weather(demo, measure, [condition])), (factor, band)
    both = {FACTOR: ["Wind"], BAND: ["15 to 25 mph", "No observation"]}
    conditions = [BANDS["Wind", "15 to 25 mph"], BANDS["Wind", "No observation"]]
    assert same(demo.model.value(measure, both), of_weather(demo, measure, conditions))
    # A band of one factor alone is a selection of that factor.
    found = demo.model.value(measure, {BAND: ["15 to 25 mph"]})
    assert same(found, of_weather(demo, measure, [BANDS["Wind", "15 to 25 mph"]]))


@pytest.mark.parametrize("measure", OF_WEATHER)
def test_weather_is_blank_where_flights_would_count_more_than_once(demo: Demo, measure: str) -> None:
    for selection in ({}, {FACTOR: ["Wind", "Visibility"]}, {BAND: ["No observation"]}, {FACTOR: ["Fog"]}):
        assert demo.model.value(measure, selection) is None, selection


def test_a_filter_on_a_table_without_a_relationship_gives_no_figure(demo: Demo) -> None:
    """The total next to each carrier would look like the carrier's."""
    wind = {FACTOR: ["Wind"]}
    for measure in OF_WEATHER:
        assert demo.model.value(measure, {**wind, CARRIER: ["United Air Lines Inc."]}) is None
        assert demo.model.value(measure, {**wind, MONTH: ["2013-02"]}) is None
        assert demo.model.value(measure, {**wind, ORIGIN: ["La Guardia"]}) is None
    for measure in OF_FLIGHTS:
        assert demo.model.value(measure, wind) is None
    assert demo.model.value("Worst arrival delay of a day", {ORIGIN: ["La Guardia"]}) is None


def test_the_weights_of_the_means_are_the_flights_with_a_known_delay(demo: Demo) -> None:
    weights = demo.connection.execute(
        """SELECT sum(departure_delay_flights), sum(arrival_delay_flights) FROM reporting.daily_punctuality"""
    ).fetchone()
    known = demo.connection.execute(
        "SELECT count(departure_delay_minutes), count(arrival_delay_minutes) FROM reporting.flight"
    ).fetchone()
    departed = demo.sql("SELECT count(*) FROM reporting.flight WHERE status <> 'Cancelled'")
    assert weights == known
    assert known[0] < departed  # so that this data can tell a wrong weight
    monthly = demo.connection.execute(
        """SELECT max(abs(m.mean_arrival_delay_minutes - f.mean)) FROM reporting.carrier_month AS m JOIN
           (SELECT year_month, airline_key, avg(arrival_delay_minutes) AS mean FROM reporting.flight GROUP BY ALL) AS f
           USING (year_month, airline_key)"""
    ).fetchone()[0]
    assert monthly < 1e-9


def test_the_figures_of_the_local_report_are_those_of_the_flights(demo: Demo) -> None:
    """Those of the last day or the last seven days, computed from single flights instead of daily means."""
    expected = {
        "Flights": (1, "count(*)"),
        "On time": (1, "count(*) FILTER (arrival_delay_minutes < 15) / count(*)"),
        "Cancelled": (7, "count(*) FILTER (status = 'Cancelled') / count(*)"),
        "Arrival delay": (7, "avg(arrival_delay_minutes)"),
    }
    report = load_report_definition(REPOSITORY / "include")
    assert [figure.title for figure in report.figures] == list(expected)
    for figure in report.figures:
        days, sql = expected[figure.title]
        newest = f"(SELECT max(flight_date) - {days} FROM reporting.flight)"
        value = demo.sql(f"SELECT {sql} FROM reporting.flight WHERE flight_date > {newest}")
        assert figure.days == days
        drawn = draw(demo.connection, ReportDefinition(figures=(figure,))).figures[0]
        assert drawn.text == format_number(value, figure.format), figure.title


def test_a_slicers_selection_exists(demo: Demo) -> None:
    """The Weather page opens with one factor, so that it shows figures."""
    assert "Wind" in demo.values(FACTOR)
