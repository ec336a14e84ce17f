"""DDL of other sessions between the plan of a load group and its last row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from midnight.errors import SourceError
from midnight.postgres_to_bronze.parallel_copy import ParallelCopy
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
