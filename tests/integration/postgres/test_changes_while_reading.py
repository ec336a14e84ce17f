"""DDL of other sessions between the plan of a load group and its last row."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.errors import SourceError
from midnight.postgres_to_bronze.parallel_copy import ParallelCopy
from midnight.postgres_to_bronze.relation_locks import lock_others
from midnight.postgres_to_bronze.snapshot import export_snapshot
from tests.support.ingest_run import BronzeFolder, configure, run_sql

BATCH = "20260101T000000000Z-00000001"


@pytest.fixture
def tables(database: Server) -> list[Table]:
    """``b`` references ``a``; ``c`` stands alone."""
    run_sql(database, *(f"CREATE TABLE {name} AS SELECT 1 AS id, 'x' AS v" for name in ("a", "b", "c")))
    check = {"rule": "foreign_key", "columns": ["id"], "table": "a", "references": ["id"]}
    fields: dict[str, dict[str, Any]] = {"a": {}, "b": {"checks": [check]}, "c": {}}
    return [configure(database, name, key=("id",), key_is_unique=False, **more) for name, more in fields.items()]


@pytest.fixture
def before_the_locks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let something happen each time that the tables are planned and not yet locked."""

    def arrange(happen: Callable[[], None]) -> None:

        async def after(*arguments: Any) -> Any:
            happen()
            return await export_snapshot(*arguments)

        monkeypatch.setattr("midnight.postgres_to_bronze.open_group.export_snapshot", after)

    return arrange


@pytest.mark.parametrize(
    "case",
    [
        ("ALTER TABLE a ALTER v TYPE int USING 1", "column 'v' is integer in the source"),
        ("ALTER TABLE a DROP id", "public.a has no column 'id'"),
        ("DROP TABLE a", "the source has no table or view public.a"),
        ("ALTER TABLE a RENAME TO old_a", "the source has no table or view public.a"),
    ],
)
def test_a_change_before_the_locks_stops_the_table_and_those_that_reference_it(
    database: Server, bronze: BronzeFolder, tables: list[Table], before_the_locks: Any, case: tuple[str, str]
) -> None:
    changes, message = [case[0]], case[1]
    before_the_locks(lambda: run_sql(database, *changes[:1]) or changes.clear())
    bronze.ingest(database, *tables, batch_id=BATCH, partial=True)
    a, b, c = (bronze.manifest(table) for table in tables)
    assert (a, b) == (None, None)
    assert c is not None
    found = {table.silver: table.message for table in bronze.stopped(BATCH)}
    assert message in found["a"]
    assert found["b"] == "public.b references public.a, which is stopped"


def test_a_table_that_is_replaced_before_the_locks_is_read_as_it_is_then(
    database: Server, bronze: BronzeFolder, tables: list[Table], before_the_locks: Any
) -> None:
    changes = ["DROP TABLE a", "CREATE TABLE a AS SELECT 5 AS id, 'new' AS v"]
    before_the_locks(lambda: run_sql(database, *changes) or changes.clear())
    bronze.ingest(database, *tables, batch_id=BATCH)
    assert bronze.rows(tables[0]) == [(5, "new")]


def test_tables_that_are_replaced_again_and_again_fail_the_task_which_is_retried(
    database: Server, bronze: BronzeFolder, tables: list[Table], before_the_locks: Any
) -> None:
    before_the_locks(lambda: run_sql(database, "DROP TABLE a", "CREATE TABLE a (id int, v text)"))
    with pytest.raises(SourceError, match="other sessions replaced tables of the load group 5 times") as caught:
        bronze.ingest(database, *tables, batch_id=BATCH)
    assert caught.value.retryable
    assert bronze.files() == []


