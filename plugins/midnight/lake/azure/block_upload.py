"""A large file on its way to Azure Storage: blocks in parallel, and one commit that makes the file visible whole.

Blocks that were never committed are seen by nobody, and the service forgets them after a week.
"""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from azure.storage.blob import BlobBlock, BlobClient, BlockState
from midnight.lake.azure.retries import Retries

T = TypeVar("T")
BLOCK_BYTES = 8 * 1024 * 1024  # 50,000 blocks make a file: 400 GB
PARALLEL = 4


class Transfers:
    """The threads that talk to the service for all files of a lake.

    At most ``PARALLEL`` blocks are on their way at any time, over all files: more memory is not used.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="midnight-lake")
        self._free = threading.BoundedSemaphore(PARALLEL)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Start work in a thread."""
        return self._threads.submit(work)

    def submit_block(self, work: Callable[[], T]) -> Future[T]:
        """Start work that holds a block in memory, once there is room for it."""
        self._free.acquire()
        try:
            future = self._threads.submit(work)
        except BaseException:
            self._free.release()
            raise
        future.add_done_callback(lambda _: self._free.release())
        return future


class BlockUpload:
    """An ``OutputFile``. Used by one thread at a time.

    Args:
        blob: the target.
        path: for messages.
        retries: runs the requests.
        transfers: the threads.
    """

    def __init__(self, blob: BlobClient, path: str, retries: Retries, transfers: Transfers) -> None:
        self._blob, self._path, self._retries, self._transfers = blob, path, retries, transfers
        self._upload = secrets.token_hex(8)  # another upload of the same file must not mix its blocks with ours
        self._buffer = bytearray()
        self._blocks: list[str] = []
        self._on_their_way: set[Future[None]] = set()
        self._closed = False

    def write(self, data: Any) -> int:
        """Take bytes; waits while too many blocks are on their way.

        Raises:
            LakeError: an earlier block could not be uploaded.
        """
        if self._closed:
            raise ValueError(f"{self._path} is closed")
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        while rest:
            room = BLOCK_BYTES - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]
            if len(self._buffer) == BLOCK_BYTES:
                self._stage()
        return size

    def close(self) -> None:
        """Upload what is left and make the file visible.

        Raises:
            LakeError: a block or the commit failed; nothing is visible.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._blocks:
                self._put_whole()
                return
            if self._buffer:
                self._stage()
            for future in list(self._on_their_way):
                future.result()
            self._retries.run("written", self._path, self._commit)
        finally:
            self._forget()

    def abandon(self) -> None:
        """Give the file up."""
        self._closed = True
        self._forget()

    def _put_whole(self) -> None:
        """A file smaller than a block needs one request, which is atomic."""
        content = bytes(self._buffer)
        self._retries.run(
            "written",
            self._path,
            lambda: self._blob.upload_blob(content, overwrite=True, validate_content=True),
        )

    def _stage(self) -> None:
        self._raise_failure()
        number = len(self._blocks)
        block_id = base64.b64encode(f"{self._upload}-{number:05d}".encode()).decode()
        content = bytes(self._buffer)
        self._buffer.clear()

        def upload() -> None:
            # validate_content sends the block's MD5, which the service compares.
            self._blob.stage_block(block_id, content, validate_content=True)

        self._blocks.append(block_id)
        future = self._transfers.submit_block(lambda: self._retries.run("written", self._path, upload))
        self._on_their_way.add(future)

    def _raise_failure(self) -> None:
        for future in [future for future in self._on_their_way if future.done()]:
            self._on_their_way.discard(future)
            future.result()

    def _commit(self) -> None:
        # After a lost answer the blocks are found in the committed list: "latest" looks in both, so that committing
        # the same list twice is the same as once.
        blocks = [BlobBlock(block_id, BlockState.LATEST) for block_id in self._blocks]
        self._blob.commit_block_list(blocks, validate_content=True)

    def _forget(self) -> None:
        """Wait for what is on its way (it ends by itself) and free the memory."""
        self._buffer.clear()
        for future in self._on_their_way:
            if not future.cancel():
                future.exception()
        self._on_their_way.clear()
