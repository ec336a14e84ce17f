"""Ingests one load group: one snapshot, parallel connections, files, and the manifests as the last step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg  # no DAG file imports this module

from midnight.bronze.batches import BronzeStore
from midnight.bronze.increments import History, ReadPlan, plan_read, read_history
from midnight.bronze.manifest import BronzeColumn, Manifest, ReadFrom
from midnight.configuration.pipeline import LoadGroup
from midnight.configuration.tables import Table
from midnight.errors import MidnightError
from midnight.lake.many_files import read_many
from midnight.postgres_to_bronze.catalogue import CatalogueTable, read_catalogue
from midnight.postgres_to_bronze.key_guarantee import key_warning
from midnight.postgres_to_bronze.parallel_copy import DRIVER_ERRORS, ParallelCopy
from midnight.postgres_to_bronze.range_copy import TableProgress, largest_first
from midnight.postgres_to_bronze.server_facts import ServerFacts, read_server
from midnight.postgres_to_bronze.snapshot import ExportedSnapshot, export_snapshot, join_snapshot
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.table_plan import TablePlan, plan_tables

Catalogue = Mapping[tuple[str, str], CatalogueTable]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableResult:
    """Outcome of one table's ingestion.

    Args:
        rows, bytes: of its batch.
        seconds: from the start of its first range to the end of its last one.
        kept: an earlier try has sealed the batch, and its files are unchanged.
    """

    table: str
    rows: int
    bytes: int
    seconds: float
    kept: bool


@dataclass(frozen=True)
class GroupIngest:
    """Reads the tables of one load group into one batch. Use ``run``.

    Args:
        address: of the source.
        bronze: the source's batches.
        tables: of the group; may be empty.
        group: how many connections read at the same time.
        batch_id: the same on every try of a run.
        run_id: of Airflow.
        full_reload: incremental tables are read in full.
        log: takes one line per event, for the task's log.
        warn: takes one line per problem to correct in the source.
    """

    address: SourceAddress
    bronze: BronzeStore
    tables: Sequence[Table]
    group: LoadGroup
    batch_id: str
    run_id: str
    full_reload: bool = False
    log: Callable[[str], None] = _logger.info
    warn: Callable[[str], None] = _logger.warning

    async def run(self) -> list[TableResult]:
        """Read and seal what this run has not sealed yet.

        A sealed batch whose files are unchanged is not read again: a retry returns the same batch. What an earlier
        try left unsealed is deleted first. Nothing is sealed before every table of the group has been read.

        Raises:
            SourceError, ValueNotRepresentableError, LakeError: one line each; nothing new is sealed.
        """
        self.bronze.complete_sealing(self.group.name, self.batch_id)
        results, missing = [], []
        sealed = read_many(self.bronze.lake, lambda t: self.bronze.intact_manifest(t, self.batch_id), self.tables)
        for table, manifest in zip(self.tables, sealed, strict=True):
            if manifest is None:
                missing.append(table)
            else:
                size = sum(file.bytes for file in manifest.files)
                results.append(TableResult(table.qualified_name, manifest.rows, size, 0.0, kept=True))
                self.log(f"{table.qualified_name}: {manifest.rows:,} rows, sealed by an earlier try; kept")
        if missing:
            read_many(self.bronze.lake, lambda table: self.bronze.delete_batch(table, self.batch_id), missing)
            try:
                results += await self._read(missing)
            except BaseException:  # also of a cancelled task: no unfinished file stays
                self._delete_unsealed(missing)
                raise
        return results

    def _delete_unsealed(self, tables: Sequence[Table]) -> None:
        for table in tables:
            try:
                # A sealing that has begun is completed by the next try, whichever try began it.
                begun = self.bronze.is_being_sealed(self.group.name, self.batch_id)
                if not begun and not self.bronze.is_sealed(table, self.batch_id):
                    self.bronze.delete_batch(table, self.batch_id)
            except (OSError, MidnightError) as error:
                _logger.warning("%s: unsealed files stay until the next try: %s", table.qualified_name, error)

    async def _read(self, tables: Sequence[Table]) -> list[TableResult]:
        """Read tables inside one snapshot and seal them together."""
        started_at = datetime.now(UTC)
        connections = [await connect(self.address)]
        try:
            snapshot, catalogue, progress = await self._open_snapshot(connections[0], tables)
            ranges = largest_first(progress)
            while len(connections) < min(self.group.connections, len(ranges)):
                connections.append(await self._join(snapshot, catalogue))
            copy = ParallelCopy(
                address=self.address,
                lake=self.bronze.lake,
                folder=lambda table: self.bronze.batch_folder(table, self.batch_id),
                connections=self.group.connections,
                log=self.log,
            )
            await copy.run(connections, ranges)
        finally:
            for connection in connections:
                connection.terminate()
        manifests = [self._manifest(table, snapshot, started_at) for table in progress]
        self.bronze.seal_group(self.group.name, manifests)
        for warning in (text for manifest in manifests for text in manifest.warnings):
            self.warn(warning)
        return [TableResult(p.name, p.rows, p.bytes, p.seconds, kept=False) for p in progress]

    async def _open_snapshot(
        self, connection: asyncpg.Connection, tables: Sequence[Table]
    ) -> tuple[ExportedSnapshot, Catalogue, list[TableProgress]]:
        """Lock the tables, export a snapshot, and plan the reading of each table as the snapshot shows it."""
        names = [(table.schema_name, table.table) for table in tables]
        read = read_many(self.bronze.lake, lambda table: read_history(self.bronze, table, self.batch_id), tables)
        histories = {table.qualified_name: history for table, history in zip(tables, read, strict=True)}
        try:
            before = await read_catalogue(connection, tables=names)
            server = await read_server(connection)
            plans = self._plan(tables, before, server, histories)  # every problem in one message, before any lock
            snapshot = await export_snapshot(connection, before.values())
            # With the locks held, the catalogue cannot change any more.
            catalogue = await read_catalogue(connection, tables=names)
        except DRIVER_ERRORS as error:
            raise source_error(error, self.address) from error
        if catalogue != before:
            plans = self._plan(tables, catalogue, server, histories)
        for plan in plans:
            if plan.table.mode == "incremental":
                self.log(str(plan.reading))
        return snapshot, catalogue, [TableProgress(plan, snapshot.server.clock) for plan in plans]

    def _plan(
        self,
        tables: Sequence[Table],
        catalogue: Catalogue,
        server: ServerFacts,
        histories: Mapping[str, History],
    ) -> list[TablePlan]:
        def reading(table: Table, columns: Sequence[BronzeColumn]) -> ReadPlan:
            history = histories[table.qualified_name]
            return plan_read(table, columns, self.batch_id, history, full_reload=self.full_reload)

        return plan_tables(
            tables,
            catalogue,
            version_number=server.version_number,
            connections=self.group.connections,
            user=self.address.user,
            reading=reading,
        )

    async def _join(self, snapshot: ExportedSnapshot, catalogue: Catalogue) -> asyncpg.Connection:
        connection = await connect(self.address)
        try:
            await join_snapshot(connection, snapshot, catalogue.values())
        except BaseException as error:
            connection.terminate()
            if isinstance(error, DRIVER_ERRORS):
                raise source_error(error, self.address) from error
            raise
        return connection

    def _manifest(self, progress: TableProgress, snapshot: ExportedSnapshot, started_at: datetime) -> Manifest:
        plan, server = progress.plan, snapshot.server
        table = plan.table
        warnings = (key_warning(table, plan.catalogue), plan.reading.cursor_warning(progress.extremes))
        return Manifest(
            source=self.bronze.source,
            schema_name=table.schema_name,
            table=table.table,
            batch_id=self.batch_id,
            mode=plan.reading.mode,
            cursor=plan.reading.cursor_range(progress.extremes),
            columns=tuple(column.bronze for column in plan.columns),
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
            warnings=tuple(text for text in warnings if text),
        )