def test_a_change_while_rows_are_read_waits(
    database: Server, bronze: BronzeFolder, tables: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ParallelCopy.run
    refused: list[str] = []

    async def changed(self: ParallelCopy, *arguments: Any) -> None:
        for change in ("ALTER TABLE a DROP v", "DROP TABLE a", "ALTER TABLE a RENAME v TO w", "TRUNCATE a"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                run_sql(database, "SET lock_timeout = '50ms'", change)
            refused.append(change)
        await run(self, *arguments)

    monkeypatch.setattr(ParallelCopy, "run", changed)
    bronze.ingest(database, *tables, batch_id=BATCH)
    assert len(refused) == 4
    assert bronze.rows(tables[0]) == [(1, "x")]


@pytest.fixture
def relations(database: Server) -> Iterator[tuple[Server, dict[str, Table]]]:
    """What LOCK TABLE does not lock for a role that may only read, each with 50 rows; and the role."""
    role = f"reader_{secrets.token_hex(4)}"
    run_sql(
        database,
        "CREATE TABLE base AS SELECT i AS id, 'x' || i AS v FROM generate_series(1, 50) i",
        "CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (100)",
        "INSERT INTO parts SELECT * FROM base",
        "CREATE VIEW of_table AS SELECT * FROM base",
        "CREATE VIEW of_parts AS SELECT * FROM parts",
        "CREATE MATERIALIZED VIEW materialized AS SELECT * FROM base",
        "CREATE VIEW of_materialized AS SELECT * FROM materialized",
        "CREATE TABLE columns AS SELECT *, 'secret' AS hidden FROM base",
        "CREATE TABLE column_parts (id int, v text, hidden text) PARTITION BY RANGE (id)",
        "CREATE TABLE column_part PARTITION OF column_parts FOR VALUES FROM (0) TO (100)",
        "INSERT INTO column_parts SELECT * FROM columns",
        f"CREATE ROLE {role} LOGIN PASSWORD 'reader-password'",
        f"GRANT SELECT ON of_table, of_parts, of_materialized, materialized TO {role}",
        f"GRANT SELECT (id, v) ON columns, column_parts TO {role}",
    )
    names = ("of_table", "of_parts", "of_materialized", "materialized", "columns", "column_parts")
    found = {name: configure(database, name) for name in names}
    for name, table in found.items():
        fields = {"columns": tuple(c for c in table.columns if c.name != "hidden"), "new_columns": "ignore"}
        found[name] = table.model_copy(update=fields)
    yield dataclasses.replace(database, user=role, password="reader-password"), found
    run_sql(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


DDL = [
    ("of_table", "TRUNCATE base"),
    ("of_table", "ALTER TABLE base ADD w float DEFAULT random()"),
    ("of_parts", "TRUNCATE part"),
    ("of_parts", "ALTER TABLE parts DETACH PARTITION part"),
    ("of_materialized", "REFRESH MATERIALIZED VIEW materialized"),
    ("materialized", "REFRESH MATERIALIZED VIEW materialized"),
    ("columns", "TRUNCATE columns"),
    ("columns", "ALTER TABLE columns ADD w float DEFAULT random()"),
    ("column_parts", "TRUNCATE column_part"),
    ("column_parts", "ALTER TABLE column_parts DETACH PARTITION column_part"),
]


@pytest.mark.parametrize("case", DDL, ids=str)
def test_views_and_tables_with_rights_on_some_columns_do_not_change_while_they_are_read(
    database: Server, bronze: BronzeFolder, relations: Any, monkeypatch: pytest.MonkeyPatch, case: Any
) -> None:
    (name, change), run = case, ParallelCopy.run
    refused: list[str] = []

    async def changed(self: ParallelCopy, *arguments: Any) -> None:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run_sql(database, "SET lock_timeout = '50ms'", change)
        refused.append(change)
        await run(self, *arguments)

    monkeypatch.setattr(ParallelCopy, "run", changed)
    bronze.ingest(relations[0], relations[1][name], batch_id=BATCH)
    assert refused == [change]
    assert len(bronze.rows(relations[1][name])) == 50


@pytest.mark.parametrize("case", [case for case in DDL if case[0] not in ("of_table", "of_parts")], ids=str)
def test_a_change_between_the_snapshot_and_the_locks_takes_another_snapshot(
    database: Server, bronze: BronzeFolder, relations: Any, monkeypatch: pytest.MonkeyPatch, case: Any
) -> None:
    name, change = case
    snapshots: list[int] = []

    async def after_a_change(*arguments: Any) -> None:
        if not snapshots:
            run_sql(database, change, "INSERT INTO columns VALUES (77, 'new', 'x')")
        snapshots.append(1)
        await lock_others(*arguments)

    monkeypatch.setattr("midnight.postgres_to_bronze.snapshot.lock_others", after_a_change)
    bronze.ingest(relations[0], relations[1][name], batch_id=BATCH, connections=1)
    assert len(snapshots) == 2
    expected = {"columns": 1 if "TRUNCATE" in change else 51, "column_parts": 0}.get(name, 50)
    assert len(bronze.rows(relations[1][name])) == expected


def test_a_view_whose_owner_may_not_read_its_table_is_named(
    database: Server, bronze: BronzeFolder, relations: Any
) -> None:
    role = f"owner_{secrets.token_hex(4)}"
    run_sql(database, f"CREATE ROLE {role}", f"GRANT CREATE ON SCHEMA public TO {role}")
    run_sql(database, f"ALTER VIEW of_table OWNER TO {role}")
    try:
        with pytest.raises(SourceError, match=r"denied for (table|relation) base.*one of view public\.of_table"):
            bronze.ingest(relations[0], relations[1]["of_table"], batch_id=BATCH)
        run_sql(database, f"GRANT SELECT (id, v) ON base TO {role}")  # LOCK TABLE needs all columns
        bronze.ingest(relations[0], relations[1]["of_table"], batch_id=BATCH)
        assert len(bronze.rows(relations[1]["of_table"])) == 50
    finally:
        run_sql(database, f"REASSIGN OWNED BY {role} TO CURRENT_USER", f"DROP OWNED BY {role}", f"DROP ROLE {role}")
