"""Runs the extraction for a test: a configuration made from the catalogue, a lake in a temporary folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import psycopg
import pyarrow
from pyarrow import parquet

from cli.postgres.embedded import Server
from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import Manifest
from midnight.bronze.stopped_tables import StoppedTable, read_stopped_tables
from midnight.configuration.columns import Column
from midnight.configuration.source import LoadGroup
from midnight.configuration.tables import Table
from midnight.errors import StoppedTablesError
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.paths import LakePaths
from midnight.names import safe_names
from midnight.postgres_to_bronze.catalogue import read_catalogue
from midnight.postgres_to_bronze.load_group import GroupIngest
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.table_result import TableResult

Policy = Literal["fail", "text", "null"]


def run_sql(server: Server, *statements: str) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def fetch(server: Server, query: str) -> list[tuple[Any, ...]]:
    """Rows as psycopg gives them, in a session with the settings that Midnight uses."""
    with psycopg.connect(server.dsn) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET IntervalStyle = 'iso_8601'; SET search_path = pg_catalog")
        connection.execute("SET extra_float_digits = 3")  # the shortest exact form, before 12 as well
        return connection.execute(query).fetchall()


def address_of(server: Server) -> SourceAddress:
    return SourceAddress(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=server.database,
        connection_id="midnight_source",
    )


def configure(
    server: Server,
    name: str,
    *,
    schema: str = "public",
    bronze_type: dict[str, str] | None = None,
    on_unrepresentable: dict[str, Policy] | None = None,
    **fields,
) -> Table:
    """A table's configuration as the catalogue suggests it."""

    async def read():
        connection = await connect(address_of(server))
        try:
            return (await read_catalogue(connection, tables=[(schema, name)]))[schema, name]
        finally:
            await connection.close()

    found = asyncio.run(read())
    names = safe_names([column.name for column in found.columns])
    policies: dict[str, Policy] = on_unrepresentable or {}
    columns = [
        Column(
            name=safe,
            source=column.name,
            type=column.type,
            bronze_type=(bronze_type or {}).get(column.name),
            on_unrepresentable=policies.get(column.name, "fail"),
        )
        for safe, column in zip(names, found.columns, strict=True)
    ]
    silver = safe_names([name.encode("ascii", "replace").decode()])[0]
    return Table(**{"schema": schema, "table": name, "silver": silver, "columns": columns, **fields})


class BronzeFolder:
    """A lake in a folder, and what the source was loaded into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lake: LakeFiles = open_local_lake()
        self.paths = LakePaths.below(str(root))

    @property
    def store(self) -> BronzeStore:
        return BronzeStore(self.lake, self.paths, "test")

    def ingest(
        self,
        server: Server,
        *tables: Table,
        batch_id: str = "20260101T000000000Z-00000001",
        connections: int = 2,
        partial: bool = False,
        **options: Any,
    ) -> list[TableResult]:
        """Ingest; unless ``partial``, a stopped table is an error, as it is at the end of a run."""
        group = self.group(address_of(server), *tables, batch_id=batch_id, connections=connections, **options)
        results = asyncio.run(group.run())
        stopped = self.stopped(batch_id)
        if stopped and not partial:
            raise StoppedTablesError("; ".join(table.message for table in stopped))
        return results

    def stopped(self, batch_id: str) -> tuple[StoppedTable, ...]:
        """The tables that the run of a batch has stopped."""
        return read_stopped_tables(self.store, ["main"], batch_id)

    def group(
        self,
        address: SourceAddress,
        *tables: Table,
        batch_id="20260101T000000000Z-00000001",
        connections: int = 2,
        **options: Any,
    ) -> GroupIngest:
        return GroupIngest(
            address=address,
            bronze=self.store,
            tables=tables,
            group=LoadGroup(name="main", connections=connections),
            batch_id=batch_id,
            run_id="manual__1",
            **{"log": lambda line: None, **options},
        )

    def manifest(self, table: Table) -> Manifest | None:
        return self.store.newest_sealed_batch(table)

    def read(self, table: Table) -> pyarrow.Table:
        """All rows of the newest sealed batch."""
        manifest = self.manifest(table)
        assert manifest is not None
        return pyarrow.concat_tables(
            [parquet.read_table(self.lake.open_input(path)) for path in manifest.file_paths(self.paths)]
        )

    def rows(self, table: Table) -> list[tuple[Any, ...]]:
        read = self.read(table)
        return list(zip(*(column.to_pylist() for column in read.columns), strict=True)) if read.num_rows else []

    def files(self) -> list[str]:
        """Every file of the lake, relative to its root."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())
