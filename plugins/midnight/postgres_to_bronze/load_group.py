"""Ingests one load group: one snapshot, parallel connections, files, and the manifests as the last step."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import asyncpg  # no DAG file imports this module

from midnight.bronze.batches import BronzeStore
from midnight.bronze.earlier_sealings import complete_earlier_sealings
from midnight.bronze.increments import read_history
from midnight.bronze.reconciled import tables_to_skip
from midnight.bronze.stopped_tables import write_stopped_tables
from midnight.bronze.unchanged import UnchangedTable, keep_unchanged, record_unchanged
from midnight.bronze.unfinished import UnfinishedReads, remove_abandoned
from midnight.configuration.source import LoadGroup
from midnight.configuration.tables import Table
from midnight.lake.many_files import read_many
from midnight.postgres_to_bronze.durable_snapshot import wait_until_durable
from midnight.postgres_to_bronze.group_plans import GroupPlans, Uses
from midnight.postgres_to_bronze.key_list import key_list, key_progress
from midnight.postgres_to_bronze.make_manifest import BatchFacts, ReadTable, make_manifest
from midnight.postgres_to_bronze.open_group import OpenGroup, open_group
from midnight.postgres_to_bronze.parallel_copy import DRIVER_ERRORS, ParallelCopy
from midnight.postgres_to_bronze.range_copy import TableProgress, largest_first
from midnight.postgres_to_bronze.reconcile_bronze import reconcile_bronze, verify_equal
from midnight.postgres_to_bronze.resume import plan_resume
from midnight.postgres_to_bronze.snapshot import ExportedSnapshot, join_snapshot
from midnight.postgres_to_bronze.snapshot_holders import SnapshotHolders
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.source_figures import keep_source_figures
from midnight.postgres_to_bronze.stopped_by_value import stopped_by_value
from midnight.postgres_to_bronze.table_result import TableResult
from midnight.postgres_to_bronze.unchanged_tables import unchanged_tables
from midnight.reconciliation.source_figures import FigureQuery

_logger = logging.getLogger(__name__)


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
        full_reload: incremental tables are read in full, and changes that freeze or the key would stop are accepted.
        reconcile_every: see ``Pipeline``.
        figures: that the source computes inside the snapshot, for the rules of gold.
        uses: what uses some columns (none: all) of a silver table downstream, for people.
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
    reconcile_every: int = 1
    figures: Sequence[FigureQuery] = ()
    uses: Uses = lambda silver, columns: ()
    log: Callable[[str], None] = _logger.info
    warn: Callable[[str], None] = _logger.warning

    async def run(self) -> list[TableResult]:
        """Read and seal what this run has not sealed yet.

        A sealed batch whose files are unchanged is not read again: a retry returns the same batch. Of what an earlier
        try left unsealed, the complete ranges of large tables are used where they are provably unchanged, the rest is
        deleted first. Nothing is sealed before every table of the group has been read.

        A table that cannot be read safely, or that has a value that bronze cannot hold, is left out, and so are those
        that reference it: the reasons are in the document of ``bronze.stopped_tables`` for later tasks.

        Raises:
            SourceError, LakeError: one line each; nothing new is sealed.
            ReconciliationError: a table's files differ from the source; nothing new is sealed.
        """
        for line in complete_earlier_sealings(self.bronze, self.group.name, self.batch_id):
            self.log(line)
        self.bronze.complete_sealing(self.group.name, self.batch_id)
        results, missing = [], []
        sealed = read_many(self.bronze.lake, lambda t: self.bronze.intact_manifest(t, self.batch_id), self.tables)
        for table, manifest in zip(
            self.tables, keep_unchanged(self.bronze, self.group.name, self.tables, self.batch_id, sealed), strict=True
        ):
            if manifest is None:
                missing.append(table)
            else:
                results.append(TableResult.of_kept(manifest))
                self.log(f"{table.qualified_name}: {manifest.rows:,} rows, sealed by an earlier try; kept")
        read_many(
            self.bronze.lake, self.bronze.delete_surplus, [manifest for manifest in sealed if manifest is not None]
        )
        if missing:
            attempt = secrets.token_hex(4)  # files of a try that still runs somewhere must not be overwritten
            self._unfinished.delete_incomplete(missing)
            for folder in remove_abandoned(self.bronze, datetime.now(UTC), keep=self.batch_id):
                self.log(f"deleted {folder}, which a try of another run had left unfinished a day ago or earlier")
            try:
                results += await self._read(missing, attempt)
            except BaseException:  # also of a cancelled task: no incomplete file stays
                self._unfinished.clean_up(missing, attempt)
                raise
        else:
            self._unfinished.remove()  # of a try whose sealing was completed by this one
            write_stopped_tables(self.bronze, self.group.name, self.batch_id, ())
        places = {table.qualified_name: place for place, table in enumerate(self.tables)}
        return sorted(results, key=lambda result: places[result.table])

    @property
    def _unfinished(self) -> UnfinishedReads:
        return UnfinishedReads(self.bronze, self.group.name, self.batch_id)

    async def _read(self, tables: Sequence[Table], attempt: str) -> list[TableResult]:
        """Read tables inside one snapshot and seal them together."""
        started_at = datetime.now(UTC)
        connections = [await connect(self.address)]
        holders: SnapshotHolders | None = None
        try:
            opened, progress, kept = await self._open(connections[0], tables)
            snapshot = opened.snapshot
            if snapshot is None:
                return []
            # First, so that a wrong query does not stop the run after hours of reading.
            await keep_source_figures(
                connections[0],
                opened.plans,
                self.figures,
                snapshot=snapshot,
                address=self.address,
                bronze=self.bronze,
                group=self.group.name,
                log=self.log,
            )
            keys = key_progress(progress)
            ranges = largest_first([*progress, *keys.values()])
            while len(connections) < min(self.group.connections, len(ranges)):
                connections.append(await self._join(snapshot, opened))
            copy = ParallelCopy(
                address=self.address,
                lake=self.bronze.lake,
                folder=self._folder,
                connections=self.group.connections,
                log=self.log,
                attempt=attempt,
            )
            holders = SnapshotHolders(
                connections, snapshot.identifier, lambda name: self._join(replace(snapshot, identifier=name), opened)
            )
            await copy.run(holders, ranges)
            progress = self._stop_by_value(opened, progress, keys, kept)
            records = await reconcile_bronze(
                holders.connections,
                progress,
                address=self.address,
                lake=self.bronze.lake,
                folder=self._folder,
                skipped=tables_to_skip(self.bronze, tables, self.batch_id, self.reconcile_every),
                log=self.log,
            )
            await wait_until_durable(holders.connections, snapshot, self.address)
        finally:
            for connection in holders.connections if holders else connections:
                connection.terminate()
        verify_equal(records.values(), snapshot.server.lsn, self.log)
        facts = BatchFacts(self.bronze.source, self.batch_id, self.run_id, self.address, snapshot, started_at)
        record_unchanged(self.bronze, self.group.name, kept)  # a retry believes it only if something is sealed
        self._seal(facts, [ReadTable(p, key_list(keys.get(p.name)), records[p.name]) for p in progress])
        results = [TableResult(p.name, p.rows, p.bytes, p.seconds, kept=False) for p in progress]
        held = [p.reading.newest for p in opened.plans if p.table.qualified_name in kept]
        return [*results, *(TableResult.of_kept(manifest) for manifest in held if manifest is not None)]

    def _stop_by_value(
        self,
        opened: OpenGroup,
        progress: Sequence[TableProgress],
        keys: Mapping[str, TableProgress],
        kept: dict[str, UnchangedTable],
    ) -> list[TableProgress]:
        """Stop tables with a value that bronze cannot hold, and those that reference them; returns the others."""
        stopped = stopped_by_value(self.tables, opened.stopped, [*progress, *keys.values()], self.uses)
        before = {table.table for table in opened.stopped}
        new = {table.table: table for table in stopped if table.table not in before}
        if new:
            write_stopped_tables(self.bronze, self.group.name, self.batch_id, stopped)
        for name, table in new.items():
            self.warn(f"not loaded by this run: {table.message}")
            kept.pop(name, None)
        for each in progress:
            if each.name in new:
                self.bronze.delete_batch(each.plan.table, self.batch_id)
        return [each for each in progress if each.name not in new]

    def _folder(self, table: Table) -> str:
        return self.bronze.batch_folder(table, self.batch_id)

    def _seal(self, facts: BatchFacts, tables: Sequence[ReadTable]) -> None:
        manifests = [make_manifest(facts, table) for table in tables]
        self.bronze.seal_group(self.group.name, manifests)
        self._unfinished.remove()
        for each in (table.progress for table in tables):
            if each.resume is not None and each.resume.summary():
                self.log(f"{each.name}: {each.resume.summary()}")
        for warning in (text for manifest in manifests for text in manifest.warnings):
            self.warn(warning)

    async def _open(
        self, connection: asyncpg.Connection, tables: Sequence[Table]
    ) -> tuple[OpenGroup, list[TableProgress], dict[str, UnchangedTable]]:
        """Lock the tables, export a snapshot, and plan the reading of each table as the snapshot shows it."""
        read = read_many(self.bronze.lake, lambda table: read_history(self.bronze, table, self.batch_id), tables)
        plans = GroupPlans(
            address=self.address,
            batch_id=self.batch_id,
            histories={table.qualified_name: history for table, history in zip(tables, read, strict=True)},
            connections=self.group.connections,
            uses=self.uses,
            full_reload=self.full_reload,
        )
        progress: list[TableProgress] = []
        kept: dict[str, UnchangedTable] = {}
        try:
            opened = await open_group(connection, tables, self.tables, plans)
            if opened.snapshot is not None:
                server = opened.snapshot.server
                checked = [] if self.full_reload else [plan for plan in opened.plans if not plan.changes]
                kept = await unchanged_tables(connection, checked, server, self.bronze, self.log)
                due = [plan for plan in opened.plans if plan.table.qualified_name not in kept]
                planned, resumes = await plan_resume(connection, self._unfinished, server, due, self.log)
                progress = [TableProgress(p, server.clock, resumes.get(p.table.qualified_name)) for p in planned]
        except DRIVER_ERRORS as error:
            raise source_error(error, self.address) from error
        self._report(opened)
        return opened, progress, kept

    def _report(self, opened: OpenGroup) -> None:
        """Leave the stopped tables to the later tasks, before anything is read."""
        write_stopped_tables(self.bronze, self.group.name, self.batch_id, opened.stopped)
        for table in opened.stopped:
            self.warn(f"not loaded by this run: {table.message}")
        for plan in opened.plans:
            for change in plan.changes:
                self.log(f"{plan.table.qualified_name}: {change.text}")
            if plan.table.mode == "incremental":
                self.log(str(plan.reading))
            if plan.reading.late.warning:
                self.warn(plan.reading.late.warning)

    async def _join(self, snapshot: ExportedSnapshot, opened: OpenGroup) -> asyncpg.Connection:
        connection = await connect(self.address)
        try:
            await join_snapshot(connection, snapshot, opened.catalogue)
        except BaseException as error:
            connection.terminate()
            if isinstance(error, DRIVER_ERRORS):
                raise source_error(error, self.address) from error
            raise
        return connection
