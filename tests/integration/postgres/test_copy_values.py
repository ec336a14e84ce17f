"""COPY's binary format against a real server: what is parsed equals what the server prints, for many values."""

from __future__ import annotations

import random
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.errors import StoppedTablesError
from midnight.postgres_to_bronze.copy_columns import numeric_groups
from midnight.postgres_to_bronze.value_examples import date_text, numeric_text, timestamp_text
from tests.support.ingest_run import configure, fetch, run_sql
from tests.support.other_postgres import version_of_postgres

DECIMALS = ["(1,0)", "(4,4)", "(5,3)", "(9,0)", "(10,5)", "(12,2)", "(14,4)", "(15,2)", "(18,0)", "(18,2)", "(18,18)"]
DECIMALS += ["(2,1)", "(16,1)", "(6,6)", "(38,10)"]


def exact(digits: int, scale: int) -> Decimal:
    return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -scale))


def numbers(modifier: str, count: int) -> list[Decimal | None]:
    """Of every length, with runs of zeros, and the largest."""
    precision, scale = map(int, modifier.strip("()").split(","))
    random_ = random.Random(precision * 100 + scale)  # noqa: S311
    found: list[Decimal | None] = [None, exact(0, scale), exact(10**precision - 1, scale)]
    for _ in range(count):
        digits = random_.randrange(10 ** random_.randint(1, precision))
        digits -= digits % 10 ** random_.choice([0, 0, min(4, precision - 1), random_.randint(0, precision - 1)])
        found.append(exact(digits * random_.choice([1, -1]), scale))
    return found


@pytest.mark.parametrize("one_null", [True, False])
def test_decimals_of_every_shape(database, bronze, one_null):
    names = [f"d{number}" for number in range(len(DECIMALS))]
    run_sql(
        database,
        f"CREATE TABLE d (n int, {', '.join(f'{name} numeric{t}' for name, t in zip(names, DECIMALS, strict=True))})",
    )
    columns = [numbers(t, 3000)[0 if one_null else 1 :] for t in DECIMALS]
    with (
        psycopg.connect(database.dsn) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY d FROM STDIN") as copy,
    ):
        for number, row in enumerate(zip(*columns, strict=True)):
            copy.write_row((number, *row))
    table = configure(database, "d")
    bronze.ingest(database, table)
    expected = fetch(database, "SELECT * FROM public.d ORDER BY n")
    assert [tuple(map(str, row)) for row in expected] == [tuple(map(str, row)) for row in sorted(bronze.rows(table))]


def test_both_ways_to_read_decimals_occur():
    assert {numeric_groups(f"numeric{t}") is None for t in DECIMALS} == {True, False}


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
def test_values_that_look_like_the_beginning_of_a_row(database, bronze, key):
    """With a key, rows are found by their number of fields, five, and the length of the first one, eight."""
    run_sql(
        database,
        f"CREATE TABLE m (id bigint {key}, a bigint, b bigint, c bigint, d bigint)",
        "INSERT INTO m SELECT i, 5, 5 + 65536 * i, nullif(i % 7, 0), i FROM generate_series(1, 20000) i",
    )
    table = configure(database, "m")
    bronze.ingest(database, table)
    assert sorted(bronze.rows(table)) == fetch(database, "SELECT * FROM public.m ORDER BY id")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.integers(-2_451_545, 2**31 - 1 - 2_451_545) | st.integers(-800_000, 800_000), min_size=20),
    moments=st.lists(st.integers(-211_813_488_000_000_000, 9_223_371_331_200_000_000 - 1), min_size=20),
)
def test_dates_of_every_year_are_shown_as_the_server_prints_them(database, days, moments):
    days = [day for day in days if day <= 2_145_031_948]  # 5874897-12-31
    shown = fetch(database, f"SELECT (date '2000-01-01' + d)::text FROM unnest(ARRAY[{','.join(map(str, days))}]) d")
    assert [date_text(day) for day in days] == [text for (text,) in shown]
    query = (
        "SELECT m::text, (m AT TIME ZONE 'UTC')::text FROM unnest(ARRAY[{}]) n, LATERAL (SELECT timestamp '2000-01-01' "
        "+ make_interval(days => (n / 86400000000)::int) + n % 86400000000 * interval '1 microsecond' AS m) s"
    ).format(",".join(f"{moment}::bigint" for moment in moments))
    expected = [(timestamp_text(m, has_zone=False), timestamp_text(m, has_zone=True)) for m in moments]
    assert fetch(database, query) == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=None) | st.decimals(places=5), min_size=1)
)
def test_decimals_are_shown_as_the_server_prints_them(database, values):
    values = [v for v in values if v.is_finite() and -300 < v.adjusted() < 300 and v.as_tuple().exponent > -300]
    with psycopg.connect(database.dsn) as connection:
        rows = connection.execute(
            "SELECT numeric_send(v), v::text FROM unnest(%s::numeric[] || %s::numeric[]) v",
            [values, ["NaN", "Infinity", "-Infinity"] if version_of_postgres() >= 14 else ["NaN"]],
        ).fetchall()
    assert [numeric_text(sent) for sent, _ in rows] == [text for _, text in rows]


@pytest.mark.parametrize("bad", ["NaN", "12345678.90"])
def test_a_decimal_of_a_wider_type_than_its_column_says(database, bronze, bad):
    """Only a damaged catalogue has one; it is refused, not cut."""
    run_sql(database, "CREATE TABLE t (a numeric)", f"INSERT INTO t VALUES (1), ('{bad}')")
    run_sql(
        database,
        f"UPDATE pg_attribute SET atttypmod = {(6 << 16 | 2) + 4} WHERE attrelid = 't'::regclass AND attname = 'a'",
    )
    table = configure(database, "t")
    assert table.columns[0].type == "numeric(6,2)"
    with pytest.raises(StoppedTablesError, match=f"'{bad}'.*numeric\\(6,2\\)"):
        bronze.ingest(database, table)


def test_types_with_a_cast_to_text_are_read_as_they_are_printed(database, bronze):
    """A cast to text changes some types, also one that a user has created; the output function is what counts."""
    run_sql(
        database,
        "CREATE TYPE mood AS ENUM ('happy', 'sad')",
        "CREATE FUNCTION shout(mood) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'cast'::text $$",
        "CREATE CAST (mood AS text) WITH FUNCTION shout(mood)",
        "CREATE DOMAIN d_mood AS mood",
        "CREATE DOMAIN d_uuid AS uuid",
        'CREATE TABLE t (a mood, b d_mood, c inet, d "char", e cidr, f d_uuid, g time(3), h interval(2), '
        "i character(4), j bit(3), k name, l regclass, m tsquery, n jsonb)",
        "INSERT INTO t VALUES ('happy', 'sad', '10.0.0.1', E'\\\\351', '10.0.0.0/8', "
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '12:34:56.789', '1.25 seconds', 'ab', '101', 'x', 'pg_class', "
        "'a & b', "
        '\'{"a": "\\\\n"}\')',
        "INSERT INTO t VALUES (NULL)",
    )
    table = configure(database, "t")
    bronze.ingest(database, table, connections=1)
    printed = ", ".join(f"CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END" for name in "abcdefghijklmn")
    assert fetch(database, f"SELECT {printed} FROM public.t") == bronze.rows(table)
