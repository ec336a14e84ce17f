"""Values that bronze cannot hold: each policy, for each kind of value, by the operator and by Data Factory."""

from __future__ import annotations

import logging

import psycopg
import pytest

from midnight.configuration.checks import ForeignKey
from midnight.errors import StoppedTablesError
from tests.support import type_values as v
from tests.support.adf_batches import copy_with_data_factory
from tests.support.big_table import BIG
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql
from tests.support.other_postgres import version_of_postgres
from tests.support.type_cases import generate

SETUP = (
    "CREATE TYPE pair AS (a int[], b text, j jsonb)",
    "CREATE DOMAIN days AS date[]",
    "CREATE DOMAIN birthday AS date",
    "CREATE DOMAIN required AS text NOT NULL DEFAULT 'x'",
    "CREATE TYPE mood AS ENUM ('[0:0]={x}', 'null')",
)
INFINITE = "Infinity" if version_of_postgres() >= 14 else "1" + 30 * "0"
# type, a value that bronze holds, values that it does not hold
KINDS = [
    ("date", "2024-01-01", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"]),
    ("birthday", "2024-01-01", ["infinity"]),
    ("timestamp", "2024-01-01 00:00:00", ["infinity", "0001-12-31 00:00:00 BC"]),
    ("timestamptz(3)", "2024-01-01 00:00:00+00", ["-infinity", "294276-12-31 00:00:00+00"]),
    (
        "numeric",
        "1.5",
        [
            "NaN",
            INFINITE,
            "0.1234567890123456789",
            "100000000000000000000",
            "1e1000",
        ],
    ),
    ("numeric(6,2)", "1.50", ["NaN"]),
    ("numeric(38,10)", "1.5", ["NaN"]),
    ("integer[]", "{1,NULL}", ["[0:1]={1,2}", "[1:1][2:3]={{1,2}}", "[1:1][1:1][5:5]={{{7}}}"]),
    ("mood[]", '{null,"[0:0]={x}"}', ['[0:0]={"null"}']),
    ("days", "{2024-01-01}", ["[7:7]={infinity}"]),
    ("jsonb[]", '{"[1]","\\"null\\"","[null]",NULL}', ['{"null",NULL}', "[0:0]={1}", "{{1}}"]),
    ("pair", '("{1,2}","]={null,{(",)', ['("[0:1]={1,2}",x,)', "(,x,null)"]),
    ("pair[]", '{"({1},\\"]={ null\\",2)",NULL}', ['{"([2:2]={1},x,2)"}', '{"(,,null)"}', "[3:3]={NULL}"]),
]
WAYS = {
    "operator": lambda server, bronze, table: bronze.ingest(server, table),
    "adf": copy_with_data_factory,
}


def make_kinds(database) -> list[str]:
    """A table with a column of each type, whose rows hold first a good value and then bad ones."""
    names = [f"c{number} é" for number in range(len(KINDS))]
    definitions = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in zip(names, KINDS, strict=True))
    run_sql(
        database,
        *SETUP,
        f"CREATE TABLE kinds (n int PRIMARY KEY, {definitions})",
        "ALTER TABLE kinds ADD last required",
    )
    rows = 2 + max(len(bad) for _, _, bad in KINDS)
    with psycopg.connect(database.dsn) as connection, connection.cursor() as cursor:
        columns = ", ".join(f'"{name}"' for name in names)
        with cursor.copy(f"COPY kinds (n, {columns}) FROM STDIN") as copy:
            for row in range(rows):
                copy.write_row((row, *(dict(enumerate([good, *bad])).get(row) for _, good, bad in KINDS)))
    return names


