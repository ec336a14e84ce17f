"""Receives one COPY on the event loop and hands it, in blocks of whole lines, to a worker thread."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from midnight.postgres_to_bronze.row_starts import PADDING

if TYPE_CHECKING:
    import asyncpg

# A server on the same or a fast network sends 8 kB at a time, and each wake-up costs more than the copying. After a
# small piece the loop sleeps a little while the kernel gathers more: a third of the processor time, same duration.
SMALL_PIECE_BYTES = 128 * 1024
COALESCE_DELAY_SECONDS = 0.002
# Of a small table everything has come after a moment; a thousand of them should not wait for more.
FIRST_DELAY_SECONDS, FIRST_BYTES = 0.0005, 256 * 1024
# A firewall or a hung server can keep a connection open without sending; a COPY that works never pauses so long.
IDLE_TIMEOUT_SECONDS = 900.0
BLOCKS = 4  # one is being filled, the others are parsed; writing a row group must not stop the receiving


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
        needed = length + PADDING
        return buffer if needed <= len(buffer) else self._new(needed)

    def give_back(self, buffer: bytearray, parsing: asyncio.Future[None]) -> None:
        """Leave a buffer whose lines are being parsed; one that was made for a very long row is not kept."""
        self._waiting.append((buffer if len(buffer) <= 2 * self._size else self._new(self._size), parsing))

    @staticmethod
    def _new(size: int) -> bytearray:
        return bytearray(size)


class CopyStream:
    """One COPY: gathers its pieces into blocks, and has each block handled while the next one is gathered.

    Args:
        buffers: of the connection.
        handle_block: called in the worker thread, one block at a time and in order.
        worker: with one thread.
    """

    def __init__(self, buffers: BlockBuffers, handle_block: Callable[[memoryview], None], worker: Executor) -> None:
        self._buffers = buffers
        self._handle_block = handle_block
        self._worker = worker
        self._buffer: bytearray | None = None
        self._filled = 0
        self._received = 0
        self._in_progress: deque[asyncio.Future[None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.timeout(None)

    async def receive(self, connection: asyncpg.Connection, query: str) -> int:
        """COPY what ``query`` selects; when this returns, the last blocks may still be in progress (``drain``).

        Returns:
            How many rows the server says it has sent.

        Raises:
            asyncpg.PostgresError, OSError: from the server.
            TimeoutError: the server sends nothing for ``IDLE_TIMEOUT_SECONDS``.
            ValueNotRepresentableError, LakeError: from ``handle_block``.
        """
        self._idle = asyncio.timeout(IDLE_TIMEOUT_SECONDS)
        try:
            async with self._idle:
                tag = await connection.copy_from_query(query, output=self._take, format="binary", timeout=math.inf)
        except TimeoutError as error:
            if not self._idle.expired():
                raise
            raise TimeoutError(f"it sent nothing for {IDLE_TIMEOUT_SECONDS / 60:g} minutes") from error
        return int(tag.removeprefix("COPY "))

    async def drain(self) -> None:
        """Have the last lines handled; raises what ``handle_block`` raised."""
        self._hand_over()
        while self._in_progress:
            await self._in_progress.popleft()

    async def _take(self, piece: bytes) -> None:
        """Take a piece: one or more whole CopyData messages, each of which is a whole row (protocol, COPY)."""
        self._idle.reschedule(None)  # while our disk is slow, the server is not idle
        if self._buffer is not None and self._filled + len(piece) + PADDING > len(self._buffer):
            self._hand_over()
        if self._buffer is None:
            self._buffer = await self._buffers.take(len(piece))
            self._filled = 0
        self._buffer[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)
        self._received += len(piece)
        if len(piece) < SMALL_PIECE_BYTES:
            await asyncio.sleep(COALESCE_DELAY_SECONDS if self._received > FIRST_BYTES else FIRST_DELAY_SECONDS)
        self._idle.reschedule(self._loop.time() + IDLE_TIMEOUT_SECONDS)

    def _hand_over(self) -> None:
        if self._buffer is None:
            return
        block = memoryview(self._buffer)[: self._filled + PADDING]
        handled = self._loop.run_in_executor(self._worker, self._handle_block, block)
        handled.add_done_callback(_retrieve_exception)
        self._in_progress.append(handled)
        self._buffers.give_back(self._buffer, handled)
        self._buffer = None
        while len(self._in_progress) > 1 and self._in_progress[0].done() and not self._in_progress[0].exception():
            self._in_progress.popleft()


def _retrieve_exception(future: asyncio.Future[None]) -> None:
    """Only the first of several failures is raised; asyncio would log the others as never retrieved."""
    if not future.cancelled():
        future.exception()
