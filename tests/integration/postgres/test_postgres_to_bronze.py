"""PostgreSQL to bronze against a real server: each value arrives as PostgreSQL has it, each row once."""

from __future__ import annotations

import dataclasses
import shutil
import struct
import subprocess
import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from cli.postgres.embedded import EmbeddedPostgres, free_port
from cli.postgres.location import as_server_user, locate, new_folder_for_server_user
from midnight.column_types import to_arrow
from midnight.errors import SourceError, ValueNotRepresentableError
from midnight.lake.files import LocalLakeFiles
from midnight.postgres_to_bronze import page_ranges
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql


@pytest.fixture
def bronze(tmp_path):
    return BronzeFolder(tmp_path / "lake")


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
    ("int4multirange", ["'{[1,3),[5,8)}'"]),
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
        ("numeric", "1", "Infinity"),
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
    with pytest.raises(ValueNotRepresentableError) as caught:
        bronze.ingest(database, table)
    for part in ('public."Odd"', "'My Value'", repr(bad), "bronze_type: text"):
        assert part in str(caught.value)
    assert bronze.files() == []

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
    with pytest.raises(ValueNotRepresentableError, match=r"'a' .*'1\.25'"):
        bronze.ingest(database, table, batch_id="b2")
    run_sql(database, "DELETE FROM n WHERE a = 1.25", "INSERT INTO n VALUES (1, 0, 3000000000)")
    with pytest.raises(ValueNotRepresentableError, match=r"'c' .*'3000000000'"):
        bronze.ingest(database, table, batch_id="b3")


def test_names_of_any_kind(database, bronze):
    run_sql(database, 'CREATE SCHEMA "Über schema"')
    run_sql(database, 'CREATE TABLE "Über schema"."select ""from""" ("user" int PRIMARY KEY, "a.b/c" text, "ä ö" int)')
    run_sql(database, 'INSERT INTO "Über schema"."select ""from""" VALUES (1, \'x\', 2)')
    table = configure(database, 'select "from"', schema="Über schema")
    bronze.ingest(database, table)
    assert bronze.read(table).column_names == ["user", "a_b_c", "ä_ö"]
    assert bronze.rows(table) == [(1, "x", 2)]
    assert all(name.isascii() for name in bronze.files())


def test_an_empty_table_has_a_batch_with_its_columns(database, bronze):
    run_sql(database, "CREATE TABLE empty (a int, b numeric(5,2))")
    table = configure(database, "empty")
    assert [(r.table, r.rows) for r in bronze.ingest(database, table)] == [("public.empty", 0)]
    assert {f.name: str(f.type) for f in bronze.read(table).schema} == {"a": "int32", "b": "decimal128(5, 2)"}


def test_a_column_of_nulls_alone_keeps_its_rows(database, bronze):
    run_sql(database, "CREATE TABLE nulls (a text)", "INSERT INTO nulls VALUES (NULL), (''), (NULL)")
    table = configure(database, "nulls")
    bronze.ingest(database, table)
    assert bronze.rows(table) == [(None,), ("",), (None,)]


def test_generated_columns_and_new_columns(database, bronze):
    run_sql(
        database, "CREATE TABLE g (a int, twice int GENERATED ALWAYS AS (a * 2) STORED)", "INSERT INTO g VALUES (4)"
    )
    table = configure(database, "g")
    run_sql(database, "ALTER TABLE g ADD \"New one\" text DEFAULT 'n'", 'ALTER TABLE g ADD "New_one" int')
    bronze.ingest(database, table)
    assert bronze.read(table).column_names == ["a", "twice", "New_one", "New_one_2"]
    assert bronze.rows(table) == [(4, 8, "n", None)]
    ignoring = table.model_copy(update={"new_columns": "ignore"})
    bronze.ingest(database, ignoring, batch_id="b2")
    assert bronze.rows(ignoring) == [(4, 8)]
    with pytest.raises(SourceError, match=r"new columns \['New one', 'New_one'\].*new_columns: include"):
        bronze.ingest(database, table.model_copy(update={"new_columns": "fail"}), batch_id="b3")


def small_ranges(monkeypatch, pages=2):
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", pages)


def test_partitions_of_several_levels_are_read_once(database, bronze, monkeypatch):
    small_ranges(monkeypatch)
    run_sql(
        database,
        "CREATE TABLE parts (id int, day date, filler text) PARTITION BY RANGE (day)",
        "CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
        "CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') "
        "PARTITION BY HASH (id)",
        "CREATE TABLE parts_b0 PARTITION OF parts_b FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE parts_b1 (filler text, day date, id int)",  # another order of columns
        "ALTER TABLE parts_b ATTACH PARTITION parts_b1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO parts SELECT i, '2024-01-01'::date + i % 60, repeat('x', 200) FROM generate_series(1, 3000) i",
    )
    table = configure(database, "parts")
    bronze.ingest(database, table)
    assert len(bronze.manifest(table).files) > 5
    assert list(range(1, 3001)) == sorted(bronze.read(table)["id"].to_pylist())