@pytest.mark.parametrize("reconcile", ["counts", "digests"])
@pytest.mark.parametrize("way", WAYS)
def test_null_replaces_and_counts_what_bronze_cannot_hold(database, bronze, caplog, way, reconcile):
    names = make_kinds(database)
    policy = dict.fromkeys(names, "null")
    table = configure(database, "kinds", key=("n",), on_unrepresentable=policy, reconcile=reconcile)
    with caplog.at_level(logging.WARNING):
        WAYS[way](database, bronze, table)

    read, manifest = bronze.read(table).sort_by("n"), bronze.manifest(table)
    for column in table.columns[1:-1]:
        values = read[column.name].to_pylist()
        assert values[0] is not None, column
        assert values[1:] == [None] * (len(values) - 1), column
    by_name = {column.name: bad for column, (_, _, bad) in zip(table.columns[1:-1], KINDS, strict=True)}
    counts = [(one.column, one.values) for one in manifest.unrepresentable]
    assert counts == sorted((name, len(bad)) for name, bad in by_name.items())
    assert [one for one in manifest.unrepresentable if one.example not in by_name[one.column]] == []
    assert manifest.unrepresentable_values == sum(len(bad) for _, _, bad in KINDS)
    compared = (way, reconcile) != ("adf", "counts")
    assert manifest.reconciliation.status == ("equal" if compared else "not checked"), (
        "a null in place of a value is not a difference"
    )
    warning = (
        "4 values of column 'c0_é' became null, because bronze cannot hold them exactly (for example 'infinity'); "
        "hint: correct the source, or keep all values with on_unrepresentable: text in tables/public.kinds.yml"
    )
    assert warning in manifest.warnings
    assert warning in caplog.messages


@pytest.mark.parametrize("way", WAYS)
def test_text_keeps_every_value_as_postgresql_prints_it(database, bronze, way):
    names = make_kinds(database)
    table = configure(database, "kinds", on_unrepresentable=dict.fromkeys(names, "text"))
    WAYS[way](database, bronze, table)
    printed = ", ".join(f"""CASE WHEN "{n}" IS DISTINCT FROM NULL THEN concat("{n}") END""" for n in names)
    assert sorted(bronze.rows(table)) == fetch(database, f"SELECT n, {printed}, last FROM public.kinds ORDER BY n")
    assert bronze.manifest(table).unrepresentable == ()
    assert bronze.manifest(table).warnings == ()


@pytest.mark.parametrize("way", WAYS)
def test_fail_stops_with_the_column_and_an_example(database, tmp_path, way):
    names = make_kinds(database)
    for name, (kind, _, bad) in zip(names, KINDS, strict=True):
        for row, value in enumerate(bad, 1):
            view = f"v{name[1:-2]}_{row}"
            run_sql(database, f'CREATE VIEW {view} AS SELECT n, "{name}" FROM kinds WHERE n IN (0, {row})')
            bronze, table = BronzeFolder(tmp_path / view), configure(database, view)
            with pytest.raises(StoppedTablesError) as caught:
                WAYS[way](database, bronze, table)
            for part in (f"public.{view}", repr(name), "bronze_type: text", "on_unrepresentable: null"):
                assert part in str(caught.value), kind
            assert bronze.manifest(table) is None
            if way == "operator" and len(value) < 80 and "e" not in value.replace("{", ""):
                assert repr(value) in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
def test_a_masked_value_is_counted_and_not_shown(database, bronze, caplog, way):
    run_sql(database, "CREATE TABLE t (n int, born date)", "INSERT INTO t VALUES (1, '0044-03-15 BC'), (2, 'today')")
    table = configure(database, "t", on_unrepresentable={"born": "null"})
    column = table.columns[1].model_copy(update={"mask": "pseudonym"})
    table = table.model_copy(update={"columns": (table.columns[0], column)})
    WAYS[way](database, bronze, table)
    (found,) = bronze.manifest(table).unrepresentable
    assert (found.column, found.values, found.example) == ("born", 1, "")
    assert "0044" not in bronze.manifest(table).to_json() + caplog.text


# What PostgreSQL itself says about the values that bronze can hold
FITS = {
    "date": (v.ANY_DAY, "isfinite(v) AND v BETWEEN '0001-01-01' AND '9999-12-31'"),
    "timestamp": (v.ANY_MOMENT, "isfinite(v) AND v >= '0001-01-01' AND v < '10000-01-01'"),
    "timestamptz": (v.ANY_MOMENT, "isfinite(v) AND v >= '0001-01-01Z' AND v < '10000-01-01Z'"),
    "numeric": (v.ANY_NUMBER, "v::text !~ 'N|I' AND abs(trunc(v)) < 1e20 AND trunc(v, 18) = v"),
    "numeric(60,30)": (v.decimal(60, 30), "abs(trunc(v)) < 1e28 AND trunc(v, 10) = v"),
    "bigint": (v.whole(*v.INT8), "v BETWEEN -32768 AND 32767"),
}


