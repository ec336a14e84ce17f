"""The type mapping: every PostgreSQL type in every dialect."""

from __future__ import annotations

import pytest

from midnight.column_types import (
    arrow_type,
    copy_expression,
    duckdb_type,
    normalise_type,
    spark_type,
    stored_type,
    to_arrow,
    tsql_type,
)
from midnight.errors import TypeNotSupportedError
from midnight.gold_to_serving.tsql.type_names import parse_type

UTF8 = "COLLATE Latin1_General_100_BIN2_UTF8"

# PostgreSQL, stored type, Arrow, Spark, T-SQL, DuckDB
TABLE = [
    ("smallint", "smallint", "int16", "SMALLINT", "SMALLINT", "SMALLINT"),
    ("integer", "integer", "int32", "INT", "INT", "INTEGER"),
    ("bigint", "bigint", "int64", "BIGINT", "BIGINT", "BIGINT"),
    ("oid", "bigint", "int64", "BIGINT", "BIGINT", "BIGINT"),
    ("real", "real", "float", "FLOAT", "REAL", "FLOAT"),
    ("double precision", "double precision", "double", "DOUBLE", "FLOAT", "DOUBLE"),
    ("boolean", "boolean", "bool", "BOOLEAN", "BIT", "BOOLEAN"),
    ("numeric(10,2)", "numeric(10,2)", "decimal128(10,2)", "DECIMAL(10,2)", "DECIMAL(10,2)", "DECIMAL(10,2)"),
    ("numeric(5)", "numeric(5,0)", "decimal128(5,0)", "DECIMAL(5,0)", "DECIMAL(5,0)", "DECIMAL(5,0)"),
    ("numeric(38,38)", "numeric(38,38)", "decimal128(38,38)", "DECIMAL(38,38)", "DECIMAL(38,38)", "DECIMAL(38,38)"),
    ("numeric", "numeric(38,18)", "decimal128(38,18)", "DECIMAL(38,18)", "DECIMAL(38,18)", "DECIMAL(38,18)"),
    ("money", "numeric(23,4)", "decimal128(23,4)", "DECIMAL(23,4)", "DECIMAL(23,4)", "DECIMAL(23,4)"),
    ("date", "date", "date32", "DATE", "DATE", "DATE"),
    ("bytea", "bytea", "binary", "BINARY", "VARBINARY(MAX)", "BLOB"),
    *[
        (name, "timestamp without time zone", "timestamp[us]", "TIMESTAMP", "DATETIME2(6)", "TIMESTAMP")
        for name in ("timestamp without time zone", "timestamp(3) without time zone", "timestamp")
    ],
    *[
        (name, "timestamp with time zone", "timestamp[us, tz=UTC]", "TIMESTAMP", "DATETIME2(6)", "TIMESTAMP")
        for name in ("timestamp with time zone", "timestamp(0) with time zone", "timestamptz")
    ],
    *[
        (name, "text", "string", "STRING", f"VARCHAR(MAX) {UTF8}", "VARCHAR")
        for name in (
            *("text", "character varying(20)", "character(3)", '"char"', "name", "citext", "public.citext"),
            *("uuid", "json", "jsonb", "xml", "inet", "cidr", "macaddr", "macaddr8", "bit(3)", "bit varying(9)"),
            *("time without time zone", "time(3) with time zone", "interval", "interval day to second(3)"),
            *("tsvector", "tsquery", "public.ltree", "public.hstore", "point", "polygon", "pg_lsn", "xid", "regclass"),
            *(
                "int4range",
                "tstzrange",
                "datemultirange",
                "public.mood",
                'odd."Mood (x)"',
                "integer[]",
                "numeric(3,1)[]",
            ),
            *("timestamp with time zone[]", 'odd."T"[]'),
        )
    ],
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_every_type_in_every_dialect(row):
    pg_type, stored, arrow, spark, tsql, duckdb = row
    assert stored_type(pg_type) == stored
    assert stored_type(stored) == stored
    assert arrow_type(stored) == arrow
    assert str(to_arrow(stored)).replace(", ", ",").replace("[day]", "") == arrow.replace(", ", ",")
    assert spark_type(pg_type) == spark
    assert tsql_type(spark) == tsql
    assert duckdb_type(spark) == duckdb


@pytest.mark.parametrize(
    "spark", ["TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "STRING", "DECIMAL(38,18)"]
)
def test_a_column_has_the_same_range_in_duckdb_and_synapse(spark):
    assert duckdb_type(spark) == parse_type(tsql_type(spark)).duckdb


@pytest.mark.parametrize("pg_type", ["numeric(3,-2)", "numeric(2,5)", "numeric(39,2)", "numeric(1000,0)"])
def test_numbers_without_an_exact_equivalent_are_rejected_with_a_hint(pg_type):
    with pytest.raises(TypeNotSupportedError, match=r"bronze_type: text"):
        stored_type(pg_type)
    assert stored_type(pg_type, bronze_type="text") == "text"
    assert stored_type(pg_type, bronze_type="numeric(38,4)") == "numeric(38,4)"


def test_store_must_be_a_stored_type():
    with pytest.raises(TypeNotSupportedError, match="'uuid'"):
        stored_type("bigint", bronze_type="uuid")


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("TIMESTAMPTZ", "timestamp with time zone"),
        ("timestamp (3) with time zone", "timestamp(3) with time zone"),
        ("decimal(10, 2)", "numeric(10,2)"),
        ("varchar(20)", "character varying(20)"),
        ("int4[]", "integer[]"),
        ("int[][]", "integer[]"),
        ("public.mood", "mood"),
        ('"char"', '"char"'),
        ("float8", "double precision"),
        ("numeric(7)", "numeric(7,0)"),
        ("interval day to second(3)", "interval day to second(3)"),
    ],
)
def test_aliases_are_normalised(written, printed):
    assert normalise_type(written) == printed
    assert normalise_type(printed) == printed


