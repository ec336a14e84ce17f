"""Uploads a large file to Azure Storage: blocks in parallel, and one commit that makes the complete file visible.

Uncommitted blocks are invisible, and the service deletes them after a week.
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
    """The threads that send requests for all files of a lake.

    Limits memory: at most ``PARALLEL`` blocks of all files together are being uploaded at any time.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="midnight-lake")
        self._slots = threading.BoundedSemaphore(PARALLEL)

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in a thread."""
        return self._threads.submit(function)

    def submit_block(self, function: Callable[[], T]) -> Future[T]:
        """Run a function that holds a block in memory; waits while ``PARALLEL`` of them are running."""
        self._slots.acquire()
        try:
            future = self._threads.submit(function)
        except BaseException:
            self._slots.release()
            raise
        future.add_done_callback(lambda _: self._slots.release())
        return future


class BlockUpload:
    """An ``OutputFile`` in Azure Storage. Not thread-safe.

    Args:
        blob: the target.
        path: for messages.
        retries: sends the requests.
        transfers: runs them in parallel.
    """

    def __init__(self, blob: BlobClient, path: str, retries: Retries, transfers: Transfers) -> None:
        self._blob, self._path, self._retries, self._transfers = blob, path, retries, transfers
        self._upload = secrets.token_hex(8)  # keeps the blocks of concurrent uploads of one file apart
        self._buffer = bytearray()
        self._blocks: list[str] = []
        self._pending: set[Future[None]] = set()
        self._closed = False

    def write(self, data: Any) -> int:
        """Append bytes; waits while too many blocks are being uploaded.

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
        """Upload the rest and make the file visible.

        Raises:
            LakeError: a block or the commit failed; nothing is visible.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._blocks:
                self._upload_at_once()
                return
            if self._buffer:
                self._stage()
            for future in list(self._pending):
                future.result()
            self._retries.run("written", self._path, self._commit)
        finally:
            self._release()

    def abandon(self) -> None:
        """Discard the file."""
        self._closed = True
        self._release()

    def _upload_at_once(self) -> None:
        """A file smaller than a block is uploaded by one request, which is atomic."""
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
            # validate_content sends the MD5 of the block, which the service checks.
            self._blob.stage_block(block_id, content, validate_content=True)

        self._blocks.append(block_id)
        future = self._transfers.submit_block(lambda: self._retries.run("written", self._path, upload))
        self._pending.add(future)

    def _raise_failure(self) -> None:
        for future in [future for future in self._pending if future.done()]:
            self._pending.discard(future)
            future.result()

    def _commit(self) -> None:
        # If the response to an earlier commit was lost, the blocks are in the committed list already. "latest" searches
        # both lists, which makes the commit idempotent.
        blocks = [BlobBlock(block_id, BlockState.LATEST) for block_id in self._blocks]
        self._blob.commit_block_list(blocks, validate_content=True)

    def _release(self) -> None:
        """Wait for running uploads, which end by themselves, and free the memory."""
        self._buffer.clear()
        for future in self._pending:
            if not future.cancel():
                future.exception()
        self._pending.clear()
