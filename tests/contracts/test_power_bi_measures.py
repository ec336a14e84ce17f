"""Every measure of the Power BI model equals the result of SQL, for every selection.

The demo is built by the jobs and published; the DAX is what Microsoft's parser read in the generated model; the SQL
here is by hand, over the single flights and observations wherever they decide the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.gold_to_serving.publish import publish_locally
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.powerbi.model.measures import Measure, dax_of
from midnight.report.definition import load_report_definition
from midnight.settings import REPOSITORY
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime.session import open_session
from tests.contracts.dax_evaluator import DaxModel, UnsupportedDaxError
from tests.contracts.read_tmdl import read_tmdl
from tests.support.gold_lake import demo_rows, run_document, write_silver

INCLUDE = REPOSITORY / "include"
BATCH = "20140101T000000000Z-00000001"
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


@dataclass
class Demo:
    """The published demo, and the model over it."""

    database: Path
    model: DaxModel
    of_table: Mapping[str, str]
    connection: Any

    def sql(self, query: str) -> Any:
        return self.connection.execute(query).fetchone()[0]

    def of_flights(self, measure: str, selection: Mapping[tuple[str, str], list[str]]) -> Any:
        conditions = [
            f"{SQL_COLUMNS[column]} IN ({', '.join(quote(value) for value in values)})"
            for column, values in selection.items()
        ]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        if measure == "Worst arrival delay of a day":
            return self.sql(WORST_DAY.format(where=where))
        return self.sql(f"SELECT {OF_FLIGHTS[measure]} FROM reporting.flight {where}")

    def values(self, column: tuple[str, str]) -> list[str]:
        return sorted(self.model.tables[column[0]][column[1]].unique())


def quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def same(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    if isinstance(expected, int | float) or hasattr(expected, "as_tuple"):
        return math.isclose(float(found), float(expected), rel_tol=1e-9, abs_tol=1e-9)
    return pd.Timestamp(found) == pd.Timestamp(expected)


def frame(connection: Any, view: str, columns: Mapping[str, list[str]]) -> pd.DataFrame:
    rows = connection.execute(f"SELECT * FROM {view}").df()
    names = {source: name for name, (_, source, _) in columns.items()}
    assert set(rows.columns) == set(names), view
    for name, kind in rows.dtypes.items():
        if str(kind).startswith("decimal"):
            rows[name] = rows[name].astype(float)
    return rows.rename(columns=names)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Each tenth flight of the year; of some that left, the departure delay is not known."""
    folder = tmp_path_factory.mktemp("power_bi")
    paths = LakePaths.below(str(folder / "lake"))
    silver = dict(demo_rows())
    flights = silver["flights"]
    flights = flights.take(list(range(0, flights.num_rows, 10)))
    unknown = pc.equal(pc.bit_wise_and(flights["flight_id"], 255), 7)
    delays = pc.if_else(unknown, pa.scalar(None, flights["dep_delay"].type), flights["dep_delay"])
    index = flights.column_names.index("dep_delay")
    silver["flights"] = flights.set_column(index, "dep_delay", delays)
    write_silver(paths, silver, BATCH)
    with open_session("sail") as session:
        build_gold(session, run_document(paths, BATCH))
    database = folder / "serving.duckdb"
    publish_locally(
        paths=paths,
        files=open_local_lake(),
        configuration=INCLUDE,
        database=database,
        batch_id=BATCH,
        run_id="r",
    )
    (described,) = read_tmdl(INCLUDE / "powerbi/Midnight.SemanticModel/definition")
    tables, measures, of_table = {}, {}, {}
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.register("weather", silver["weather"])
        for name, table in described["tables"].items():
            (source,) = table["source"]
            schema, view = source.partition('Schema = "')[2].partition('"')[0], source.partition('Item = "')[2]
            tables[name] = frame(connection, f"{schema}.{view.partition(chr(34))[0]}", table["columns"])
            for measure, (expression, *_) in table["measures"].items():
                measures[measure], of_table[measure] = expression, name
        relationships = []
        for many, one, active in described["relationships"]:
            assert active
            relationships.append((*many[:-1].split("["), *one[:-1].split("[")))
        yield Demo(database, DaxModel(tables, relationships, measures), of_table, connection)


def test_every_measure_is_compared(demo: Demo) -> None:
    compared = {*OF_FLIGHTS, "Worst arrival delay of a day", *OF_WEATHER}
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
            found, expected = demo.model.value(measure, selection), demo.of_flights(measure, selection)
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
        found, expected = demo.model.value(measure, selection), demo.of_flights(measure, selection)
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
    expected = {
        "Flights": "count(*)",
        "On time": "count(*) FILTER (arrival_delay_minutes < 15) / count(*)",
        "Cancelled": "count(*) FILTER (status = 'Cancelled') / count(*)",
        "Arrival delay": "avg(arrival_delay_minutes)",
        "Routes": "count(DISTINCT route)",
        "Last day": "max(flight_date)",
    }
    report = load_report_definition(INCLUDE)
    found = {figure.title: demo.sql(figure.sql) for figure in report.figures}
    wanted = {title: demo.sql(f"SELECT {sql} FROM reporting.flight") for title, sql in expected.items()}
    assert found.keys() == wanted.keys()
    assert [title for title in found if not same(found[title], wanted[title])] == []


def test_a_slicers_selection_exists(demo: Demo) -> None:
    """The Weather page opens with one factor, so that it shows figures."""
    assert "Wind" in demo.values(FACTOR)


@pytest.mark.parametrize(
    "expression",
    [
        "SUMMARIZE('T', 'T'[a])",
        "CALCULATE(SUM('T'[a]), ALL('T'))",
        "CALCULATE(SUM('T'[a]), 'T'[a] > 1)",
        "SUMX('T', [M])",
        "'T'[a]",
        "1 - 2",
        "VAR x = 1 RETURN x",
    ],
)
def test_what_the_evaluator_does_not_know_is_refused(expression: str) -> None:
    model = DaxModel({"T": pd.DataFrame({"a": [1, 2]})}, [], {"M": "SUM('T'[a])", "X": expression})
    with pytest.raises((UnsupportedDaxError, KeyError)):
        model.value("X", {})


def test_a_selection_of_the_reader_is_kept() -> None:
    """Late flights only: none of them was on time, and the share is 0, not that of all flights."""
    rows = pd.DataFrame({"Outcome": ["Late", "On time", "On time"]})
    measure = Measure(
        name="On time", table="T", rows=True, where={"outcome": "On time"}, format="0", description="on time"
    )
    replacing = "CALCULATE(COUNTROWS('T'), 'T'[Outcome] = \"On time\")"
    model = DaxModel({"T": rows}, [], {"Kept": dax_of(measure, None, ()), "Replaced": replacing})
    assert model.value("Replaced", {("T", "Outcome"): ["Late"]}) == 2
    assert model.value("Kept", {("T", "Outcome"): ["Late"]}) == 0
    assert model.value("Kept", {("T", "Outcome"): ["Cancelled"]}) is None
