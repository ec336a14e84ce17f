"""A whole load group: one snapshot, parallel connections, files, and the seal as the last step."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg  # noqa: TID253  # no DAG file imports this module

from midnight.bronze_batches import BatchFolder, complete_sealing, seal_group
from midnight.errors import MidnightError
from midnight.lake_files import LakeFiles
from midnight.lake_paths import LakePaths
from midnight.manifest import BronzeFile, Manifest, ReadFrom
from midnight.pipeline_config import LoadGroup
from midnight.postgres_to_bronze.catalogue import CatalogueTable, ServerFacts, read_catalogue, read_server
from midnight.postgres_to_bronze.copy_blocks import CopyBlocks
from midnight.postgres_to_bronze.extract import extract_range
from midnight.postgres_to_bronze.parquet_part import PartWriter
from midnight.postgres_to_bronze.plan import TablePlan, plan_tables
from midnight.postgres_to_bronze.snapshot import ExportedSnapshot, export_snapshot, join_snapshot
from midnight.postgres_to_bronze.source_connection import SourceAddress, connect, source_error
from midnight.tables import Table

log = logging.getLogger(__name__)

# asyncpg raises an InternalClientError where a server ended the session between two statements.
DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Of COPY and Arrow data, over all connections; the interpreter and its libraries need about 120 MB beside it.
MEMORY_BYTES = 128 * 1024 * 1024
_SMALLEST_BLOCK, _LARGEST_BLOCK = 256 * 1024, 2 * 1024 * 1024  # fit a processor's cache


@dataclass(frozen=True)
class TableResult:
    """What became of one table.

    Args:
        kept: the batch was already sealed by an earlier try, and still is as it was sealed.
        seconds: from its first range's start to its last one's end.
    """

    table: str
    rows: int
    bytes: int
    seconds: float
    kept: bool


@dataclass
class _TableProgress:
    """A table while it is read."""

    plan: TablePlan
    blocks: CopyBlocks
    open_ranges: int
    started: float = 0.0
    seconds: float = 0.0
    files: dict[int, BronzeFile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.plan.table.qualified_name

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files.values())

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


@dataclass(frozen=True)
class _Range:
    """One file's worth of a table; ``condition`` as in ``TablePlan.ranges``."""

    progress: _TableProgress
    number: int
    condition: str


