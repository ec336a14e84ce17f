"""A COPY on its way to the worker thread: every byte once and in order, in blocks of whole pieces."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from midnight.postgres_to_bronze import copy_stream
from midnight.postgres_to_bronze.copy_stream import BLOCKS, BlockBuffers, CopyStream
from midnight.postgres_to_bronze.row_starts import PADDING


class Connection:
    """Sends pieces as asyncpg hands them over."""

    def __init__(self, pieces: list[bytes], pause: float = 0) -> None:
        self.pieces, self.pause = pieces, pause

    async def copy_from_query(self, query: str, *, output, format: str, timeout: float) -> str:
        for piece in self.pieces:
            await output(piece)
        await asyncio.sleep(self.pause)
        return f"COPY {len(self.pieces)}"


def receive(pieces: list[bytes], size: int, handle=lambda block: None, pause: float = 0) -> list[bytes]:
    """The blocks that the worker gets, without their padding."""
    blocks: list[bytes] = []

    def keep(block: memoryview) -> None:
        blocks.append(bytes(block))
        handle(block)

    async def run() -> None:
        with ThreadPoolExecutor(1) as worker:
            stream = CopyStream(BlockBuffers(size + PADDING), keep, worker)
            assert await stream.receive(Connection(pieces, pause), "SELECT") == len(pieces)
            await stream.drain()

    asyncio.run(run())
    return [block[:-PADDING] for block in blocks]


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_stream, "COALESCE_DELAY_SECONDS", 0)
    monkeypatch.setattr(copy_stream, "FIRST_DELAY_SECONDS", 0)


def test_pieces_are_gathered_into_blocks_in_order():
    pieces = [f"{number}\n".encode() for number in range(200)]
    blocks = receive(pieces, size=64)
    assert b"".join(blocks) == b"".join(pieces)
    assert len(blocks) > 2 * BLOCKS
    assert all(block.endswith(b"\n") and len(block) <= 64 for block in blocks)


def test_a_row_longer_than_a_block_is_one_block():
    long = b"x" * 1000 + b"\n"
    assert receive([b"1\n", long, b"2\n"], size=64) == [b"1\n", long, b"2\n"]


def test_nothing_is_handed_over_when_nothing_comes():
    assert receive([], size=64) == []


def test_what_the_worker_raises_stops_the_copy():
    def refuse(block: memoryview) -> None:
        raise ValueError("does not fit")

    with pytest.raises(ValueError, match="does not fit"):
        receive([b"1234567\n"] * 1000, size=16, handle=refuse)


def test_a_server_that_stops_sending_times_out(monkeypatch):
    monkeypatch.setattr(copy_stream, "IDLE_TIMEOUT_SECONDS", 0.06)
    with pytest.raises(TimeoutError, match=r"it sent nothing for 0\.001 minutes"):
        receive([b"1\n"], size=64, pause=30)
