"""A read of a large table that was cut off continues with what is provably unchanged, and says so."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time

import pytest

from cli.postgres.embedded import Server
from midnight.bronze.unfinished import UnfinishedReads
from midnight.configuration.tables import Table
from midnight.errors import SourceError
from midnight.postgres_to_bronze import parallel_copy
from midnight.postgres_to_bronze.copy_stream import CopyStream
from midnight.postgres_to_bronze.load_group import GroupIngest
from midnight.postgres_to_bronze.read_place import SnapshotPlace
from tests.support.big_table import BIG, EVERY_ID, ids
from tests.support.ingest_run import BronzeFolder, address_of, configure, fetch, run_sql
from tests.support.other_postgres import needs_postgres

pytestmark = needs_postgres(14, "a table that is read in ranges")
BATCH = "20260101T000000000Z-00000001"
WIDE = (
    BIG[0],
    "ALTER TABLE big SET (autovacuum_enabled = off)",  # it would decide in which range a new version of a row lies
    "INSERT INTO big SELECT i, repeat('y', 200) FROM generate_series(1, 13500) i",
)


class Stop(BaseException):
    """The process was killed."""


class Reader:
    """Reads one table, and counts what the server sends."""

    def __init__(self, server: Server, bronze: BronzeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.bronze = server, bronze
        self.queries: list[str] = []
        receive = CopyStream.receive

        async def count(stream: CopyStream, connection, query: str) -> int:
            self.queries.append(query)
            return await receive(stream, connection, query)

        monkeypatch.setattr(CopyStream, "receive", count)

    def group(self, table: Table, lines: list[str], **options) -> GroupIngest:
        return dataclasses.replace(
            self.bronze.group(address_of(self.server), table, connections=options.pop("connections", 1)),
            log=lines.append,
            **options,
        )

    def cut_off(self, table: Table, after: int) -> int:
        """Read until so many ranges are complete, then end as a killed process does; returns the number of ranges."""
        lines: list[str] = []

        def log(line: str) -> None:
            lines.append(line)
            if f"(part {after} of" in line:
                raise Stop

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(UnfinishedReads, "clean_up", lambda *_: None)
            with pytest.raises(Stop):
                asyncio.run(dataclasses.replace(self.group(table, lines), log=log).run())
        self.queries.clear()
        return int(re.findall(r"of (\d+)\)", lines[-1])[0])

    def read(self, table: Table) -> str:
        """Read to the end; returns what is said about the earlier try."""
        lines: list[str] = []
        asyncio.run(self.group(table, lines).run())
        return " | ".join(line for line in lines if "resumed" in line or "starts again" in line)

    def equals_source(self, table: Table) -> bool:
        expected = fetch(self.server, f"SELECT * FROM public.{table.table}")
        return sorted(self.bronze.rows(table), key=repr) == sorted(expected, key=repr)


@pytest.fixture
def reader(database, bronze, monkeypatch):
    monkeypatch.setattr("midnight.postgres_to_bronze.page_ranges.SMALLEST_RANGE_PAGES", 40)
    monkeypatch.setattr("midnight.postgres_to_bronze.page_ranges.LARGEST_RANGE_PAGES", 40)
    monkeypatch.setattr(SnapshotPlace, "is_safe", True)  # otherwise a second after the last write
    return Reader(database, bronze, monkeypatch)


def test_what_is_unchanged_is_not_read_again(database, bronze, reader):
    run_sql(database, *WIDE)
    table = configure(database, "big")
    total = reader.cut_off(table, after=8)
    assert total == 10
    said = reader.read(table)
    assert re.fullmatch(r"public\.big: resumed: 7 of 10 ranges unchanged since 20.* UTC, 3 read", said)
    assert len(reader.queries) == 3
    assert reader.equals_source(table)
    assert not [name for name in bronze.files() if "unfinished" in name]
    assert len([name for name in bronze.files() if name.endswith(".parquet")]) == len(bronze.manifest(table).files)


@pytest.mark.parametrize(
    ("change", "reread"),
    [
        ("UPDATE big SET filler = 'changed' WHERE id = 100", 1),  # and its new version is in the last range
        ("DELETE FROM big WHERE id IN (1, 2)", 1),
        ("INSERT INTO big VALUES (99999, 'new')", 0),
        ("UPDATE big SET filler = filler WHERE id IN (1, 2000)", 2),
        ("BEGIN; DELETE FROM big WHERE id = 5; INSERT INTO big VALUES (5, 'again'); COMMIT", 1),
        ("VACUUM (FREEZE) big", 0),
        ("BEGIN; UPDATE big SET filler = 'never' WHERE id = 100; ROLLBACK", 0),
        ("DELETE FROM big WHERE id = 7; VACUUM big; INSERT INTO big VALUES (7, repeat('y', 200))", 1),
        ("ALTER TABLE big SET (fillfactor = 50); ANALYZE big", 0),
    ],
)
def test_only_changed_ranges_are_read_again(database, reader, change, reread):
    run_sql(database, *WIDE)
    table = configure(database, "big")
    reader.cut_off(table, after=8)
    run_sql(database, *change.split("; ") if "BEGIN" not in change else [change])
    said = reader.read(table)
    found = re.search(r"resumed: (\d) of 10", said)
    assert found, said
    assert int(found[1]) == 7 - reread
    assert reader.equals_source(table)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("TRUNCATE big; INSERT INTO big SELECT i, 'z' FROM generate_series(1, 9000) i", "truncated, rewritten"),
        ("VACUUM FULL big", "truncated, rewritten"),
        ("CLUSTER big USING big_pkey", "truncated, rewritten"),
        ("ALTER TABLE big ADD COLUMN more int DEFAULT 5", "its definition or its configuration has changed"),
        ("ALTER TABLE big ALTER filler TYPE varchar", "its definition or its configuration has changed"),
        ("ALTER TABLE big RENAME TO old; CREATE TABLE big (LIKE old INCLUDING ALL); INSERT INTO big SELECT * FROM old",
         "truncated, rewritten or created again"),
    ],
)  # fmt: skip
def test_it_starts_again_and_says_why(database, reader, change, reason):
    run_sql(database, *WIDE)
    table = configure(database, "big")
    reader.cut_off(table, after=8)
    run_sql(database, *change.split("; "))
    said = reader.read(table)
    assert said.startswith("public.big: starts again: ")
    assert reason in said
    if "COLUMN" not in change:
        assert reader.equals_source(table)


def test_a_renamed_label_of_an_enum_changes_rows_that_were_not_written(database, reader):
    run_sql(
        database,
        "CREATE TYPE colour AS ENUM ('red', 'blue')",
        "CREATE TABLE big (id int, shade colour, filler text)",
        "INSERT INTO big SELECT i, 'red', repeat('y', 200) FROM generate_series(1, 13500) i",
    )
    table = configure(database, "big")
    reader.cut_off(table, after=8)
    run_sql(database, "ALTER TYPE colour RENAME VALUE 'red' TO 'crimson'")
    assert "its definition or its configuration has changed" in reader.read(table)
    assert reader.equals_source(table)


def test_rows_of_a_transaction_that_was_open_then_are_found(database, reader):
    """Its id is smaller than those of rows that were visible; with a savepoint it is in no list of a snapshot."""
    import psycopg

    run_sql(database, *WIDE)
    table = configure(database, "big")
    with psycopg.connect(database.dsn) as other:
        with other.transaction(), other.transaction():
            other.execute("DELETE FROM big WHERE id = 3")
            other.execute("INSERT INTO big SELECT 33333, repeat('y', 200)")
        other.rollback()
    with psycopg.connect(database.dsn) as other:
        other.execute("SELECT pg_current_xact_id()")
        other.execute("SAVEPOINT inner_one")
        other.execute("UPDATE big SET filler = repeat('w', 10) WHERE id = 3")
        run_sql(database, "UPDATE big SET filler = 'committed before the read' WHERE id = 400")
        reader.cut_off(table, after=8)
        other.commit()
    assert "resumed: " in reader.read(table)
    assert reader.equals_source(table)


def test_a_damaged_file_is_read_again(database, bronze, reader):
    run_sql(database, *WIDE)
    table = configure(database, "big")
    reader.cut_off(table, after=8)
    record = UnfinishedReads(bronze.store, "main", BATCH).read_all([table])["public.big"]
    path = bronze.root / "bronze" / "test" / "public.big" / BATCH / record.finished[0].file.name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert re.search("resumed: 6 of 10", reader.read(table))
    assert reader.equals_source(table)


def test_an_incremental_table_resumes_its_increments_too(database, bronze, reader):
    run_sql(
        database,
        "CREATE TABLE big (id int PRIMARY KEY, filler text, moved int)",
        "INSERT INTO big SELECT i, repeat('y', 200), i FROM generate_series(1, 13500) i",
    )
    fields = {
        "mode": "incremental",
        "cursor": "moved",
        "key": ("id",),
        "cursor_lag": 1_000_000,
        "full_snapshot_interval_days": 0,
    }
    table = configure(database, "big", **fields)
    first = bronze.group(address_of(database), table, batch_id="20250101T000000000Z-00000001", connections=1)
    asyncio.run(first.run())
    reader.cut_off(table, after=8)
    run_sql(database, "UPDATE big SET moved = 300000 WHERE id = 10", "DELETE FROM big WHERE id = 1")
    assert "resumed: 6 of" in reader.read(table)
    manifest = bronze.manifest(table)
    assert (manifest.mode, manifest.rows) == ("incremental", 13500 - 1)
    assert (manifest.cursor.lowest, manifest.cursor.highest) == ("2", "300000")


def test_one_lost_connection_of_several_joins_the_snapshot_again(database, bronze, reader, monkeypatch):
    run_sql(database, *BIG)
    table = configure(database, "big")
    lines: list[str] = []
    ended: list[int] = []

    receive = CopyStream.receive

    def replaced() -> int:
        return sum("now reading on with another connection" in line for line in lines)

    async def wait_for_the_other(stream: CopyStream, connection, query: str) -> int:
        """On a busy machine the others would have read everything before a lost one is replaced."""
        deadline = time.monotonic() + 5
        while replaced() < len(ended) and not connection.is_closed() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return await receive(stream, connection, query)

    monkeypatch.setattr(CopyStream, "receive", wait_for_the_other)

    def end_one(line: str) -> None:
        lines.append(line)
        if len(ended) < 3 and "(part" in line and replaced() == len(ended):
            order = "ASC" if len(ended) % 2 == 0 else "DESC"
            run_sql(
                database,
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = "
                f"current_database() AND application_name = 'midnight' ORDER BY backend_start {order} LIMIT 1) AS one",
                "INSERT INTO big SELECT max(id) + 1, 'after the snapshot' FROM big",
            )
            ended.append(1)

    asyncio.run(dataclasses.replace(reader.group(table, [], connections=3), log=end_one).run())
    assert ended
    assert sum("now reading on with another connection inside the same snapshot" in line for line in lines) >= 1
    assert ids(bronze, table) == EVERY_ID
    assert len([name for name in bronze.files() if name.endswith(".parquet")]) == len(bronze.manifest(table).files)


def test_when_all_connections_are_lost_the_try_fails_at_once(database, bronze, reader):
    run_sql(database, *BIG)
    table = configure(database, "big")

    def end_all(line: str) -> None:
        run_sql(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
            "application_name = 'midnight'",
        )

    group = dataclasses.replace(reader.group(table, [], connections=3), log=end_all)
    with pytest.raises(SourceError, match=r"while public\.big was read"):
        asyncio.run(asyncio.wait_for(group.run(), 20))
    assert "resumed" in reader.read(table)
    assert ids(bronze, table) == EVERY_ID
    assert parallel_copy._MOST_REPLACEMENTS > 0
