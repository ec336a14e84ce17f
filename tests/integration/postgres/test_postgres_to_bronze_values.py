"""PostgreSQL to bronze against a real server: any values, of any size and number, arrive unchanged."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg
import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from midnight.lake.files import LocalLakeFiles
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql


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
        "CREATE TABLE sums AS SELECT i AS id, md5(i::text) AS hash FROM generate_series(100000000001, 100000020000) i",
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
