"""Random sequences of DDL and rows over several runs: silver equals the source after each, and a rebuild equals it."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from deltalake import DeltaTable

from cli.postgres.embedded import Server
from midnight.bronze_to_silver.batch_chain import batch_chain
from midnight.configuration.tables import Table
from midnight.run.document import RunDocument, TableWork
from spark_jobs.silver.run import build_silver
from tests.support.ingest_run import BronzeFolder, configure
from tests.support.other_postgres import drop_database

SEEDS = range(6)
RUNS = 5
CONFIGURED = ("note", "size", "amount")
TYPES = ("int", "text", "numeric(8,2)", "date", "boolean")
DEFAULTS = {"int": "7", "text": "'d''x'", "numeric(8,2)": "1.25", "date": "'2020-02-29'", "boolean": "true"}


class Source:
    """One table that changes."""

    def __init__(self, connection: psycopg.Connection[Any], seed: int) -> None:
        self.connection, self.random, self.name = connection, random.Random(seed), f"t{seed}"  # noqa: S311 - a sequence of changes
        self.extra: list[str] = []
        self.names = {name: name for name in CONFIGURED}  # configured column -> its name in the source
        self.added = self.rows = 0
        columns = "id int PRIMARY KEY, note text, size int, amount numeric(8,2), moved timestamptz"
        self.run(f"CREATE TABLE {self.name} ({columns})")

    def run(self, sql: str) -> None:
        self.connection.execute(sql)

    def change(self, day: int) -> None:
        """Up to two changes of the table, each of which ``evolve`` follows, then rows."""
        for _ in range(self.random.randint(0, 2) if day > 1 else 0):  # only a batch tells who a column is
            self.random.choice([self.add, self.add, self.rename, self.drop, self.replace, self.widen, self.comment])()
        first = self.rows + 1
        self.rows += self.random.randint(1, 6)
        new = f"SELECT i, '2024-01-{day:02}Z' FROM generate_series({first}, {self.rows}) i"
        self.run(f"INSERT INTO {self.name} (id, moved) {new}")
        column = self.random.choice(list(self.names.values()))
        self.run(
            f"UPDATE {self.name} SET {column} = {column}, moved = '2024-01-{day:02}Z' "
            f"WHERE id % {self.random.randint(2, 5)} = 0"
        )

    def add(self) -> None:
        """With or without a default; sometimes filled, which no cursor shows."""
        self.added += 1
        name, kind = f"extra{self.added}", self.random.choice(TYPES)
        default = f" DEFAULT {DEFAULTS[kind]}" if self.random.random() < 0.5 else ""
        self.run(f"ALTER TABLE {self.name} ADD {name} {kind}{default}")
        if self.random.random() < 0.5:
            self.run(f"UPDATE {self.name} SET {name} = {DEFAULTS[kind]} WHERE id % 2 = 0")
        self.extra.append(name)

    def rename(self) -> None:
        self.added += 1
        configured = self.random.choice(CONFIGURED)
        if configured in self.names:
            self.run(f"ALTER TABLE {self.name} RENAME {self.names[configured]} TO renamed{self.added}")
            self.names[configured] = f"renamed{self.added}"

    def drop(self) -> None:
        """A column, which sometimes comes back under its name."""
        if self.extra:
            name = self.extra.pop(self.random.randrange(len(self.extra)))
            self.run(f"ALTER TABLE {self.name} DROP {name}")
            if self.random.random() < 0.5:
                self.run(f"ALTER TABLE {self.name} ADD {name} text")
                self.extra.append(name)

    def widen(self) -> None:
        kind, name = self.random.choice([("bigint", "size"), ("numeric(10,2)", "amount")])
        self.run(f"ALTER TABLE {self.name} ALTER {self.names[name]} TYPE {kind}")

    def replace(self) -> None:
        """A configured column by another one of its name."""
        name = self.names["note"]
        self.run(f"ALTER TABLE {self.name} DROP {name}")
        self.run(f"ALTER TABLE {self.name} ADD {name} text DEFAULT 'again{self.added}'")

    def comment(self) -> None:
        self.run(f"COMMENT ON COLUMN {self.name}.{self.names['note']} IS 'c{self.added}'")


@pytest.fixture
def server(postgres_server: Server) -> Iterator[Server]:
    name = f"sequences_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as outside:
        outside.execute(f"CREATE DATABASE {name}")
        yield dataclasses.replace(postgres_server, database=name)
        drop_database(outside, name)


def silver(bronze: BronzeFolder, table: Table) -> list[dict[str, Any]]:
    return DeltaTable(bronze.paths.silver_table(table.silver)).to_pyarrow_table().sort_by("id").to_pylist()


def bring_to_silver(
    session: Any, bronze: BronzeFolder, tables: list[Table], batch_id: str, *, rebuild: bool = False
) -> None:
    works = []
    for table in tables:
        manifests = bronze.store.sealed_batches(table)
        chain = batch_chain(manifests[-1], {m.batch_id: m for m in manifests}.get)
        works.append(TableWork(table=table, batches=tuple(manifests) if rebuild else chain))
    lake = bronze.paths.as_dict()
    build_silver(session, RunDocument(batch_id=batch_id, run_id="r", lake=lake, tables=tuple(works), rebuild=rebuild))


def test_silver_follows_random_changes(server: Server, sail_session: Any, tmp_path: Path) -> None:
    bronze, modes = BronzeFolder(tmp_path), []
    with psycopg.connect(server.dsn, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        sources = [Source(connection, seed) for seed in SEEDS]
        given: dict[str, Any] = {"key": ("id",), "mode": "incremental", "cursor": "moved", "cursor_lag": 0}
        given |= {"full_snapshot_interval_days": 0, "reconcile": "digests"}
        tables = [configure(server, source.name, **given) for source in sources]
        for day in range(1, RUNS + 1):
            batch_id = f"202401{day:02}T120000000Z-00000001"
            for source in sources:
                source.change(day)
            bronze.ingest(server, *tables, batch_id=batch_id)
            bring_to_silver(sail_session, bronze, tables, batch_id)
            for table in tables:
                manifest = bronze.manifest(table)
                modes.append(manifest.mode)
                expected = connection.execute(f"SELECT * FROM {table.table} ORDER BY id").fetchall()
                names = {column.name: column.source for column in manifest.columns}
                found = [
                    {n: v for n, v in row.items() if not n.startswith("_midnight")} for row in silver(bronze, table)
                ]
                assert found == [{n: row[source] for n, source in names.items()} for row in expected], (
                    table.table,
                    day,
                )
    before = [silver(bronze, table) for table in tables]
    bring_to_silver(sail_session, bronze, tables, batch_id, rebuild=True)
    assert [silver(bronze, table) for table in tables] == before
    assert modes.count("incremental") > len(modes) / 2
