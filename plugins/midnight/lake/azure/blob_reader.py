"""A file of Azure Storage, read by ranges: ahead while it is read in order, in parallel where much is asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future

from midnight.lake.azure.block_upload import PARALLEL, Transfers

BLOCK_BYTES = 4 * 1024 * 1024


class RangeReader(io.RawIOBase):
    """A seekable file. Used by one thread at a time; holds at most six blocks beside what it returns.

    Args:
        fetch: gives the bytes from a position, of a length; it notices when the file has changed.
        size: of the file in bytes.
        transfers: the threads that fetch.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, transfers: Transfers) -> None:
        self._fetch, self._size, self._transfers = fetch, size, transfers
        self._position = 0
        self._end_of_last = 0  # a read that begins here is one of a row: more will follow
        self._blocks: dict[int, Future[bytes]] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        """Bytes of the file (pyarrow asks for it)."""
        return self._size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes from the position; all that is left when it is negative.

        Raises:
            LakeError: the service does not answer, or the file was replaced or deleted meanwhile.
        """
        start = self._position
        end = self._size if size is None or size < 0 else min(self._size, start + size)
        if start >= end:
            return b""
        in_order = start == self._end_of_last
        if not in_order and end - start < BLOCK_BYTES and start // BLOCK_BYTES not in self._blocks:
            data = self._fetch(start, end - start)
        else:
            data = self._from_blocks(start, end, ahead=PARALLEL if in_order else 0)
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
                    self._blocks[later] = self._transfers.submit(self._fetching(later))
            block = self._blocks[index].result()
            base = index * BLOCK_BYTES
            pieces.append(block[max(start - base, 0) : end - base])
            if end >= base + len(block):
                del self._blocks[index]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fetching(self, index: int) -> Callable[[], bytes]:
        start = index * BLOCK_BYTES
        return lambda: self._fetch(start, min(BLOCK_BYTES, self._size - start))
