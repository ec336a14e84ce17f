"""One range of a table: COPY received by the event loop, parsed and written by a worker thread meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from midnight.postgres_to_bronze.csv_blocks import BYTE_ORDER_MARK, CsvBlocks
from midnight.postgres_to_bronze.parquet_part import PartWriter

if TYPE_CHECKING:
    import asyncpg

# A server on the same or a fast network sends 8 kB at a time, and each waking costs more than the copying. After a
# small piece the loop sleeps a little while the kernel gathers more: a third of the processor time, same duration.
SMALL_PIECE_BYTES = 128 * 1024
NAP_SECONDS = 0.002


async def extract_range(
    connection: asyncpg.Connection,
    query: str,
    *,
    blocks: CsvBlocks,
    writer: PartWriter,
    block_bytes: int,
    workers: Executor,
) -> None:
    """Read what ``query`` selects into ``writer``; does not finish it.

    At any time one block is being received and one parsed, so memory is bounded by a few blocks and a row group.

    Args:
        connection: inside the snapshot.
        query: its columns are those of ``blocks``.
        blocks: parser of the table.
        writer: of the file.
        block_bytes: of CSV that are parsed at once.
        workers: threads.

    Raises:
        asyncpg.PostgresError, OSError: from the server.
        ValueNotRepresentableError: a value does not fit.
        LakeError: the file cannot be written.
    """
    received = _ReceivedBlocks(block_bytes, lambda block: writer.add(blocks.parse(block)), workers)
    try:
        await connection.copy_from_query(query, output=received.add, format="csv")
        await received.hand_over()
    finally:
        await received.wait()  # the thread must not outlive the range: it holds the writer
    received.check()


class _ReceivedBlocks:
    """Gathers pieces into blocks of whole lines and has each parsed while the next one is gathered.

    Two buffers are used in turn: memory that is new for every block costs more time than the copying.

    Args:
        size: of a block, in bytes.
        consume: called in a worker thread, one block at a time and in order.
        workers: threads.
    """

    def __init__(self, size: int, consume: Callable[[memoryview], None], workers: Executor) -> None:
        self._buffers = [bytearray(BYTE_ORDER_MARK).ljust(size) for _ in range(2)]
        self._filled = len(BYTE_ORDER_MARK)
        self._consume = consume
        self._workers = workers
        self._parsing: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Take a piece: one or more whole CopyData messages, each of which is a whole row (protocol, COPY)."""
        if self._filled + len(piece) > len(self._buffers[0]):
            await self.hand_over()
            if len(piece) > len(self._buffers[0]) - self._filled:  # a row that is larger than a block
                self._buffers[0] = bytearray(BYTE_ORDER_MARK).ljust(len(BYTE_ORDER_MARK) + len(piece))
        self._buffers[0][self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)
        if len(piece) < SMALL_PIECE_BYTES:
            await asyncio.sleep(NAP_SECONDS)

    async def hand_over(self) -> None:
        """Have the gathered lines parsed, after the block before them."""
        await self.wait()
        self.check()
        if self._filled > len(BYTE_ORDER_MARK):
            block = memoryview(self._buffers[0])[: self._filled]
            self._parsing = asyncio.get_running_loop().run_in_executor(self._workers, self._consume, block)
            self._buffers.reverse()
            self._filled = len(BYTE_ORDER_MARK)

    async def wait(self) -> None:
        """Until no thread works on a block."""
        if self._parsing is not None:
            await asyncio.wait([self._parsing])

    def check(self) -> None:
        """Raise what the last block's thread raised."""
        if self._parsing is not None:
            self._parsing.result()