@pytest.mark.parametrize(
    ("pg_type", "options", "expected"),
    [
        ("integer", {}, '"a"'),
        ("uuid", {}, '"a"'),
        ("integer[]", {}, 'pg_catalog.to_json("a")'),
        ("odd.pair", {"category": "C"}, 'pg_catalog.to_json("a")'),
        ("money", {}, '"a"::numeric'),
        ("money", {"bronze_type": "text"}, '"a"::numeric::text'),
        ("numeric", {"bronze_type": "numeric(38,10)"}, '"a"'),  # a cast would round
        ("numeric", {"bronze_type": "integer"}, '"a"'),
        ("numeric", {"bronze_type": "double precision"}, '"a"::double precision'),
        ("numeric", {"bronze_type": "text"}, '"a"::text'),
        ("numeric(50,2)", {"bronze_type": "text"}, '"a"::text'),
        ("text", {"bronze_type": "bigint"}, '"a"::bigint'),
        ("timestamp with time zone", {"bronze_type": "date"}, '"a"::date'),
    ],
)
def test_the_expression_of_a_column_in_the_copy_query(pg_type, options, expected):
    assert copy_expression('"a"', pg_type, **options) == expected


@pytest.mark.parametrize(
    ("spark", "length", "expected"),
    [
        ("string", 3, f"VARCHAR(12) {UTF8}"),
        ("STRING", 2000, f"VARCHAR(8000) {UTF8}"),
        ("STRING", 2001, f"VARCHAR(MAX) {UTF8}"),
        ("BINARY", 16, "VARBINARY(16)"),
        ("decimal(9, 3)", None, "DECIMAL(9,3)"),
        ("DECIMAL", None, "DECIMAL(10,0)"),
        ("int", None, "INT"),
        ("Integer", None, "INT"),
        ("TINYINT", None, "SMALLINT"),
    ],
)
def test_lengths_and_spellings_of_types_in_views(spark, length, expected):
    assert tsql_type(spark, length) == expected


@pytest.mark.parametrize("spark", ["ARRAY<INT>", "MAP<STRING,INT>", "TIMESTAMP_NTZ", "nonsense"])
def test_types_that_views_do_not_support(spark):
    with pytest.raises(TypeNotSupportedError, match="cast it in the model"):
        tsql_type(spark)
    with pytest.raises(TypeNotSupportedError, match="cast it in the model"):
        duckdb_type(spark)


def test_a_user_defined_type_with_the_name_of_a_built_in_type():
    assert [stored_type(name) for name in ("public.money", "public.date", "public.oid")] == ["text"] * 3
    assert copy_expression('"x"', "public.money", category="C") == 'pg_catalog.to_json("x")'
    assert stored_type("pg_catalog.date") == "date"
