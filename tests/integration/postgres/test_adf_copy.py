"""The queries that Data Factory gets, through a copy as Data Factory makes it: the same bronze as the operator's.

The copy (tests/fakes/adf_parquet.py) changes values where the real one does; the database has settings that change the
text of values, which must affect neither way.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow.compute as pc
import pytest

from cli.postgres.embedded import Server
from midnight.bronze.manifest import ReadFrom
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copy_query
from midnight.data_factory.key_ranges import range_conditions
from midnight.data_factory.seal_batch import AdfBatch
from midnight.data_factory.type_conversion import Conversion
from midnight.errors import ReconciliationError, StoppedTablesError
from tests.fakes.adf_parquet import CopyError, copy_to_parquet
from tests.support.adf_batches import seal_or_stop
from tests.support.hostile_settings import apply_hostile_settings
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.other_postgres import version_of_postgres

SETUP = """
CREATE TYPE mood AS ENUM ('it''s fine', 'größer');
CREATE TYPE place AS (street text, day date, spent interval);
CREATE TYPE span AS RANGE (subtype = timestamptz);
CREATE DOMAIN amounts AS numeric[];
CREATE DOMAIN label AS text CHECK (value <> '');
"""
# type -> literals
VALUES = {
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9007199254740993"],
    "oid": ["4294967295"],
    "real": ["'NaN'", "'Infinity'", "1.1754944e-38", "0.1"],
    "double precision": ["'-Infinity'", "'NaN'", "5e-324", "0.1", "1.7976931348623157e308"],
    "numeric(38,10)": ["1234567890123456789012345678.0123456789", "-0.0000000001"],
    "numeric(38,0)": ["99999999999999999999999999999999999999"],
    "numeric": ["12345678901234567890.123456789012345678", "0.5"],
    "numeric(12,2)": ["1.50", "-0.01"],
    "money": ["'-92233720368547758.08'", "12.3::numeric"],
    "boolean": ["true", "false"],
    "date": ["'0001-01-01'", "'9999-12-31'", "'2024-02-29'", "'1582-10-10'"],
    "timestamp without time zone": ["'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'2024-02-29 12:00:00.1'"],
    "timestamp(3) with time zone": ["'2024-02-29 12:00:00.123456+02'"],
    "timestamp with time zone": ["'2024-02-29 12:00:00.123456+05:45'", "'0001-01-02 00:00:00+00'", "'1900-01-01'"],
    "time without time zone": ["'24:00:00'", "'12:34:56.789'"],
    "time with time zone": ["'12:34:56.789+05:45'"],
    "interval": ["'-1 year 2 months -3 days 04:05:06.7'", "'0'", "'1 mon'", "'100000 hours'"],
    "uuid": ["'00000000-0000-0000-0000-0000000000ff'"],
    "json": ["""'{"b":  1, "a": [null]}'""", "'null'", """'"text"'"""],
    "jsonb": ["""'{"b": 1.0}'""", "'[]'"],
    "xml": [],  # the embedded server is built without libxml
    "text": ["E'o''rders \"x\" \\\\ \\n\\t@{item()}'", "''", "' blank '", "'größer 😀'"],
    "character varying(20)": ["'ab '"],
    "character(5)": ["'ab'", "''"],
    '"char"': ["'x'"],
    "name": ["'pg_class'"],
    "bytea": ["'\\x00ff5c27'::bytea", "''::bytea"],
    "bit(4)": ["B'0101'"],
    "bit varying": ["B'1'", "B''"],
    "inet": ["'192.168.0.1/24'", "'::1'", "'10.0.0.1/32'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "point": ["'(1.5,0.1)'"],
    "int4range": ["'[1,5)'", "'empty'"],
    "tstzrange": ["'[2024-02-29 12:00+02, infinity)'"],
    "daterange": ["'[2024-02-29, 2024-03-01]'"],
    "tsvector": ["'a b'"],
    "regclass": ["'pg_catalog.pg_class'"],
    "integer[]": ["'{1,NULL}'", "'{{1,2},{3,4}}'", "'{}'"],
    "timestamp with time zone[]": ["ARRAY['2024-02-29 12:00+02'::timestamptz]"],
    "double precision[]": ["'{0.1,NaN}'"],
    "bytea[]": ["ARRAY['\\xff'::bytea]"],
    "interval[]": ["ARRAY['1 mon 2 days'::interval]"],
    "mood": ["'it''s fine'", "'größer'"],
    "place": ["ROW('a \"b\"', '2024-02-29', '1 mon')::place", "ROW(NULL,NULL,NULL)::place"],
    "place[]": ["ARRAY[ROW('a', NULL, '1 day')]::place[]"],
    "span": ["'[2024-02-29 12:00+02, 2024-03-01 00:00+00)'"],
    "amounts": ["'{1.50,2}'"],
    "label": ["'x'"],
}
REFUSED = [
    *(("date", literal) for literal in ("'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'")),
    ("timestamp without time zone", "'infinity'"),
    ("timestamp without time zone", "'0044-03-15 BC'"),
    ("timestamp with time zone", "'-infinity'"),
    ("timestamp with time zone", "'294276-12-31'"),
    ("numeric", "'NaN'"),
    *([("numeric", "'-Infinity'")] if version_of_postgres() >= 14 else []),
    ("numeric", "123456789012345678901"),
    ("numeric", "0.0000000000000000001"),
]


def copy(server: Server, adf: BronzeFolder, table: Table, conditions: tuple[str, ...] = ("",)) -> BronzeFolder:
    """Copy a table as Data Factory does, and seal."""
    folder = Path(adf.paths.batch("test", table.schema_name, table.table, "b1"))
    folder.mkdir(parents=True, exist_ok=True)
    for part, condition in enumerate(conditions):
        content, _ = copy_to_parquet(server.dsn, copy_query(table, condition), threading.Event())
        (folder / f"run-{part:05}.parquet").write_bytes(content)
    batch = AdfBatch(
        bronze=adf.store,
        tables=[table],
        group="main",
        batch_id="b1",
        run_id="manual__1",
        read_from=ReadFrom(server="factory/midnight_copy", server_version="", database=""),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        pipeline_run="run",
        log=lambda line: None,
    )
    seal_or_stop(batch)
    return adf


@pytest.fixture
def hostile(database: Server) -> Server:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(SETUP)
    apply_hostile_settings(database)
    return database


@pytest.fixture
def both(tmp_path) -> tuple[BronzeFolder, BronzeFolder]:
    return BronzeFolder(tmp_path / "operator"), BronzeFolder(tmp_path / "adf")


def literal(text: str) -> str:
    """The literal in a session with standard_conforming_strings = off, as in the hostile database."""
    return text if text.startswith("E'") else text.replace("\\", "\\\\")


def test_every_type_arrives_as_through_the_operator(hostile, both):
    operator, adf = both
    names = [f'c{number} "{kind.partition("(")[0].strip(chr(34))}"' for number, kind in enumerate(VALUES)]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    definitions = ", ".join(f"{name} {kind}" for name, kind in zip(quoted, VALUES, strict=True))
    rows = max(len(literals) for literals in VALUES.values())
    run_sql(
        hostile, 'CREATE SCHEMA "Odd ""schema"" \\"', f'CREATE TABLE "Odd ""schema"" \\"."it\'s größer" ({definitions})'
    )
    for number in range(rows + 1):  # the last row is all null
        values = [literal(ls[number]) if number < len(ls) else "NULL" for ls in VALUES.values()]
        run_sql(hostile, f'INSERT INTO "Odd ""schema"" \\"."it\'s größer" VALUES ({", ".join(values)})')
    table = configure(hostile, "it's größer", schema='Odd "schema" \\', reconcile="digests")
    operator.ingest(hostile, table)

    copy(hostile, adf, table)

    expected, actual = operator.read(table), adf.read(table)
    assert actual.schema == expected.schema
    different = {
        kind: (expected.column(i).to_pylist(), actual.column(i).to_pylist())
        for i, kind in enumerate(VALUES)
        if repr(expected.column(i).to_pylist()) != repr(actual.column(i).to_pylist())  # nan differs from itself
    }
    assert different == {}
    assert [bronze.manifest(table).reconciliation.status for bronze in both] == ["equal", "equal"]
    assert [c.stored_as for c in adf.manifest(table).columns] == [c.stored_as for c in operator.manifest(table).columns]


def test_a_value_that_is_changed_on_the_way_is_found_with_its_row(database, both, monkeypatch):
    run_sql(
        database, "CREATE TABLE t AS SELECT i AS id, i * 1.5 AS amount, 'n' || i AS note FROM generate_series(1, 50) i"
    )
    table = configure(database, "t", key=["id"], reconcile="digests")
    copied = copy(database, both[1], table).manifest(table).reconciliation
    assert (copied.status, copied.rows) == ("equal", 50)
    assert "outside a snapshot" in copied.reason
    convert = Conversion._convert

    def changed(conversion, values, column):
        return (
            pc.replace_substring(values, "n17", "n71") if column.name == "note" else convert(conversion, values, column)
        )

    monkeypatch.setattr(Conversion, "_convert", changed)
    both[1].store.delete_batch(table, "b1")
    with pytest.raises(ReconciliationError) as error:
        copy(database, both[1], table)
    assert "key (id = '17'): changed value" in str(error.value)
    assert both[1].manifest(table) is None


def test_a_value_that_bronze_cannot_hold_stops_both_ways_until_it_is_stored_as_text(hostile, both):
    operator, adf = both
    for number, (kind, value) in enumerate(REFUSED):
        name = f"t{number}"
        run_sql(hostile, f'CREATE TABLE {name} ("odd ""x""" {kind})', f"INSERT INTO {name} VALUES ({value})")
        table = configure(hostile, name)
        for way in (lambda table: operator.ingest(hostile, table), lambda table: copy(hostile, adf, table)):
            with pytest.raises(
                StoppedTablesError,
                match=rf"{name}: column 'odd \"x\"'.*bronze_type: text",
            ):
                way(table)
        assert adf.manifest(table) is None

        as_text = configure(hostile, name, bronze_type={'odd "x"': "text"})
        operator.ingest(hostile, as_text)
        assert copy(hostile, adf, as_text).rows(as_text) == operator.rows(as_text)


