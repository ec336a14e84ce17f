"""The demo source: what is loaded, what the pipeline's role may do, and what one day changes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import psycopg
import pytest

import cli.demo.source as demo_source_module
from cli.demo.new_day import DayChanges, advance_one_day
from cli.demo.source import FIRST_DAY, READER, current_day, load_demo
from midnight.errors import MidnightError
from tests.support.other_postgres import copy_database, drop_database


def rows(login, sql):
    with psycopg.connect(login.dsn) as connection:
        return connection.execute(sql).fetchall()


def value(login, sql):
    return rows(login, sql)[0][0]


def test_five_tables_hold_the_data_up_to_the_first_day(demo_source):
    counts = {
        name: value(demo_source, f"SELECT count(*) FROM {name}")
        for name in ("airlines", "airports", "planes", "weather", "flights")
    }
    expected = {"airlines": 16, "airports": 1458, "planes": 3238, "weather": 19618, "flights": 252484}
    assert expected == counts
    assert value(demo_source, "SELECT max(make_date(year, month, day)) FROM flights") == FIRST_DAY
    assert value(demo_source, "SELECT max(make_date(year, month, day)) FROM weather") == FIRST_DAY
    assert current_day(demo_source) == FIRST_DAY


def test_the_dirt_of_the_data_is_kept(demo_source):
    dirt = rows(
        demo_source,
        """SELECT (SELECT count(*) FROM flights WHERE dep_time = 'NA'),
                  (SELECT count(*) FROM flights WHERE tailnum = 'NA'),
                  (SELECT count(*) FROM flights WHERE tailnum NOT IN (SELECT tailnum FROM planes)),
                  (SELECT count(DISTINCT dest) FROM flights WHERE dest NOT IN (SELECT faa FROM airports)),
                  (SELECT count(*) FROM planes WHERE speed = 'NA'),
                  (SELECT count(*) FROM airports WHERE tzone = 'NA'),
                  (SELECT max(wind_speed)::int FROM weather)""",
    )
    assert dirt == [(6761, 2087, 39950, 4, 3215, 3, 1048)]


def test_every_table_and_column_of_interest_is_described(demo_source):
    described = rows(
        demo_source,
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' "
        "AND obj_description(c.oid) IS NULL",
    )
    assert described == []
    undescribed = rows(
        demo_source,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'flights'::regclass AND attnum > 0 "
        "AND col_description(attrelid, attnum) IS NULL",
    )
    assert undescribed == []


def test_loading_again_changes_nothing(demo_source):
    server = dataclasses.replace(demo_source, database="postgres")
    assert load_demo(server, "reader-password") is False


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM demo.state",
        "SET transaction_read_only = off; DELETE FROM flights",
        "SET transaction_read_only = off; CREATE TABLE mine (a int)",
    ],
)
def test_the_reader_may_only_read(demo_source, statement):
    reader = dataclasses.replace(demo_source, user=READER, password="reader-password")
    assert value(reader, "SELECT count(*) FROM airlines") == 16
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(reader, statement)


def test_one_day(own_demo_source):
    before = dict(rows(own_demo_source, "SELECT flight_id, flights::text FROM flights"))
    newest = value(own_demo_source, "SELECT max(updated_at) FROM flights")

    changes = advance_one_day(own_demo_source)

    expected = DayChanges(
        day=date(2013, 10, 1),
        flights_added=965,
        flights_corrected=40,
        flights_withdrawn=5,
        planes_added=1,
        weather_hours_added=72,
    )
    assert changes == expected
    after = dict(rows(own_demo_source, "SELECT flight_id, flights::text FROM flights"))
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    counts = (len(after.keys() - before.keys()), len(changed), len(before.keys() - after.keys()))
    assert counts == (965, 40, 5)
    # A cursor on updated_at would find exactly what is new or corrected.
    found = rows(own_demo_source, f"SELECT flight_id FROM flights WHERE updated_at > '{newest}'")
    assert {key for (key,) in found} == changed | (after.keys() - before.keys())
    assert current_day(own_demo_source) == date(2013, 10, 1)


CHANGED_SCHEMAS = [
    # change of the schema, rows that the day still adds to flights, expected failure
    ("ALTER TABLE flights RENAME COLUMN tailnum TO registration", 965, ""),
    ("ALTER TABLE flights DROP COLUMN arr_delay", 965, 'flights: corrected: column "arr_delay" does not exist'),
    ("ALTER TABLE flights ADD COLUMN gate text NOT NULL", 0, 'flights: new flights: null value in column "gate"'),
    ("ALTER TABLE flights ADD COLUMN gate text", 965, ""),
    ("ALTER TABLE flights ALTER dep_time TYPE integer USING nullif(dep_time, 'NA')::integer", 0, "flights: new"),
    ("ALTER TABLE flights RENAME TO departures", 0, 'flights: new flights: relation "flights" does not exist'),
    ("DROP TABLE weather", 965, 'weather: new hours: relation "weather" does not exist'),
    ("ALTER TABLE planes RENAME COLUMN tailnum TO registration", 965, 'planes: new aircraft: column "tailnum"'),
    ("ALTER TABLE planes ALTER tailnum TYPE bigint USING hashtext(tailnum)", 965, "planes: new aircraft: Expected"),
]


@pytest.mark.parametrize(("change", "flights_added", "named"), CHANGED_SCHEMAS)
def test_a_day_continues_after_a_change_of_the_schema(own_demo_source, change, flights_added, named):
    with psycopg.connect(own_demo_source.dsn) as connection:
        connection.execute("TRUNCATE flights" if "gate text NOT NULL" in change else "SELECT 1")
        connection.execute(change)
    changes = advance_one_day(own_demo_source)
    assert changes.flights_added == flights_added
    assert named in "; ".join(changes.failures)
    assert bool(changes.failures) == bool(named)
    assert current_day(own_demo_source) == date(2013, 10, 1)


def test_a_demo_without_its_own_schema_is_one_message(own_demo_source):
    with psycopg.connect(own_demo_source.dsn) as connection:
        connection.execute("DROP SCHEMA demo CASCADE")
    for call in (advance_one_day, current_day):
        with pytest.raises(MidnightError, match=r'"demo.state" does not exist; hint: `make reset`'):
            call(own_demo_source)


def test_a_day_does_not_wait_for_a_lock_forever(own_demo_source, monkeypatch):
    monkeypatch.setitem(demo_source_module._SESSION, "lock_timeout", "200ms")
    with psycopg.connect(own_demo_source.dsn) as connection:
        connection.execute("LOCK TABLE flights")
        changes = advance_one_day(own_demo_source)
    assert [failure.partition(":")[0] for failure in changes.failures] == ["flights", "flights", "flights"]
    assert (changes.flights_added, changes.weather_hours_added) == (0, 72)


def test_corrections_keep_times_of_day(own_demo_source):
    for _ in range(3):
        advance_one_day(own_demo_source)
    wrong = "SELECT arr_time FROM flights WHERE arr_time <> 'NA' AND (arr_time::int % 100 > 59 OR arr_time::int > 2400)"
    assert rows(own_demo_source, wrong) == []
    newest = value(own_demo_source, "SELECT max(updated_at) FROM flights")
    assert newest == datetime(2013, 10, 4, 6, 0, 40, tzinfo=UTC)


def test_the_same_days_bring_the_same_rows(demo_source, own_demo_source, tmp_path):
    """The history depends on the day alone: a second copy of the database gets the same rows."""
    digest = "SELECT md5(string_agg(flights::text, '|' ORDER BY flight_id)) FROM flights WHERE time_hour > '2013-09-27'"
    with psycopg.connect(dataclasses.replace(demo_source, database="postgres").dsn, autocommit=True) as connection:
        twin = dataclasses.replace(demo_source, database=f"{own_demo_source.database}_twin")
        copy_database(connection, twin.database, demo_source.database)
        try:
            for login in (own_demo_source, twin):
                advance_one_day(login)
                advance_one_day(login)
            assert value(own_demo_source, digest) == value(twin, digest)
        finally:
            drop_database(connection, twin.database)


def test_the_end_of_the_data_is_one_message(own_demo_source):
    with psycopg.connect(own_demo_source.dsn) as connection:
        connection.execute("UPDATE demo.state SET current_day = '2013-12-31'")
    with pytest.raises(MidnightError, match="make reset"):
        advance_one_day(own_demo_source)


def test_an_unloaded_demo_is_one_message(postgres_server):
    with pytest.raises(MidnightError, match="make up"):
        current_day(dataclasses.replace(postgres_server, database="not_there"))
