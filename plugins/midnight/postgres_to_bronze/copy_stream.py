"""One range of a table: COPY received by the event loop, parsed and written by a worker thread meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from midnight.postgres_to_bronze.copy_parser import BYTE_ORDER_MARK

if TYPE_CHECKING:
    import asyncpg

# A server on the same or a fast network sends 8 kB at a time, and each waking costs more than the copying. After a
# small piece the loop sleeps a little while the kernel gathers more: a third of the processor time, same duration.
SMALL_PIECE_BYTES = 128 * 1024
COALESCE_DELAY_SECONDS = 0.002
# A firewall or a hung server can keep a connection open and say nothing; a COPY that works never rests so long.
IDLE_TIMEOUT_SECONDS = 900.0
BLOCKS = 4  # one is being filled, the others are parsed; a row group that is written must not stop the receiving


class BlockBuffers:
    """The few buffers that the ranges of one connection use in turn.

    Memory that is new for every block or range costs more time than the copying.

    Args:
        size: of a buffer, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[tuple[bytearray, asyncio.Future[None] | None]] = deque(
            (self._new(size), None) for _ in range(BLOCKS)
        )

    async def take(self, length: int) -> bytearray:
        """The buffer that has waited longest, once its lines have been parsed; raises what the parsing raised.

        Args:
            length: of the first piece; a row may be larger than a block.
        """
        buffer, parsing = self._waiting.popleft()
        if parsing is not None:
            await parsing
        needed = len(BYTE_ORDER_MARK) + length
        return buffer if needed <= len(buffer) else self._new(needed)

    def give_back(self, buffer: bytearray, parsing: asyncio.Future[None]) -> None:
        """Leave a buffer whose lines are being parsed; one that was made for a giant row is not kept."""
        self._waiting.append((buffer if len(buffer) <= 2 * self._size else self._new(self._size), parsing))

    @staticmethod
    def _new(size: int) -> bytearray:
        return bytearray(BYTE_ORDER_MARK).ljust(size)


class ReceivedBlocks:
    """Gathers pieces into blocks of whole lines and has them parsed while the next ones are gathered.

    Args:
        buffers: of the connection.
        consume: called in the worker thread, one block at a time and in order.
        worker: with one thread.
    """

    def __init__(self, buffers: BlockBuffers, consume: Callable[[memoryview], None], worker: Executor) -> None:
        self._buffers = buffers
        self._buffer: bytearray | None = None
        self._filled = 0
        self._consume = consume
        self._worker = worker
        self._parsing: deque[asyncio.Future[None]] = deque()

    async def add(self, piece: bytes) -> None:
        """Take a piece: one or more whole CopyData messages, each of which is a whole row (protocol, COPY)."""
        if self._buffer is not None and self._filled + len(piece) > len(self._buffer):
            self._hand_over()
        if self._buffer is None:
            self._buffer = await self._buffers.take(len(piece))
            self._filled = len(BYTE_ORDER_MARK)
        self._buffer[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)
        if len(piece) < SMALL_PIECE_BYTES:
            await asyncio.sleep(COALESCE_DELAY_SECONDS)

    async def finish(self) -> None:
        """Have the last lines parsed; raises what the thread raised."""
        self._hand_over()
        while self._parsing:
            await self._parsing.popleft()

    def _hand_over(self) -> None:
        if self._buffer is None:
            return
        block = memoryview(self._buffer)[: self._filled]
        parsing = asyncio.get_running_loop().run_in_executor(self._worker, self._consume, block)
        parsing.add_done_callback(_see_exception)
        self._parsing.append(parsing)
        self._buffers.give_back(self._buffer, parsing)
        self._buffer = None
        while len(self._parsing) > 1 and self._parsing[0].done() and not self._parsing[0].exception():
            self._parsing.popleft()


async def receive_range(connection: asyncpg.Connection, query: str, received: ReceivedBlocks) -> None:
    """COPY what ``query`` selects; when this returns, the last blocks may still be parsed.

    Raises:
        asyncpg.PostgresError, OSError: from the server.
        TimeoutError: the server sends nothing for ``IDLE_TIMEOUT_SECONDS``.
        ValueNotRepresentableError: a value does not fit.
        LakeError: the file cannot be written.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(IDLE_TIMEOUT_SECONDS) as silence:

            async def take(piece: bytes) -> None:
                silence.reschedule(None)  # a slow disk of ours is not the server's silence
                await received.add(piece)
                silence.reschedule(loop.time() + IDLE_TIMEOUT_SECONDS)

            await connection.copy_from_query(query, output=take, format="text")
    except TimeoutError as error:
        if not silence.expired():
            raise
        raise TimeoutError(f"it sent nothing for {IDLE_TIMEOUT_SECONDS / 60:g} minutes") from error


def _see_exception(future: asyncio.Future[None]) -> None:
    """Only the first of several failures is raised; asyncio would complain about the others."""
    if not future.cancelled():
        future.exception()