def test_another_store_type_gives_the_same_values_as_the_operator(hostile, both):
    operator, adf = both
    run_sql(
        hostile,
        "CREATE TABLE t (n numeric, many numeric(40,2), flag text, stamp timestamptz, raw text)",
        "INSERT INTO t VALUES (12, 1.25, 'yes', '2024-02-29 12:00+02', '0.1'), (NULL, NULL, NULL, NULL, NULL)",
    )
    bronze_type = {
        "n": "bigint",
        "many": "numeric(38,2)",
        "flag": "boolean",
        "stamp": "timestamp",
        "raw": "double precision",
    }
    table = configure(hostile, "t", bronze_type=bronze_type)
    operator.ingest(hostile, table)
    assert copy(hostile, adf, table).read(table).equals(operator.read(table))


def test_a_number_is_never_rounded_by_a_source_that_changed(hostile, both):
    _, adf = both
    run_sql(hostile, "CREATE TABLE t (n integer)")
    table = configure(hostile, "t")
    run_sql(hostile, "ALTER TABLE t ALTER n TYPE numeric", "INSERT INTO t VALUES (1.5)")
    with pytest.raises(StoppedTablesError, match="column 'n'"):
        copy(hostile, adf, table)


def test_ranges_cover_the_table_once(hostile, both):
    operator, adf = both
    run_sql(
        hostile,
        'CREATE TABLE t ("the ""id""" int)',
        "INSERT INTO t SELECT i FROM generate_series(-50, 50) i",
        "INSERT INTO t VALUES (NULL), (2147483647), (-2147483648)",
    )
    table = configure(hostile, "t", key=("the__id_",))
    operator.ingest(hostile, table)
    conditions = tuple(range_conditions(table, [-10, 0, 40]))
    copied = copy(hostile, adf, table, conditions)
    assert [file.rows for file in adf.manifest(table).files] == [42, 10, 40, 12]
    assert sorted(map(str, copied.rows(table))) == sorted(map(str, operator.rows(table)))


def test_a_row_policy_and_a_new_column_stop_the_copy_with_a_message(database):
    run_sql(
        database,
        "CREATE TABLE t (id int)",
        "INSERT INTO t VALUES (1), (2)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY only_one ON t USING (id = 1)",
        f"CREATE ROLE {database.database} LOGIN PASSWORD 'x'",
        f"GRANT SELECT ON t TO {database.database}",
    )
    try:
        table = configure(database, "t", on_schema_change="freeze")
        dsn = psycopg.conninfo.make_conninfo(database.dsn, user=database.database, password="x")
        with pytest.raises(CopyError, match=r"a row policy of public\.t would hide rows"):
            copy_to_parquet(dsn, copy_query(table), threading.Event())
    finally:
        run_sql(database, f"DROP OWNED BY {database.database}", f"DROP ROLE {database.database}")
    run_sql(database, "ALTER TABLE t ADD more int")
    with pytest.raises(
        CopyError, match=r"public\.t has new columns .*freeze.; hint: add them to tables/public\.t\.yml"
    ):
        copy_to_parquet(database.dsn, copy_query(table), threading.Event())