@pytest.mark.parametrize("way", WAYS)
def test_exactly_the_values_that_do_not_fit_become_null(database, bronze, way):
    """Generated values; whether one fits is decided by PostgreSQL."""
    narrower = {"c4": "numeric(38,10)", "c5": "smallint"}
    values = [[*generate(strategy, 60, 7), None] for strategy, _ in FITS.values()]
    names = [f"c{number}" for number in range(len(FITS))]
    run_sql(database, f"CREATE TABLE t (n int, {', '.join(map(' '.join, zip(names, FITS, strict=True)))})")
    with psycopg.connect(database.dsn) as connection, connection.cursor() as cursor:  # noqa: SIM117
        with cursor.copy("COPY t FROM STDIN") as copy:
            for row in range(max(map(len, values))):
                copy.write_row((row, *(column[row] if row < len(column) else None for column in values)))
    table = configure(database, "t", bronze_type=narrower, on_unrepresentable=dict.fromkeys(names, "null"))
    WAYS[way](database, bronze, table)
    fits = [condition.replace("v", name) for name, (_, condition) in zip(names, FITS.values(), strict=True)]
    kept = ", ".join(f"CASE WHEN {fit} THEN {name} END" for name, fit in zip(names, fits, strict=True))
    assert sorted(bronze.rows(table)) == fetch(database, f"SELECT n, {kept} FROM public.t ORDER BY n")
    lost = ", ".join(f"count({name}) FILTER (WHERE NOT ({fit}))" for name, fit in zip(names, fits, strict=True))
    (counts,) = fetch(database, f"SELECT {lost} FROM public.t")
    found = {one.column: one.values for one in bronze.manifest(table).unrepresentable}
    assert [found.get(name, 0) for name in names] == list(counts)
    assert min(counts) > 5


@pytest.mark.usefixtures("many_ranges")
def test_a_value_that_bronze_cannot_hold_stops_its_table_and_those_that_reference_it(database, bronze):
    run_sql(
        database,
        *BIG,
        "ALTER TABLE big ADD d date",
        "UPDATE big SET d = '2024-01-01'",
        "UPDATE big SET d = 'infinity' WHERE id = (SELECT max(id) FROM big)",
        "CREATE TABLE child (id int PRIMARY KEY, big int)",
        "INSERT INTO child VALUES (1, 1)",
        "CREATE TABLE other (id int PRIMARY KEY)",
        "INSERT INTO other VALUES (7)",
    )
    reference = ForeignKey(rule="foreign_key", columns=("big",), table="big", references=("id",))
    big, other = configure(database, "big"), configure(database, "other")
    child = configure(database, "child", checks=[reference])
    options = {"partial": True, "uses": lambda silver, columns: [f"gold.of_{silver}"]}
    results = bronze.ingest(database, big, child, other, **options)
    assert [result.table for result in results] == ["public.other"]
    assert (bronze.rows(other), bronze.manifest(big), bronze.manifest(child)) == ([(7,)], None, None)
    assert not [name for name in bronze.files() if "big" in name or "child" in name]
    stopped = {table.table: table.message for table in bronze.stopped("20260101T000000000Z-00000001")}
    assert stopped["public.big"].startswith("public.big: column 'd' (date) holds 'infinity', which bronze cannot hold")
    assert "used downstream by gold.of_big; hint:" in stopped["public.big"]
    assert stopped["public.child"] == "public.child references public.big, which is stopped"

    run_sql(database, "UPDATE big SET d = NULL WHERE d = 'infinity'")
    bronze.ingest(database, big, child, other, batch_id="b2")
    assert (bronze.manifest(big).rows, bronze.manifest(child).rows) == (40_000, 1)