def test_one_snapshot_over_tables_and_ranges_while_writers_are_busy(database, bronze, monkeypatch):
    """Each transaction adds an order and its line, moves money, and rewrites old rows: a torn read would show."""
    small_ranges(monkeypatch)
    run_sql(
        database,
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler text)",
        "CREATE TABLE orders (id serial PRIMARY KEY, filler text)",
        "CREATE TABLE lines (order_id int, filler text)",
        "INSERT INTO accounts SELECT i, 100, repeat('x', 300) FROM generate_series(1, 2000) i",
        """CREATE PROCEDURE write() LANGUAGE plpgsql AS $$
           DECLARE a int; b int; o int; BEGIN
             FOR i IN 1..1000000 LOOP
               a := 1 + random() * 1999; b := 1 + random() * 1999;
               UPDATE accounts SET balance = balance - 5 WHERE id = a;
               UPDATE accounts SET balance = balance + 5 WHERE id = b;
               INSERT INTO orders (filler) VALUES (repeat('o', 300)) RETURNING id INTO o;
               INSERT INTO lines VALUES (o, repeat('l', 100));
               COMMIT;
             END LOOP; END $$""",
    )
    tables = [configure(database, name) for name in ("lines", "orders", "accounts")]
    with psycopg.connect(database.dsn, autocommit=True) as writer:

        def write():
            with pytest.raises(psycopg.errors.QueryCanceled):
                writer.execute("CALL write()")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            results = [
                (bronze.ingest(database, *tables, batch_id=f"b{n}", connections=3), *map(bronze.read, tables))
                for n in range(4)
            ]
        finally:
            writer.cancel()
            thread.join()
    for _, lines, orders, accounts in results:
        assert sorted(orders["id"].to_pylist()) == sorted(lines["order_id"].to_pylist())
        assert list(range(1, 2001)) == sorted(accounts["id"].to_pylist())
        assert sum(accounts["balance"].to_pylist()) == 200_000
    assert results[-1][2].num_rows > results[0][2].num_rows
    manifests = [bronze.manifest(table) for table in tables]
    assert len({m.read_from.snapshot for m in manifests}) == 1
    assert all(m.read_from.server.isdigit() and "/" in m.read_from.lsn for m in manifests)


def test_the_same_run_again_keeps_its_batch_and_another_run_reads_anew(database, bronze):
    run_sql(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
    table = configure(database, "t")
    first = bronze.ingest(database, table)
    files = {name: (bronze.root / name).read_bytes() for name in bronze.files()}
    run_sql(database, "INSERT INTO t VALUES (2)")
    again = bronze.ingest(database, table)
    assert [(r[0].kept, r[0].rows) for r in (first, again)] == [(False, 1), (True, 1)]
    assert files == {name: (bronze.root / name).read_bytes() for name in bronze.files()}
    assert bronze.ingest(database, table, batch_id="b2")[0].rows == 2


@pytest.mark.parametrize("damage", ["truncate", "change", "delete", "manifest", "no manifest"])
def test_a_damaged_batch_is_read_again(database, bronze, damage):
    run_sql(database, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
    table = configure(database, "t")
    bronze.ingest(database, table)
    part = next((bronze.root).rglob("part-*.parquet"))
    manifest = next((bronze.root).rglob("_manifest.json"))
    content = part.read_bytes()
    {
        "truncate": lambda: part.write_bytes(content[:-8]),
        "change": lambda: part.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:]),
        "delete": part.unlink,
        "manifest": lambda: manifest.write_text(manifest.read_text()[:50]),
        "no manifest": manifest.unlink,
    }[damage]()
    (result,) = bronze.ingest(database, table)
    assert (result.kept, result.rows) == (False, 2)
    assert len(bronze.files()) == 2
    assert sorted(bronze.rows(table)) == [(1,), (2,)]


def test_views_without_ranges_and_tables_with_permissions_on_some_columns(database, bronze):
    run_sql(
        database,
        "CREATE TABLE secretive (id int, salary int)",
        "INSERT INTO secretive VALUES (1, 1000)",
        "CREATE VIEW v AS SELECT id + 1 AS next FROM secretive",
        "CREATE ROLE some_columns LOGIN PASSWORD 'reader-password'",
        "GRANT SELECT (id) ON secretive TO some_columns",
        "GRANT SELECT ON v TO some_columns",
    )
    try:
        table, view = configure(database, "secretive"), configure(database, "v")
        only_id = table.model_copy(update={"columns": table.columns[:1], "new_columns": "ignore"})
        login = type(database)(database.host, database.port, "some_columns", "reader-password", database.database)
        bronze.ingest(login, only_id, view)
        assert (bronze.rows(only_id), bronze.rows(view)) == ([(1,)], [(2,)])
        with pytest.raises(SourceError, match=r"may not read column 'salary'.*GRANT SELECT"):
            bronze.ingest(login, table, batch_id="b2")
    finally:
        run_sql(database, "DROP OWNED BY some_columns", "DROP ROLE some_columns")


