"""Reads a file of Azure Storage in ranges: reads ahead while it is read sequentially, and large ranges in parallel."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future

from midnight.lake.azure.block_upload import PARALLEL, Transfers

BLOCK_BYTES = 4 * 1024 * 1024


class RangeReader(io.RawIOBase):
    """A seekable file. Not thread-safe; keeps at most six blocks in memory in addition to what it returns.

    Args:
        fetch: returns the bytes of a range (start, length); raises when the file has changed.
        size: of the file, in bytes.
        transfers: runs the requests.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, transfers: Transfers) -> None:
        self._fetch, self._size, self._transfers = fetch, size, transfers
        self._position = 0
        self._end_of_last = 0  # a read that begins here is sequential: more will follow
        self._blocks: dict[int, Future[bytes]] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        """Size of the file in bytes; pyarrow calls it."""
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read at most ``size`` bytes from the position; all remaining ones if it is negative.

        Raises:
            LakeError: the service does not respond, or the file was replaced or deleted in the meantime.
        """
        start = self._position
        end = self._size if size is None or size < 0 else min(self._size, start + size)
        if start >= end:
            return b""
        is_sequential = start == self._end_of_last
        if not is_sequential and end - start < BLOCK_BYTES and start // BLOCK_BYTES not in self._blocks:
            data = self._fetch(start, end - start)
        else:
            data = self._from_blocks(start, end, ahead=PARALLEL if is_sequential else 0)
        self._position = self._end_of_last = end
        return data

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self.read()

    def close(self) -> None:
        for future in self._blocks.values():
            future.cancel()
        self._blocks.clear()
        super().close()

    def _from_blocks(self, start: int, end: int, *, ahead: int) -> bytes:
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        final = min(last + ahead, (self._size - 1) // BLOCK_BYTES)
        for index in [index for index in self._blocks if not first <= index <= final]:
            self._blocks.pop(index).cancel()
        pieces = []
        for index in range(first, last + 1):
            for later in range(index, min(index + PARALLEL, final) + 1):
                if later not in self._blocks:
                    self._blocks[later] = self._transfers.submit(self._fetch_block(later))
            block = self._blocks[index].result()
            base = index * BLOCK_BYTES
            pieces.append(block[max(start - base, 0) : end - base])
            if end >= base + len(block):
                del self._blocks[index]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fetch_block(self, index: int) -> Callable[[], bytes]:
        start = index * BLOCK_BYTES
        return lambda: self._fetch(start, min(BLOCK_BYTES, self._size - start))
