"""PostgreSQL to bronze against a real server: each type arrives as PostgreSQL has it, or is refused."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from midnight.column_types import to_arrow
from midnight.errors import StoppedTablesError
from tests.support.ingest_run import configure, fetch, run_sql
from tests.support.other_postgres import needs_postgres, version_of_postgres


def single(value):
    """A float as 32 bits hold it."""
    return struct.unpack("f", struct.pack("f", value))[0]


# type, values as SQL, expression that gives Python the same value
PLAIN = [
    ("smallint", ["-32768", "32767", "0"]),
    ("integer", ["-2147483648", "2147483647"]),
    ("bigint", ["-9223372036854775808", "9223372036854775807"]),
    ("double precision", ["'4.9e-324'", "'1.7976931348623157e308'", "0.1", "'-0'", "'Infinity'", "'-Infinity'"]),
    ("boolean", ["true", "false"]),
    ("numeric(10,2)", ["99999999.99", "-99999999.99", "0", "0.01"]),
    ("numeric(38,38)", [f"0.{'9' * 38}", f"-0.{'1' * 38}"]),
    ("numeric(38,0)", ["9" * 38, "-" + "9" * 38]),
    ("numeric", [f"{'9' * 20}.{'9' * 18}", "1.50000000000000000000", "1e19", "-0.000000000000000001", "7"]),
    ("money", ["'92233720368547758.07'", "'-92233720368547758.08'", "'$1,234.5'"]),
    ("date", ["'0001-01-01'", "'9999-12-31'", "'2000-02-29'", "'1582-10-10'"]),
    ("timestamp", ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'1900-02-28 12:00:00.1'"]),
    ("timestamptz", ["'0001-01-02 00:00+00'", "'2024-03-31 02:30:00.000001+01'", "'9999-12-31 23:59:59.999999+00'"]),
    ("timestamptz(0)", ["'2024-10-27 02:30:00.7+02'"]),
    ("bytea", ["''", r"'\x00ff'", r"'\x5c78'", r"'\x" + "ab" * 5000 + "'"]),
    (
        "text",
        ["''", "'NULL'", "'NA'", "'a\"b,c'", "E'line\\nbreak\\r\\n'", r"'\.'", r"'\N'", "' '", "'\ufeffmark'", "'😀'"],
    ),
    ("character(5)", ["'ab'", "''"]),
    ("character varying(20)", ["'Größe'"]),
    ("oid", ["4294967295", "0"]),
    ("d_amount", ["12.30"]),  # domain over a domain over numeric(6,2)
]
# The type's output function; a cast to text differs for some types (inet).
AS_PRINTED = """CASE WHEN "{0}" IS NOT NULL THEN format('%s', "{0}") END"""
AS_TEXT = [
    ("uuid", ["'00000000-0000-0000-0000-000000000000'"]),
    ("json", ['\'{"a": [1, 2.50], "b": "x\\ny"}\'', "'null'"]),
    ("jsonb", ['\'{"b":1,"a":"é"}\'']),
    ("inet", ["'192.168.0.1/24'", "'::1'"]),
    ("cidr", ["'10.0.0.0/8'"]),
    ("macaddr", ["'08:00:2b:01:02:03'"]),
    ("bit(3)", ["B'101'"]),
    ("varbit(9)", ["B'1'"]),
    ("time", ["'24:00:00'", "'00:00:00.000001'"]),
    ("timetz", ["'23:59:59.5+05:30'"]),
    ("interval", ["'1 year 2 mons -3 days 04:05:06.7'", "'0'"]),
    ("tsvector", ["'a:1 b:2'"]),
    ("point", ["'(1.5,-2)'"]),
    ("polygon", ["'((0,0),(1,1),(1,0))'"]),
    ("pg_lsn", ["'16/B374D848'"]),
    ("int4range", ["'[1,5)'", "'empty'"]),
    ("tstzrange", ["'[2024-01-01 00:00+01,)'"]),
    *([("int4multirange", ["'{[1,3),[5,8)}'"])] if version_of_postgres() >= 14 else []),
    ("mood", ["'happy'", "'so \"so\"'"]),
    ('"char"', ["'x'", "''"]),
    ("name", ["'pg_class'"]),
    ("hstore", ["'a=>1, b=>NULL'"]),
    ("ltree", ["'a.b.c'"]),
    ("citext", ["'MiXed'"]),
]
AS_JSON = [
    ("integer[]", ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'"]),
    ("text[]", ["ARRAY['a,b', 'c\"d', NULL, '']"]),
    ("numeric(4,2)[]", ["'{1.50,2}'"]),
    ("pair", ["ROW(1, 'x\"y')"]),
    ("pair[]", ["ARRAY[ROW(1, 'x')::public.pair, NULL]"]),
    ("d_list", ["'{1,2}'"]),  # domain over an array
]
SETUP = (
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION ltree",
    "CREATE EXTENSION citext",
    "CREATE TYPE mood AS ENUM ('happy', 'so \"so\"')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE DOMAIN d_base AS numeric(6,2)",
    "CREATE DOMAIN d_amount AS d_base CHECK (VALUE > 0)",
    "CREATE DOMAIN d_list AS int[]",
)


def test_every_type_arrives_as_postgresql_has_it(database, bronze):
    run_sql(database, *SETUP)
    kinds = [*((t, v, '"{}"') for t, v in PLAIN)]
    kinds += [*((t, v, AS_PRINTED) for t, v in AS_TEXT), *((t, v, 'to_json("{}")::text') for t, v in AS_JSON)]
    columns = ", ".join(f'"column {n}" {kind[0]}' for n, kind in enumerate(kinds))
    run_sql(database, f"CREATE TABLE everything (row_number int, {columns})")
    longest = max(len(values) for _, values, _ in kinds)
    for number in range(longest + 1):  # the last row is all null
        values = [v[number] if number < len(v) else "NULL" for _, v, _ in kinds]
        run_sql(database, f"INSERT INTO everything VALUES ({number}, {', '.join(values)})")

    table = configure(database, "everything")
    bronze.ingest(database, table)

    different = {"money": '"{}"::numeric'}
    expressions = ", ".join(different.get(t, how).format(f"column {n}") for n, (t, _, how) in enumerate(kinds))
    expected = [
        tuple(v.astimezone(UTC) if isinstance(v, datetime) and v.tzinfo else v for v in row)
        for row in fetch(database, f"SELECT row_number, {expressions} FROM public.everything ORDER BY 1")
    ]
    assert expected == sorted(bronze.rows(table), key=lambda row: row[0])
    manifest = bronze.manifest(table)
    assert [to_arrow(column.stored_as) for column in manifest.columns] == bronze.read(table).schema.types


def test_single_precision_and_not_a_number(database, bronze):
    run_sql(database, "CREATE TABLE floats (a real, b double precision)")
    run_sql(database, "INSERT INTO floats VALUES (0.1, 'NaN'), ('1e-45', 2), ('Infinity', 3), (3.4028235e38, 4)")
    table = configure(database, "floats")
    bronze.ingest(database, table)
    read = bronze.read(table).sort_by("b")
    expected = [single(v) for v in (1.401298464324817e-45, float("inf"), 3.4028234663852886e38, 0.1)]
    assert expected == read["a"].to_pylist()
    assert str(read["b"].to_pylist()) == "[2.0, 3.0, 4.0, nan]"


@pytest.mark.parametrize(
    ("pg_type", "good", "bad"),
    [
        ("numeric(10,2)", "1", "NaN"),
        ("numeric", "1", "NaN"),
        pytest.param("numeric", "1", "Infinity", marks=needs_postgres(14, "an infinite decimal")),
        ("numeric", "1", "0.1234567890123456789"),
        ("numeric", "1", "100000000000000000000"),
        ("numeric", "1", "-123456789012345678901234567890.5"),
        ("numeric", "1", "340282366920938463463374607431768211457"),
        ("date", "2024-01-01", "infinity"),
        ("date", "2024-01-01", "0044-03-15 BC"),
        ("date", "2024-01-01", "10000-01-01"),
        ("timestamp", "2024-01-01", "-infinity"),
        ("timestamp", "2024-01-01", "0001-12-31 00:00:00 BC"),
        ("timestamptz", "2024-01-01", "infinity"),
        ("timestamptz", "2024-01-01", "294276-12-31 00:00:00+00"),
    ],
)
def test_a_value_that_the_lake_cannot_hold_stops_with_an_example(database, bronze, pg_type, good, bad):
    run_sql(database, f'CREATE TABLE "Odd" (n int, "My Value" {pg_type})')
    run_sql(database, f"INSERT INTO \"Odd\" SELECT i, '{good}' FROM generate_series(1, 500) i")
    run_sql(database, f"INSERT INTO \"Odd\" VALUES (501, '{bad}'), (502, '{good}'), (503, NULL)")
    table = configure(database, "Odd")
    with pytest.raises(StoppedTablesError) as caught:
        bronze.ingest(database, table)
    for part in ('public."Odd"', "'My Value'", repr(bad), "bronze_type: text"):
        assert part in str(caught.value)
    assert not [name for name in bronze.files() if name.endswith(".parquet")]

    corrected = configure(database, "Odd", bronze_type={"My Value": "text"})
    bronze.ingest(database, corrected)
    asked = fetch(database, 'SELECT n, "My Value"::text FROM public."Odd" ORDER BY n')
    assert asked == sorted(bronze.rows(corrected))


def test_store_holds_numbers_in_another_exact_type(database, bronze):
    run_sql(database, "CREATE TABLE n (a numeric, b numeric(60,5), c bigint)")
    run_sql(database, "INSERT INTO n VALUES (1.5, 123456789012345678901234567890.12345, 7), (2.50000, NULL, -8)")
    table = configure(database, "n", bronze_type={"a": "numeric(5,1)", "b": "numeric(38,5)", "c": "integer"})
    bronze.ingest(database, table)
    expected = [(Decimal("1.5"), Decimal("123456789012345678901234567890.12345"), 7), (Decimal("2.5"), None, -8)]
    assert expected == bronze.rows(table)
    run_sql(database, "INSERT INTO n VALUES (1.25, 0, 0)")
    with pytest.raises(StoppedTablesError, match=r"'a' .*'1\.25'"):
        bronze.ingest(database, table, batch_id="b2")
    run_sql(database, "DELETE FROM n WHERE a = 1.25", "INSERT INTO n VALUES (1, 0, 3000000000)")
    with pytest.raises(StoppedTablesError, match=r"'c' .*'3000000000'"):
        bronze.ingest(database, table, batch_id="b3")