def test_large_values_and_many_blocks_in_bounded_pieces(database, bronze, monkeypatch):
    monkeypatch.setattr("midnight.postgres_to_bronze.parallel_copy.MEMORY_BYTES", 2_000_000)
    monkeypatch.setattr("midnight.postgres_to_bronze.parallel_copy._SMALLEST_BLOCK", 50_000)
    run_sql(
        database,
        "CREATE TABLE wide (id int, body text, raw bytea)",
        "INSERT INTO wide SELECT i, repeat(chr(64 + i % 26), i * 997 % 40000), decode(md5(i::text), 'hex') "
        "FROM generate_series(1, 300) i",
        "INSERT INTO wide VALUES (0, repeat(E'\\n\"x', 1000000), NULL)",
    )
    table = configure(database, "wide")
    bronze.ingest(database, table)
    expected = fetch(database, "SELECT id, body, raw FROM public.wide ORDER BY id")
    assert expected == sorted(bronze.rows(table))
    manifest = bronze.manifest(table)
    assert parquet.read_metadata(manifest.file_paths(bronze.paths)[0]).num_row_groups > 3


@pytest.mark.parametrize(("codec", "expected"), [("lz4", ["LZ4", "UNCOMPRESSED"]), ("zstd", ["ZSTD", "ZSTD"])])
def test_lz4_only_where_it_saves_much(database, bronze, monkeypatch, codec, expected):
    monkeypatch.setattr(LocalLakeFiles, "parquet_compression", codec)
    run_sql(
        database,
        "CREATE TABLE sums AS SELECT i AS id, md5(i::text) AS hash FROM generate_series(100000000001, 100000005000) i",
    )
    table = configure(database, "sums")
    bronze.ingest(database, table)
    group = parquet.read_metadata(bronze.manifest(table).file_paths(bronze.paths)[0]).row_group(0)
    assert expected == [group.column(number).compression for number in range(2)]


# What COPY escapes, or what could be mistaken for an escape, a NULL or the end of a field or line
ESCAPABLE = st.text(st.sampled_from("\\N\n\r\t\b\f\v.xnrtbfv\"', é\ufeff"), max_size=12)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | ESCAPABLE | st.none()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ESCAPABLE | st.none(), max_size=200))
@example(texts=["\ufeffa byte order mark", "\\N", "", None, "\\\\n"])
def test_a_table_of_one_text_column_round_trips(database, tmp_path_factory, texts):
    bronze = BronzeFolder(tmp_path_factory.mktemp("lake"))
    run_sql(database, "DROP TABLE IF EXISTS texts", "CREATE TABLE texts (t text)")
    with psycopg.connect(database.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO texts VALUES (%s)", [(text,) for text in texts])
    table = configure(database, "texts")
    bronze.ingest(database, table, connections=1)
    assert bronze.rows(table) == [(text,) for text in texts]


NUMBERS = st.decimals(min_value=-(10**20) + 1, max_value=10**20 - 1, places=18, allow_nan=False) | st.none()
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)) | st.none()
DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31)) | st.none()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXTS, NUMBERS, MOMENTS, DAYS, st.binary(max_size=20), st.floats(allow_nan=False))))
def test_any_value_round_trips(database, tmp_path_factory, rows):
    bronze = BronzeFolder(tmp_path_factory.mktemp("lake"))
    run_sql(
        database,
        "DROP TABLE IF EXISTS anything",
        "CREATE TABLE anything (t text, n numeric, m timestamptz, d date, b bytea, f double precision)",
    )
    with psycopg.connect(database.dsn) as connection, connection.cursor() as cursor:
        aware = [(t, n, m and m.replace(tzinfo=UTC), d, b, f) for t, n, m, d, b, f in rows]
        cursor.executemany("INSERT INTO anything VALUES (%s, %s, %s, %s, %s, %s)", aware)
    table = configure(database, "anything")
    bronze.ingest(database, table, connections=1)
    assert aware == bronze.rows(table)
    assert pyarrow.decimal128(38, 18) == bronze.read(table).schema.field("n").type


def test_a_hot_standby_is_read_as_the_primary_would_be(postgres_server, database, bronze, monkeypatch):
    small_ranges(monkeypatch)
    run_sql(database, "CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 5000)")
    table = configure(database, "t")
    bronze.ingest(database, table, batch_id="b1")
    root = new_folder_for_server_user("midnight-standby-")
    standby = EmbeddedPostgres(
        root / "cluster", port=free_port(), password=postgres_server.password, log=root / "standby.log"
    )
    try:
        location = locate(standby.folder)
        subprocess.run(
            [
                location.binaries / "pg_basebackup",
                f"--pgdata={location.data}",
                f"--dbname={postgres_server.dsn}",
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            ],
            check=True,
            cwd="/",
            **as_server_user(),
        )
        login = dataclasses.replace(standby.start(), database=database.database)
        assert fetch(login, "SELECT pg_is_in_recovery()") == [(True,)]
        bronze.ingest(login, table, batch_id="b2")
        assert sorted(bronze.rows(table)) == [(number,) for number in range(1, 5001)]
        primary, secondary = bronze.store.sealed_batches(table)
        assert primary.read_from.server == secondary.read_from.server
        assert secondary.read_from.lsn
        assert len(secondary.files) > 1
    finally:
        standby.remove()
        shutil.rmtree(root)
