"""One range of a table: COPY received by the event loop, parsed and written by a worker thread meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from midnight.postgres_to_bronze.copy_blocks import BYTE_ORDER_MARK

if TYPE_CHECKING:
    import asyncpg

# A server on the same or a fast network sends 8 kB at a time, and each waking costs more than the copying. After a
# small piece the loop sleeps a little while the kernel gathers more: a third of the processor time, same duration.
SMALL_PIECE_BYTES = 128 * 1024
NAP_SECONDS = 0.002
BLOCKS = 4  # one is being filled, the others are parsed; a row group that is written must not stop the receiving


class ReceivedBlocks:
    """Gathers pieces into blocks of whole lines and has them parsed while the next ones are gathered.

    The same few buffers are used in turn: memory that is new for every block costs more time than the copying.

    Args:
        size: of a block, in bytes.
        consume: called in the worker thread, one block at a time and in order.
        worker: with one thread.
    """

    def __init__(self, size: int, consume: Callable[[memoryview], None], worker: Executor) -> None:
        self._buffers = deque(bytearray(BYTE_ORDER_MARK).ljust(size) for _ in range(BLOCKS))
        self._filled = len(BYTE_ORDER_MARK)
        self._consume = consume
        self._worker = worker
        self._parsing: deque[asyncio.Future[None]] = deque()

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
        """Have the gathered lines parsed, and go on with a buffer whose lines have been."""
        if self._filled > len(BYTE_ORDER_MARK):
            block = memoryview(self._buffers[0])[: self._filled]
            parsing = asyncio.get_running_loop().run_in_executor(self._worker, self._consume, block)
            parsing.add_done_callback(_see_exception)
            self._parsing.append(parsing)
            self._buffers.rotate(-1)
            self._filled = len(BYTE_ORDER_MARK)
        while len(self._parsing) >= BLOCKS:
            await self._parsing.popleft()

    async def finish(self) -> None:
        """Have the last lines parsed; raises what the thread raised."""
        await self.hand_over()
        while self._parsing:
            await self._parsing.popleft()


async def receive_range(connection: asyncpg.Connection, query: str, received: ReceivedBlocks) -> None:
    """COPY what ``query`` selects; when this returns, the last blocks may still be parsed.

    Raises:
        asyncpg.PostgresError, OSError: from the server.
        ValueNotRepresentableError: a value does not fit.
        LakeError: the file cannot be written.
    """
    await connection.copy_from_query(query, output=received.add, format="text")


def _see_exception(future: asyncio.Future[None]) -> None:
    """Only the first of several failures is raised; asyncio would complain about the others."""
    if not future.cancelled():
        future.exception()
