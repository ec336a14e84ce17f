"""The demo's gold on real engines and Delta tables: its content, its protocol, its record."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import duckdb
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import read_builds
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import AS_WRITTEN, run_document, sample, write_silver
from tests.support.gold_models import FIRST, SECOND, rows_of


@pytest.fixture(scope="module")
def demo(sail_session, tmp_path_factory):
    """Gold of three days of the demo, built once; read-only."""
    paths = LakePaths.below(str(tmp_path_factory.mktemp("demo")))
    write_silver(paths, sample())
    return paths, build_gold(sail_session, run_document(paths, FIRST))


def test_no_flight_is_lost_and_unknown_codes_reference_the_unknown_members(demo):
    paths, gold = demo
    silver = sample()
    facts = rows_of(paths, gold, "fact_flight")
    assert facts.num_rows == silver["flights"].num_rows
    by_key = {row["flight_id"]: row for row in silver["flights"].to_pylist()}
    airports = set(silver["airports"]["faa"].to_pylist())
    planes = set(silver["planes"]["tailnum"].to_pylist())
    expected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for row in facts.to_pylist():
        flight = by_key[row["flight_key"]]
        expected[flight["dest"] if flight["dest"] in airports else "UNKNOWN"] += 1
        expected[flight["tailnum"] if flight["tailnum"] in planes else "UNKNOWN"] += 1
        found.update([row["destination_airport_key"], row["aircraft_key"]])
        assert (row["destination_code"], row["tail_number"]) == (flight["dest"], flight["tailnum"])
    assert found == expected
    assert expected["UNKNOWN"] > 100
    for name in ("dim_airline", "dim_airport", "dim_aircraft"):
        table = rows_of(paths, gold, name)
        assert pc.sum(pc.equal(table[gold.models[name].key[0]], "UNKNOWN")).as_py() == 1


def test_times_of_a_flight(demo):
    """Flight UA 1545 of 1 January: scheduled 5:15 in New York, left 2 minutes late, arrived at 8:30, 11 late."""
    paths, gold = demo
    facts = rows_of(paths, gold, "fact_flight").to_pylist()
    (flight,) = [f for f in facts if (f["airline_key"], f["flight_number"], f["date_key"]) == ("UA", 1545, 20130101)]
    assert {
        name: flight[name] for name in flight if name.endswith(("_at", "_local", "_minutes")) or name == "status"
    } == {
        "status": "Arrived",
        "scheduled_departure_at": datetime(2013, 1, 1, 10, 15, tzinfo=UTC),
        "actual_departure_at": datetime(2013, 1, 1, 10, 17, tzinfo=UTC),
        "scheduled_departure_local": "05:15",
        "scheduled_arrival_local": "08:19",
        "actual_arrival_local": "08:30",
        "departure_delay_minutes": 2,
        "arrival_delay_minutes": 11,
        "air_time_minutes": 227,
    }


def test_marts_agree_with_an_independent_calculation(demo):
    paths, gold = demo
    silver = sample()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    connection.register("flights", silver["flights"])
    connection.register("weather", silver["weather"])
    expected = connection.execute(
        """SELECT strftime(time_hour, '%Y%m%d')::INT, carrier, count(*), count(*) FILTER (dep_time IS NULL),
                  count(*) FILTER (arr_delay < 15), median(arr_delay)::DECIMAL(9,1),
                  quantile_cont(arr_delay, 0.9)::DECIMAL(9,1), avg(dep_delay)
           FROM flights GROUP BY ALL ORDER BY 1, 2"""
    ).fetchall()
    mart = rows_of(paths, gold, "mart_daily_punctuality").select(
        [
            *("date_key", "airline_key", "flights", "cancelled_flights", "on_time_flights"),
            *("median_arrival_delay_minutes", "p90_arrival_delay_minutes", "mean_departure_delay_minutes"),
        ]
    )
    assert [tuple(row.values()) for row in mart.to_pylist()] == expected
    expected = connection.execute(
        """SELECT count(*), count(*) FILTER (dep_time IS NULL), avg(dep_delay)
           FROM flights JOIN weather USING (origin, time_hour) WHERE wind_speed >= 15 AND wind_speed < 25"""
    ).fetchall()
    windy = [r for r in rows_of(paths, gold, "mart_weather_effect").to_pylist() if r["band"] == "15 to 25 mph"]
    shown = [(r["flights"], r["cancelled_flights"], r["mean_departure_delay_minutes"]) for r in windy]
    assert shown == expected


def test_the_calendar_covers_whole_years_and_knows_its_weekdays(demo):
    paths, gold = demo
    days = rows_of(paths, gold, "dim_date").to_pylist()
    expected = [(d["full_date"], d["full_date"].isoweekday(), d["full_date"].strftime("%A")) for d in days]
    assert [(d["full_date"], d["day_of_week"], d["day_name"]) for d in days] == expected
    assert len(days) == 365
    assert [d["is_weekend"] for d in days] == [d["full_date"].isoweekday() > 5 for d in days]


def test_every_table_has_the_protocol_that_synapse_reads(demo):
    paths, gold = demo
    tables = [gold.model_path(paths, name) for name in gold.models] + [paths.gold_builds]
    protocols = [DeltaTable(path).protocol() for path in tables]
    assert {(p.min_reader_version, p.min_writer_version) for p in protocols} == {(1, 2)}
    properties = [DeltaTable(path).metadata().configuration for path in tables]
    assert [p["delta.enableDeletionVectors"] for p in properties] == ["false"] * len(tables)


def test_the_record_describes_the_build(demo):
    paths, gold = demo
    recorded = read_builds(paths.gold_builds)[-1]
    assert recorded == gold
    assert (recorded.batch_id, recorded.run_id) == (FIRST, f"run {FIRST}")
    fact = recorded.models["fact_flight"]
    assert fact.rows == sample()["flights"].num_rows
    assert fact.inputs["gold.dim_date"] == gold.build_id
    assert fact.inputs["silver.flights"].startswith("20131001T000000000Z-00000001@")
    assert [check.name for check in fact.checks[:3]] == ["key", "max_length", "no_flight_is_lost_or_doubled"]
    assert {column.name for column in fact.columns} == set(rows_of(paths, gold, "fact_flight").column_names)


@pytest.mark.spark
def test_apache_spark_gives_the_same_tables(demo, spark_session, tmp_path):
    sail_paths, sail_build = demo
    paths = LakePaths.below(str(tmp_path))
    write_silver(paths, sample())
    spark_build = build_gold(spark_session, run_document(paths, FIRST, AS_WRITTEN))
    assert read_builds(paths.gold_builds)[-1] == spark_build
    for name in sail_build.models:
        mine, other = rows_of(sail_paths, sail_build, name), rows_of(paths, spark_build, name)
        assert mine.column_names == other.column_names
        assert mine.schema.types == other.schema.types
        assert mine.to_pylist() == other.to_pylist()
        results = [[c.model_dump() for c in b.models[name].checks] for b in (sail_build, spark_build)]
        assert results[0] == results[1]
    # A second run on Apache Spark: it reads its own record and finds nothing to do.
    again = build_gold(spark_session, run_document(paths, SECOND, AS_WRITTEN))
    assert {m.path for m in again.models.values()} == {m.path for m in spark_build.models.values()}