@dataclass(frozen=True)
class GroupIngest:
    """Reads the tables of one load group into one batch. Use ``run``.

    Args:
        address: of the source.
        lake: file operations; ``paths`` the layers' roots.
        source: name of the source in bronze.
        tables: of the group; may be empty.
        group: how many connections read at the same time.
        batch_id: the same on every try of a run.
        run_id: of Airflow.
        say: takes one line per event, for the task's log.
    """

    address: SourceAddress
    lake: LakeFiles
    paths: LakePaths
    source: str
    tables: Sequence[Table]
    group: LoadGroup
    batch_id: str
    run_id: str
    say: Callable[[str], None] = log.info

    async def run(self) -> list[TableResult]:
        """Read and seal what this run has not sealed yet.

        A sealed batch is never read again while it is as it was sealed: a retry gives the same batch. What an earlier
        try left unsealed is deleted first. Nothing is sealed before every table of the group has been read.

        Raises:
            SourceError, ValueNotRepresentableError, LakeError: one sentence each; nothing new is sealed.
        """
        complete_sealing(self.lake, self.paths, self.source, self.group.name, self.batch_id)
        results, missing = [], []
        for table in self.tables:
            folder = self._folder(table)
            manifest = folder.intact_manifest()
            if manifest is None:
                folder.delete()
                missing.append(table)
            else:
                size = sum(file.bytes for file in manifest.files)
                results.append(TableResult(table.qualified_name, manifest.rows, size, 0.0, kept=True))
                self.say(f"{table.qualified_name}: {manifest.rows:,} rows were sealed by an earlier try; kept")
        if missing:
            try:
                results += await self._read(missing)
            except BaseException:  # also a cancelled task: nothing half-done stays
                self._delete_unsealed(missing)
                raise
        return results

    def _folder(self, table: Table) -> BatchFolder:
        return BatchFolder(self.lake, self.paths, self.source, table.schema_name, table.table, self.batch_id)

    def _delete_unsealed(self, tables: Sequence[Table]) -> None:
        for table in tables:
            folder = self._folder(table)
            try:
                if not folder.is_sealed():
                    folder.delete()
            except (OSError, MidnightError) as error:
                log.warning("%s: unsealed files stay until the next try: %s", table.qualified_name, error)

    async def _read(self, tables: Sequence[Table]) -> list[TableResult]:
        started_at = datetime.now(UTC)
        names = [(table.schema_name, table.table) for table in tables]
        connections = [await connect(self.address)]
        coordinator = connections[0]
        try:
            try:
                before = await read_catalogue(coordinator, tables=names)
                server = await read_server(coordinator)
                self._plan(tables, before, server)  # every fault in one message, before any lock
                snapshot = await export_snapshot(coordinator, before.values())
                # With the locks held, the catalogue cannot change any more.
                catalogue = await read_catalogue(coordinator, tables=names)
            except DRIVER_ERRORS as error:
                raise source_error(error, self.address) from error
            progress = [
                _TableProgress(plan, CopyBlocks(plan.table.qualified_name, plan.columns), len(plan.ranges))
                for plan in self._plan(tables, catalogue, server)
            ]
            ranges = _in_order(progress)
            while len(connections) < min(self.group.connections, len(ranges)):
                connections.append(await self._joined(snapshot, catalogue))
            await self._read_ranges(connections, ranges)
        finally:
            for connection in connections:
                connection.terminate()
        manifests = [self._manifest(table, snapshot, started_at) for table in progress]
        seal_group(self.lake, self.paths, self.source, self.group.name, manifests)
        return [TableResult(p.name, p.rows, p.bytes, p.seconds, kept=False) for p in progress]

    def _plan(
        self, tables: Sequence[Table], catalogue: Mapping[tuple[str, str], CatalogueTable], server: ServerFacts
    ) -> list[TablePlan]:
        return plan_tables(
            tables,
            catalogue,
            version_number=server.version_number,
            connections=self.group.connections,
            user=self.address.user,
        )

    async def _joined(
        self, snapshot: ExportedSnapshot, catalogue: Mapping[tuple[str, str], CatalogueTable]
    ) -> asyncpg.Connection:
        connection = await connect(self.address)
        try:
            await join_snapshot(connection, snapshot, catalogue.values())
        except BaseException as error:
            connection.terminate()
            if isinstance(error, DRIVER_ERRORS):
                raise source_error(error, self.address) from error
            raise
        return connection

    async def _read_ranges(self, connections: Sequence[asyncpg.Connection], ranges: Sequence[_Range]) -> None:
        """Each connection takes the next range until none is left; the first failure stops all."""
        waiting = deque(ranges)
        attempt = secrets.token_hex(4)  # files of a try that still runs somewhere must not be overwritten

        async def work(connection: asyncpg.Connection) -> None:
            with ThreadPoolExecutor(1, thread_name_prefix="midnight-parse") as worker:
                while waiting:
                    await self._read_range(connection, waiting.popleft(), attempt, worker)

        try:
            async with asyncio.TaskGroup() as tasks:
                for connection in connections:
                    tasks.create_task(work(connection))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

    async def _read_range(
        self, connection: asyncpg.Connection, part: _Range, attempt: str, worker: ThreadPoolExecutor
    ) -> None:
        progress, plan = part.progress, part.progress.plan
        progress.started = progress.started or time.monotonic()
        memory = MEMORY_BYTES // self.group.connections
        writer = PartWriter(
            lake=self.lake,
            folder=self._folder(plan.table).path,
            name=f"part-{part.number:05d}-{attempt}.parquet",
            schema=progress.blocks.schema,
            group_bytes=memory // 2,
        )
        try:
            await extract_range(
                connection,
                plan.query(part.condition),
                blocks=progress.blocks,
                writer=writer,
                block_bytes=min(max(memory // 32, _SMALLEST_BLOCK), _LARGEST_BLOCK),
                worker=worker,
            )
            progress.open_ranges -= 1
            only_one = progress.open_ranges == 0 and not progress.files  # an empty table still has a schema
            if writer.has_rows or only_one:
                finish = asyncio.get_running_loop().run_in_executor(worker, writer.finish)
                progress.files[part.number] = await finish
        except BaseException as error:
            writer.abandon()
            if isinstance(error, DRIVER_ERRORS):
                raise source_error(error, self.address, progress.name) from error
            raise
        progress.seconds = time.monotonic() - progress.started
        done = len(plan.ranges) - progress.open_ranges
        count = f" (part {done} of {len(plan.ranges)})" if progress.open_ranges else ""
        speed = f"{progress.rows:,} rows, {progress.bytes / 1e6:,.1f} MB, {progress.seconds:.1f} s"
        self.say(f"{progress.name}: {speed}{count}")

    def _manifest(self, progress: _TableProgress, snapshot: ExportedSnapshot, started_at: datetime) -> Manifest:
        table, server = progress.plan.table, snapshot.server
        return Manifest(
            source=self.source,
            schema_name=table.schema_name,
            table=table.table,
            batch_id=self.batch_id,
            mode=table.mode,
            columns=tuple(column.bronze for column in progress.plan.columns),
            rows=progress.rows,
            files=tuple(progress.files[number] for number in sorted(progress.files)),
            read_from=ReadFrom(
                server=server.identity or f"{self.address.host}:{self.address.port}",
                server_version=server.version,
                database=server.database,
                snapshot=snapshot.identifier,
                lsn=server.lsn,
            ),
            written_by="operator",
            run_id=self.run_id,
            started_at=started_at,
            sealed_at=datetime.now(UTC),
        )


def _in_order(tables: Sequence[_TableProgress]) -> list[_Range]:
    """Ranges of the largest tables first, so that no connection is left with a large one at the end."""
    by_size = sorted(tables, key=lambda p: sum(leaf.pages for leaf in p.plan.catalogue.leaves), reverse=True)
    return [_Range(p, number, condition) for p in by_size for number, condition in enumerate(p.plan.ranges)]
