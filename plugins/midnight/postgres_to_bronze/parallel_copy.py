"""Reads the ranges of a load group: each connection takes the next one until none is left."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import asyncpg  # no DAG file imports this module

from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.copy_stream import BlockBuffers, CopyStream
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from midnight.postgres_to_bronze.range_copy import Range, RangeCopy
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error

# asyncpg raises an InternalClientError where a server ended the session between two statements.
DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Of COPY and Arrow data, over all connections; the interpreter and its libraries need about 120 MB in addition.
MEMORY_BYTES = 128 * 1024 * 1024
_SMALLEST_BLOCK, _LARGEST_BLOCK = 256 * 1024, 2 * 1024 * 1024  # fit a processor's cache


class ParallelCopy:
    """Reads ranges into files, one range per connection at a time.

    Args:
        address: of the source, for messages.
        lake: file operations.
        folder: the batch folder of a table.
        connections: among which the memory is divided.
        log: takes one line per range.
    """

    def __init__(
        self,
        *,
        address: SourceAddress,
        lake: LakeFiles,
        folder: Callable[[Table], str],
        connections: int,
        log: Callable[[str], None],
    ) -> None:
        self._address, self._lake, self._folder, self._log = address, lake, folder, log
        self._memory = MEMORY_BYTES // connections
        self._attempt = secrets.token_hex(4)  # files of a try that still runs somewhere must not be overwritten
        self._open: list[RangeCopy] = []

    async def run(self, connections: Sequence[asyncpg.Connection], ranges: Sequence[Range]) -> None:
        """Read all ranges; the first failure stops all. Afterwards no thread works and no file is open.

        Raises:
            SourceError, ValueNotRepresentableError, LakeError: one line each.
        """
        waiting = deque(ranges)
        workers = [ThreadPoolExecutor(1, thread_name_prefix="midnight-parse") for _ in connections]
        try:
            async with asyncio.TaskGroup() as tasks:
                for connection, worker in zip(connections, workers, strict=True):
                    tasks.create_task(self._read_ranges(connection, worker, waiting, tasks))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
        finally:
            for worker in workers:
                worker.shutdown(wait=True, cancel_futures=True)
            for copy in self._open:
                copy.writer.abandon()

    async def _read_ranges(
        self,
        connection: asyncpg.Connection,
        worker: ThreadPoolExecutor,
        waiting: deque[Range],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """The next range is received while the file of the one before is finished."""
        finishing: asyncio.Task[None] | None = None
        buffers = BlockBuffers(min(max(self._memory // 32, _SMALLEST_BLOCK), _LARGEST_BLOCK))
        while waiting:
            copy = self._start(waiting.popleft())
            stream = CopyStream(buffers, copy.write_block, worker)
            await self._receive(stream, connection, copy.part)
            before, finishing = finishing, tasks.create_task(self._finish(copy, stream, worker))
            if before is not None:
                await before

    def _start(self, part: Range) -> RangeCopy:
        writer = PartWriter(
            lake=self._lake,
            folder=self._folder(part.progress.plan.table),
            name=f"part-{part.number:05d}-{self._attempt}.parquet",
            schema=part.progress.parser.schema,
            group_bytes=self._memory // 4,
        )
        copy = RangeCopy(part, writer)
        self._open.append(copy)
        return copy

    async def _receive(self, stream: CopyStream, connection: asyncpg.Connection, part: Range) -> None:
        try:
            await stream.receive(connection, part.query)
        except DRIVER_ERRORS as error:
            masked = bool(part.progress.plan.table.masked_columns)
            found = source_error(error, self._address, part.progress.name, masked=masked)
            raise found from (None if masked else error)

    async def _finish(self, copy: RangeCopy, stream: CopyStream, worker: ThreadPoolExecutor) -> None:
        await stream.drain()
        file = None
        if copy.count_finished():
            file = await asyncio.get_running_loop().run_in_executor(worker, copy.writer.finish)
        copy.record(file)
        self._open.remove(copy)
        self._log(copy.part.progress.message())
