"""Reads the ranges of a load group: each connection takes the next one until none is left."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg  # noqa: TID253  # no DAG file imports this module

from midnight.bronze.manifest import BronzeFile
from midnight.configuration.cursors import CursorExtremes
from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.copy_parser import CopyBlocks
from midnight.postgres_to_bronze.copy_stream import BlockBuffers, ReceivedBlocks, receive_range
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.table_plan import TablePlan

# asyncpg raises an InternalClientError where a server ended the session between two statements.
DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Of COPY and Arrow data, over all connections; the interpreter and its libraries need about 120 MB beside it.
MEMORY_BYTES = 128 * 1024 * 1024
_SMALLEST_BLOCK, _LARGEST_BLOCK = 256 * 1024, 2 * 1024 * 1024  # fit a processor's cache


@dataclass
class TableProgress:
    """A table while it is read.

    Args:
        plan: how it is read.
        blocks: parses what comes.
        open_ranges: ranges that are not finished.
        clock: of the server, when the snapshot was taken.
    """

    plan: TablePlan
    blocks: CopyBlocks
    open_ranges: int
    clock: datetime
    started: float = 0.0
    seconds: float = 0.0
    files: dict[int, BronzeFile] = field(default_factory=dict)
    extremes: CursorExtremes = field(init=False)

    def __post_init__(self) -> None:
        self.extremes = CursorExtremes(self.plan.table.cursor, self.plan.table.cursor_kind, self.clock)

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
class Range:
    """One file's worth of a table; ``condition`` as in ``TablePlan.ranges``."""

    progress: TableProgress
    number: int
    condition: str


class RangeReader:
    """Reads ranges into files.

    Args:
        address: of the source, for messages.
        lake: file operations.
        folder: the batch folder of a table.
        connections: among which the memory is divided.
        say: takes one line per range.
    """

    def __init__(
        self,
        *,
        address: SourceAddress,
        lake: LakeFiles,
        folder: Callable[[Table], str],
        connections: int,
        say: Callable[[str], None],
    ) -> None:
        self._address, self._lake, self._folder, self._say = address, lake, folder, say
        self._memory = MEMORY_BYTES // connections
        self._attempt = secrets.token_hex(4)  # files of a try that still runs somewhere must not be overwritten
        self._writers: list[PartWriter] = []

    async def read(self, connections: Sequence[asyncpg.Connection], ranges: Sequence[Range]) -> None:
        """Read all ranges; the first failure stops all. Afterwards no thread works and no file is open.

        Raises:
            SourceError, ValueNotRepresentableError, LakeError: one sentence.
        """
        waiting = deque(ranges)
        workers = [ThreadPoolExecutor(1, thread_name_prefix="midnight-parse") for _ in connections]
        try:
            async with asyncio.TaskGroup() as tasks:
                for connection, worker in zip(connections, workers, strict=True):
                    tasks.create_task(self._work(connection, worker, waiting, tasks))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
        finally:
            for worker in workers:
                worker.shutdown(wait=True, cancel_futures=True)
            for writer in self._writers:
                writer.abandon()

    async def _work(
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
            part = waiting.popleft()
            part.progress.started = part.progress.started or time.monotonic()
            writer = PartWriter(
                lake=self._lake,
                folder=self._folder(part.progress.plan.table),
                name=f"part-{part.number:05d}-{self._attempt}.parquet",
                schema=part.progress.blocks.schema,
                group_bytes=self._memory // 4,
            )
            self._writers.append(writer)
            received = self._blocks(part, writer, buffers, worker)
            try:
                await receive_range(connection, part.progress.plan.query(part.condition), received)
            except DRIVER_ERRORS as error:
                masked = bool(part.progress.plan.table.masked_columns)
                sentence = source_error(error, self._address, part.progress.name, masked=masked)
                raise sentence from (None if masked else error)
            before, finishing = finishing, tasks.create_task(self._finish(part, writer, received, worker))
            if before is not None:
                await before

    def _blocks(
        self, part: Range, writer: PartWriter, buffers: BlockBuffers, worker: ThreadPoolExecutor
    ) -> ReceivedBlocks:
        def consume(block: memoryview) -> None:
            rows = part.progress.blocks.parse(block)
            part.progress.extremes.add(rows)
            writer.add(rows)

        return ReceivedBlocks(buffers, consume, worker)

    async def _finish(
        self, part: Range, writer: PartWriter, received: ReceivedBlocks, worker: ThreadPoolExecutor
    ) -> None:
        await received.finish()
        progress = part.progress
        progress.open_ranges -= 1
        only_one = progress.open_ranges == 0 and not progress.files  # an empty table still has a schema
        if writer.has_rows or only_one:
            progress.files[part.number] = await asyncio.get_running_loop().run_in_executor(worker, writer.finish)
        self._writers.remove(writer)
        progress.seconds = time.monotonic() - progress.started
        total = len(progress.plan.ranges)
        count = f" (part {len(progress.files)} of {total})" if total > 1 else ""
        speed = f"{progress.rows:,} rows, {progress.bytes / 1e6:,.1f} MB, {progress.seconds:.1f} s"
        self._say(f"{progress.name}: {speed}{count}")


def in_order(tables: Sequence[TableProgress]) -> list[Range]:
    """Ranges of the largest tables first, so that no connection is left with a large one at the end."""
    by_size = sorted(tables, key=lambda p: sum(leaf.pages for leaf in p.plan.catalogue.leaves), reverse=True)
    return [Range(p, number, condition) for p in by_size for number, condition in enumerate(p.plan.ranges)]
