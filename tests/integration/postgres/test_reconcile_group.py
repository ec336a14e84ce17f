"""The comparison as part of the ingest: what a difference stops, what is not compared, and what is said about it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pyarrow import parquet

from midnight.errors import ReconciliationError
from midnight.postgres_to_bronze import load_group
from midnight.postgres_to_bronze.reconcile_bronze import reconcile_bronze
from midnight.reconciliation.hashing import Hashing
from tests.support.ingest_run import configure, run_sql
from tests.support.other_postgres import needs_postgres
from tests.support.tampered_bronze import damage

TABLE = """
CREATE TABLE {name} AS SELECT i AS id, 'secret ' || i AS email, i % 7 AS kind, now() + make_interval(secs => i) AS seen
FROM generate_series(1, 400) i
"""


@pytest.fixture
def damaged(monkeypatch):
    """Each batch is damaged between the reading and the comparison; the fault can be chosen."""
    chosen: dict[str, Any] = {"fault": "changed value", "column": "email"}

    async def damage_and_compare(connections, tables, **options):
        for table in tables:
            folder = options["folder"](table.plan.table)
            for file in table.files.values():
                rows = parquet.read_table(f"{folder}/{file.name}")
                kept = [name for name in rows.column_names if name not in ("id", chosen["column"])]
                changed, chosen["damage"] = damage(rows, chosen["fault"], random.Random(1), ["id", *kept])  # noqa: S311
                parquet.write_table(changed, f"{folder}/{file.name}")
        return await reconcile_bronze(connections, tables, **options)

    monkeypatch.setattr(load_group, "reconcile_bronze", damage_and_compare)
    return chosen


def table_with_key(database, name="people", **fields):
    run_sql(database, TABLE.format(name=name), f"ALTER TABLE {name} ADD PRIMARY KEY (id)")
    return configure(database, name, key=["id"], **fields)


def test_a_difference_stops_the_group_before_anything_is_sealed(database, bronze, damaged):
    tables = [table_with_key(database, name, reconcile="digests") for name in ("people", "others")]
    with pytest.raises(ReconciliationError) as error:
        bronze.ingest(database, *tables)
    (key,) = damaged["damage"].keys
    assert "nothing was sealed" in str(error.value)
    assert "source = bronze: public.people, column 'email', bucket" in str(error.value)
    assert f"key (id = '{key}'): changed value; source has 'secret {key}', bronze has 'secret {key} '" in str(
        error.value
    )
    assert bronze.files() == []


def test_no_value_of_a_masked_column_is_shown(database, bronze, damaged):
    table = table_with_key(database, reconcile="digests", new_columns="ignore")
    masked = [c.model_copy(update={"mask": "pseudonym"} if c.name == "email" else {}) for c in table.columns]
    with pytest.raises(ReconciliationError) as error:
        bronze.ingest(database, table.model_copy(update={"columns": tuple(masked)}))
    assert "column 'email'" in str(error.value)
    assert "the values differ (masked)" in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("fault", ["lost row", "extra row", "changed value"])
def test_counts_find_lost_and_doubled_rows_and_sums(database, bronze, damaged, fault):
    damaged.update(fault=fault, column="kind")
    with pytest.raises(ReconciliationError) as error:
        bronze.ingest(database, table_with_key(database))
    (key,) = damaged["damage"].keys
    assert f"key (id = '{key}'): {fault}" in str(error.value)


def test_the_manifest_records_what_was_compared(database, bronze):
    lines: list[str] = []
    tables = [
        table_with_key(database, name, reconcile=method)
        for name, method in (("a", "digests"), ("b", "counts"), ("c", "off"))
    ]
    bronze.ingest(database, *tables, log=lines.append)
    records = [bronze.manifest(table).reconciliation for table in tables]
    assert [(r.status, r.method, r.rows) for r in records] == [
        ("equal", "digests", 400),
        ("equal", "counts", 400),
        ("not checked", "off", 400),
    ]
    assert records[2].reason == "reconcile: off"
    assert lines[-1].startswith("bronze = source at LSN ")
    assert lines[-1].endswith(", 2 of 3 tables")


def test_each_table_takes_its_turn(database, bronze):
    tables = [table_with_key(database, f"t{number}") for number in range(4)]
    checked = []
    for run in range(6):
        run_sql(database, *(f"DELETE FROM {table.table} WHERE id = {run + 1}" for table in tables))
        bronze.ingest(database, *tables, batch_id=f"2026010{run + 1}T000000000Z-00000001", reconcile_every=3)
        checked.append([bronze.manifest(table).reconciliation.status == "equal" for table in tables])
    for turns in zip(*checked, strict=True):
        assert sum(turns) == 2
        assert turns[:3] == turns[3:]
    assert not all(checked[0])


def test_a_view_that_changes_with_each_read_is_not_a_difference(database, bronze):
    run_sql(database, "CREATE VIEW v AS SELECT i AS id, random() AS chance FROM generate_series(1, 50) i")
    table = configure(database, "v", reconcile="digests", key=["id"])
    bronze.ingest(database, table)
    record = bronze.manifest(table).reconciliation
    assert record.status == "not checked"
    assert "two reads of one snapshot gave different rows" in record.reason


def test_a_query_that_the_server_refuses_is_recorded_and_stops_nothing(database, bronze, monkeypatch):
    monkeypatch.setattr("midnight.reconciliation.counts.CountsPlan.query", lambda plan, condition: "SELECT 1/0")
    tables = [table_with_key(database, name) for name in ("a", "b")]
    bronze.ingest(database, *tables)
    for table in tables:
        record = bronze.manifest(table).reconciliation
        assert (record.status, record.reason) == ("not checked", "the server refused the query: division by zero")


@pytest.mark.parametrize(
    "hashing",
    [
        Hashing(seeded=False),
        pytest.param(Hashing(utf8=False), marks=needs_postgres(11, "a hash with a seed")),
        Hashing(seeded=False, utf8=False),
    ],
)
def test_servers_that_hash_in_another_way(database, bronze, damaged, monkeypatch, hashing):
    async def as_told(sides):
        return hashing

    monkeypatch.setattr("midnight.postgres_to_bronze.reconcile_sides.Sides.hashing", as_told)
    with pytest.raises(ReconciliationError) as error:
        bronze.ingest(database, table_with_key(database, reconcile="digests"))
    (key,) = damaged["damage"].keys
    assert str(error.value).count("changed value") == 1
    assert "column 'email', bucket" in str(error.value)
    assert f"(id = '{key}')" in str(error.value)


@pytest.fixture
def wide(database):
    """A table that needs more figures than PostgreSQL computes in one query."""
    columns = ["id int PRIMARY KEY", *(f"c{number} int" for number in range(900))]
    run_sql(
        database,
        f"CREATE TABLE wide ({', '.join(columns)})",
        "INSERT INTO wide (id, c5, c899) SELECT i, 2 * i, -i FROM generate_series(1, 30) i",
    )
    return configure(database, "wide", key=("id",), reconcile="counts")


def test_all_columns_of_a_wide_table_are_counted(database, bronze, wide):
    bronze.ingest(database, wide)
    record = bronze.manifest(wide).reconciliation
    assert (record.status, record.rows) == ("equal", 30)
    assert record.compared == "counts, sums and extremes of 901 columns"


def test_a_difference_in_the_last_column_of_a_wide_table_is_found(database, bronze, wide, damaged):
    damaged.update(column="c899")
    with pytest.raises(ReconciliationError, match="column 'c899'"):
        bronze.ingest(database, wide)
