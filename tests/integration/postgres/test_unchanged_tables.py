"""A snapshot table that provably has not changed gets no new batch; every kind of change is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.bronze.unchanged import newest_read, read_unchanged, unchanged_at
from midnight.configuration.tables import Table
from midnight.run.superseded import superseded_by
from tests.support.incremental_ingest import batch_of_day, by_data_factory, by_operator, manifests
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.other_postgres import needs_postgres

CREATE = (
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TYPE pair AS (a int, b mood)",
    "CREATE DOMAIN moods AS mood[]",
    "CREATE TABLE facts (id int PRIMARY KEY, note varchar(20), pairs pair[], feeling moods, at timestamptz)",
    "INSERT INTO facts SELECT i, 'note', ARRAY[(i, 'good')::pair], ARRAY['bad']::mood[], now() "
    "FROM generate_series(1, 20) i",
)


@pytest.fixture
def facts(database: Server) -> Table:
    run_sql(database, *CREATE)
    return configure(database, "facts", key=("id",))


def batches(bronze: BronzeFolder, table: Table) -> list[str]:
    return [manifest.batch_id for manifest in manifests(bronze, table)]


def test_no_new_batch_and_the_run_says_so(database: Server, bronze: BronzeFolder, facts: Table) -> None:
    lines: list[str] = []
    by_operator(database, bronze, facts, batch_id=batch_of_day(1))
    run_sql(database, "VACUUM FULL FREEZE facts", "ANALYZE facts", "CREATE INDEX ON facts (note)")
    results = bronze.ingest(database, facts, batch_id=batch_of_day(2), log=lines.append)
    assert batches(bronze, facts) == [batch_of_day(1)]
    assert [(r.rows, r.kept) for r in results] == [(20, True)]
    assert lines == [f"public.facts: unchanged since batch {batch_of_day(1)}; no new batch"]
    newest = bronze.manifest(facts)
    known = read_unchanged(bronze.store, "main")
    assert unchanged_at(known, facts, newest) > newest.horizon.clock
    assert newest_read(bronze.store, facts) == batch_of_day(2)
    bronze.ingest(database, facts, batch_id=batch_of_day(3), full_reload=True)
    assert batches(bronze, facts) == [batch_of_day(1), batch_of_day(3)]
    assert unchanged_at(known, facts, bronze.manifest(facts)) is None


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO facts (id) VALUES (21)",
        "UPDATE facts SET note = note WHERE id = 3",
        "DELETE FROM facts WHERE id = 3",
        "DELETE FROM facts WHERE id = 3; INSERT INTO facts SELECT 3",
        "TRUNCATE facts; INSERT INTO facts (id) SELECT generate_series(1, 20)",
        "CREATE TABLE copy (LIKE facts INCLUDING ALL); INSERT INTO copy TABLE facts; DROP TABLE facts; "
        "ALTER TABLE copy RENAME TO facts",
        "ALTER TYPE mood RENAME VALUE 'good' TO 'fine'",
        "ALTER TYPE pair RENAME ATTRIBUTE a TO first",
        "ALTER TABLE facts ALTER note TYPE varchar(30)",
        "ALTER TABLE facts ADD more int DEFAULT 7",
        "ALTER TABLE facts RENAME note TO remark; ALTER TABLE facts ADD note varchar(20)",
        "CREATE EXTENSION citext",
    ],
)
def test_every_change_is_noticed(database: Server, bronze: BronzeFolder, facts: Table, change: str) -> None:
    by_operator(database, bronze, facts, batch_id=batch_of_day(1))
    run_sql(database, change)
    by_operator(database, bronze, facts, batch_id=batch_of_day(2))
    assert batches(bronze, facts) == [batch_of_day(1), batch_of_day(2)]


def test_a_transaction_that_was_open_is_noticed(database: Server, bronze: BronzeFolder, facts: Table) -> None:
    with psycopg.connect(database.dsn) as writer:
        writer.execute("UPDATE facts SET note = 'late' WHERE id = 3")
        by_operator(database, bronze, facts, batch_id=batch_of_day(1))
        by_operator(database, bronze, facts, batch_id=batch_of_day(2))
        assert batches(bronze, facts) == [batch_of_day(1)]
    by_operator(database, bronze, facts, batch_id=batch_of_day(3))
    assert batches(bronze, facts) == [batch_of_day(1), batch_of_day(3)]


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE VIEW t AS SELECT * FROM facts"],
        ["CREATE TABLE t (id int, c regclass)"],
        pytest.param(
            ["CREATE TABLE t (id int, d int GENERATED ALWAYS AS (id * 2) VIRTUAL)"],
            marks=needs_postgres(18, "a virtual column"),
        ),
    ],
)
def test_what_cannot_be_proved_is_read(
    database: Server, bronze: BronzeFolder, facts: Table, statements: list[str]
) -> None:
    assert facts.key
    run_sql(database, *statements)
    table = configure(database, "t")
    for day in (1, 2):
        by_operator(database, bronze, table, batch_id=batch_of_day(day))
    assert len(batches(bronze, table)) == 2


def test_a_damaged_batch_and_one_of_data_factory_are_read_again(
    database: Server, bronze: BronzeFolder, facts: Table
) -> None:
    by_operator(database, bronze, facts, batch_id=batch_of_day(1))
    Path(bronze.manifest(facts).file_paths(bronze.paths)[0]).unlink()
    by_operator(database, bronze, facts, batch_id=batch_of_day(2))
    plain = configure(database, "facts", key=("id",)).model_copy(update={"columns": facts.columns[:2]})
    by_data_factory(database, bronze, plain, batch_id=batch_of_day(3))
    by_operator(database, bronze, facts, batch_id=batch_of_day(4))
    assert batches(bronze, facts) == [batch_of_day(day) for day in (1, 2, 3, 4)]


def test_a_retry_takes_no_table_from_a_later_snapshot(database: Server, bronze: BronzeFolder, facts: Table) -> None:
    run_sql(database, "CREATE TABLE other AS SELECT 1 AS id")
    other = configure(database, "other")
    by_operator(database, bronze, facts, other, batch_id=batch_of_day(1))
    run_sql(database, "UPDATE other SET id = 2")
    by_operator(database, bronze, facts, other, batch_id=batch_of_day(2))
    run_sql(database, "UPDATE facts SET note = 'later' WHERE id = 3")
    by_operator(database, bronze, facts, other, batch_id=batch_of_day(2))  # cleared
    assert (batches(bronze, facts), len(batches(bronze, other))) == ([batch_of_day(1)], 2)
    shutil.rmtree(bronze.paths.batch("test", "public", "other", batch_of_day(2)))
    by_operator(database, bronze, facts, other, batch_id=batch_of_day(2))  # nothing is sealed: a new snapshot of both
    assert (len(batches(bronze, facts)), len(batches(bronze, other))) == (2, 2)


def test_a_run_before_one_that_found_the_table_unchanged_is_superseded(
    database: Server, bronze: BronzeFolder, facts: Table
) -> None:
    by_operator(database, bronze, facts, batch_id=batch_of_day(1))
    by_operator(database, bronze, facts, batch_id=batch_of_day(3))
    bronze.lake.write_text(bronze.paths.run_document(batch_of_day(3)), "{}")
    assert superseded_by(bronze.store, [facts], batch_of_day(2)) == batch_of_day(3)
    assert superseded_by(bronze.store, [facts], batch_of_day(4)) is None
