"""Reads the ranges of a load group: each connection takes the next one until none is left.

A connection that breaks gives its range back, and is replaced by another one inside the same snapshot.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import asyncpg  # no DAG file imports this module

from midnight.configuration.tables import Table
from midnight.errors import MidnightError, ValueNotRepresentableError
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.copy_stream import BlockBuffers, CopyStream
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from midnight.postgres_to_bronze.range_copy import Range, RangeCopy
from midnight.postgres_to_bronze.snapshot_holders import SnapshotHolders, is_lost
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error

# asyncpg raises an InternalClientError where a server ended the session between two statements.
DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Of COPY and Arrow data, over all connections; the interpreter and its libraries need about 120 MB in addition.
MEMORY_BYTES = 128 * 1024 * 1024
_SMALLEST_BLOCK, _LARGEST_BLOCK = 256 * 1024, 2 * 1024 * 1024  # fit a processor's cache
_MOST_REPLACEMENTS = 5  # of one connection: a network that breaks more often will not last for a large table


class LostConnectionError(Exception):
    """A connection broke; what it was reading is waiting again.

    Args:
        error: what to raise if no other connection can read it.
    """

    def __init__(self, error: MidnightError) -> None:
        super().__init__(str(error))
        self.error = error


class ParallelCopy:
    """Reads ranges into files, one range per connection at a time.

    Args:
        address: of the source, for messages.
        lake: file operations.
        folder: the batch folder of a table.
        connections: among which the memory is divided.
        log: takes one line per range.
        attempt: part of the names of the files.
    """

    def __init__(
        self,
        *,
        address: SourceAddress,
        lake: LakeFiles,
        folder: Callable[[Table], str],
        connections: int,
        log: Callable[[str], None],
        attempt: str,
    ) -> None:
        self._address, self._lake, self._folder, self._log = address, lake, folder, log
        self._memory = MEMORY_BYTES // connections
        self._attempt = attempt
        self._waiting: deque[Range] = deque()
        self._in_progress = 0  # ranges that may come back
        self._open: list[RangeCopy] = []

    async def run(self, holders: SnapshotHolders, ranges: Sequence[Range]) -> None:
        """Read all ranges; the first failure stops all, except of one table (`TableProgress.failure`).

        Afterwards no thread works and no file is open.

        Raises:
            SourceError, ValueNotRepresentableError, LakeError: one line each.
        """
        self._waiting, self._in_progress = deque(ranges), 0
        connections = holders.connections
        workers = [ThreadPoolExecutor(1, thread_name_prefix="midnight-parse") for _ in connections]
        try:
            async with asyncio.TaskGroup() as tasks:
                for connection, worker in zip(connections, workers, strict=True):
                    tasks.create_task(self._read_until_lost(holders, connection, worker, tasks))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
        finally:
            for worker in workers:
                worker.shutdown(wait=True, cancel_futures=True)
            for copy in self._open:
                copy.writer.abandon()

    async def _read_until_lost(
        self,
        holders: SnapshotHolders,
        connection: asyncpg.Connection,
        worker: ThreadPoolExecutor,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Read with one connection after the other."""
        for replacements in itertools.count():
            try:
                return await self._read_ranges(holders, connection, worker, tasks)
            except LostConnectionError as lost:
                error = lost.error
            found = None
            if replacements < _MOST_REPLACEMENTS:
                found = await holders.replace(connection, lambda: self._has_work)
            else:
                await holders.drop(connection)
            if found is not None:
                connection = found
                self._log(f"{error}; now reading on with another connection inside the same snapshot")
            elif not holders.connections and self._has_work:
                raise error from error.__cause__
            else:
                return self._log(f"{error}; the other connections read on")

    @property
    def _next_name(self) -> str:
        return self._waiting[0].progress.name if self._waiting else ""

    @property
    def _has_work(self) -> bool:
        return bool(self._waiting or self._in_progress)

    async def _read_ranges(
        self,
        holders: SnapshotHolders,
        connection: asyncpg.Connection,
        worker: ThreadPoolExecutor,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """The next range is received while the file of the one before is finished.

        Raises:
            LostConnectionError: the range that was being received is waiting again.
        """
        finishing: asyncio.Task[None] | None = None
        buffers = BlockBuffers(min(max(self._memory // 32, _SMALLEST_BLOCK), _LARGEST_BLOCK))
        while self._has_work:
            await holders.export_again(connection)
            if connection.is_closed():
                raise LostConnectionError(source_error(OSError("it was closed"), self._address, self._next_name))
            if not self._waiting:  # a range that another connection loses comes back
                await holders.wait(lambda: bool(self._waiting) or not self._has_work)
                continue
            part = self._waiting.popleft()
            self._in_progress += 1
            try:
                if part.progress.failure is not None or await self._keep(connection, part, worker):
                    continue
                copy = self._start(part)
                stream = CopyStream(buffers, copy.write_block, worker)
                sent = await self._receive(holders, stream, connection, copy)
                if sent is None:
                    continue
            except LostConnectionError:
                self._waiting.appendleft(part)
                raise
            finally:
                self._in_progress -= 1
                await holders.notify()
            before, finishing = finishing, tasks.create_task(self._finish(copy, stream, worker, sent))
            if before is not None:
                await before

    def _start(self, part: Range) -> RangeCopy:
        plan, schema = part.progress.plan, part.progress.parser.schema
        prefix = "part" if plan.content == "rows" else "keys"
        writer = PartWriter(
            lake=self._lake,
            folder=self._folder(plan.table),
            name=f"{prefix}-{part.number:05d}-{self._attempt}.parquet",
            schema=schema,
            group_bytes=self._memory // 4,
            statistics=[name for name in plan.table.key[:1] if name in schema.names],  # to compare two snapshots
        )
        copy = RangeCopy(part, writer)
        self._open.append(copy)
        return copy

    async def _receive(
        self, holders: SnapshotHolders, stream: CopyStream, connection: asyncpg.Connection, copy: RangeCopy
    ) -> int | None:
        """The rows that the server has sent; None after a value that it cannot convert, which stops only the table."""
        try:
            await holders.set_savepoint(connection)
            return await stream.receive(connection, copy.part.query)
        except DRIVER_ERRORS as error:
            failure = self._failure(error, connection, copy.part)
        if isinstance(failure, LostConnectionError | ValueNotRepresentableError):
            await stream.drain()
            self._discard(copy)
        if not isinstance(failure, ValueNotRepresentableError):
            raise failure from failure.__cause__
        copy.part.progress.failure = failure
        try:
            await holders.return_to_savepoint(connection)
        except DRIVER_ERRORS as error:
            failure = self._failure(error, connection, copy.part)
            raise failure from failure.__cause__
        return None

    def _discard(self, copy: RangeCopy) -> None:
        copy.writer.abandon()
        self._open.remove(copy)
        self._lake.delete_file(copy.writer.path)

    def _failure(self, error: BaseException, connection: asyncpg.Connection, part: Range) -> Exception:
        masked = bool(part.progress.plan.table.masked_columns)
        found = source_error(error, self._address, part.progress.name, masked=masked)
        found.__cause__ = None if masked else error
        return LostConnectionError(found) if is_lost(connection, error) else found

    async def _keep(self, connection: asyncpg.Connection, part: Range, worker: ThreadPoolExecutor) -> bool:
        """Use the file of an earlier try, if it holds what this snapshot shows."""
        resume = part.progress.resume
        if resume is None:
            return False
        try:
            file = await resume.unchanged_file(connection, part.number, part.condition)
        except DRIVER_ERRORS as error:
            failure = self._failure(error, connection, part)
            raise failure from failure.__cause__
        if file is None:
            return False
        path = f"{self._folder(part.progress.plan.table)}/{file.name}"
        await asyncio.get_running_loop().run_in_executor(worker, part.read_extremes, self._lake, path)
        part.add(file)
        self._log(part.progress.message())
        return True

    async def _finish(self, copy: RangeCopy, stream: CopyStream, worker: ThreadPoolExecutor, sent: int) -> None:
        await stream.drain()
        if copy.part.progress.failure is not None:
            return self._discard(copy)
        copy.verify_rows(sent)
        file = None
        if copy.count_finished():
            file = await asyncio.get_running_loop().run_in_executor(worker, copy.writer.finish)
        copy.record(file)
        self._open.remove(copy)
        self._log(copy.part.progress.message())
        if file is not None and copy.part.progress.resume is not None:
            await copy.part.progress.resume.add(copy.part.number, file)
