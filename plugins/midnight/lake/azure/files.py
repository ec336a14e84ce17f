"""``LakeFiles`` on ADLS Gen2, through the blob endpoint, which works with and without a hierarchical namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, IncompleteReadError
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient

from midnight.errors import LakeConflictError, LakeError
from midnight.lake.azure.blob_reader import RangeReader
from midnight.lake.azure.block_upload import BlockUpload, Transfers
from midnight.lake.azure.credential import LakeCredential
from midnight.lake.azure.retries import Retries, already_exists, is_missing
from midnight.lake.files import LakeFiles, OutputFile
from midnight.retry import RetryPolicy

# With a hierarchical namespace the blob endpoint shows a folder as an empty blob with this metadata. Hadoop's drivers
# write such blobs to accounts without one.
_FOLDER_MARKER = "hdi_isfolder"


def _delta_retries(policy: RetryPolicy) -> dict[str, str]:
    """A retry policy as options of delta-rs, which otherwise repeats a request for up to three minutes."""
    seconds = f"{policy.timeout:.0f}s"
    return {"max_retries": "2", "retry_timeout": seconds, "connect_timeout": seconds, "timeout": seconds}


class AzureLakeFiles(LakeFiles):
    """File operations on abfss paths. Thread-safe; each open file belongs to one thread at a time.

    Args:
        account: name of the storage account.
        credential: the identity.
        retry_policy: how long a request is repeated while the service is busy or unreachable.
        options: of the client (``BlobServiceClient``), in addition to ``CLIENT_OPTIONS``.
    """

    def __init__(
        self, account: str, credential: LakeCredential, retry_policy: RetryPolicy | None = None, **options: float
    ) -> None:
        self._account, self._credential = account, credential
        self._service: BlobServiceClient = credential.blob_service(account, **options)
        self._retries = Retries(account, credential.identity, retry_policy or RetryPolicy())
        self._delta_retries = {} if retry_policy is None else _delta_retries(retry_policy)
        self._transfers = Transfers()

    @property
    def storage_options(self) -> dict[str, str]:
        """Options for delta-rs; requests a token from Entra ID for the default credential chain.

        Raises:
            LakeError: Entra ID did not issue a token.
        """
        options = self._retries.run("read", self._account, lambda: self._credential.delta_options(self._account))
        return options | self._delta_retries

    def read_text(self, path: str) -> str | None:
        blob = self._blob(path)

        def read() -> str | None:
            try:
                return _download(blob).decode()
            except HttpResponseError as error:
                if is_missing(error):
                    return None
                raise

        return self._retries.run("read", path, read)

    def write_bytes(self, path: str, content: bytes) -> None:
        blob = self._blob(path)
        self._retries.run("written", path, lambda: blob.upload_blob(content, overwrite=True, validate_content=True))

    def write_new(self, path: str, text: str) -> None:
        blob, content = self._blob(path), text.encode()

        def put() -> bool:
            try:
                blob.upload_blob(content, overwrite=False, validate_content=True)  # If-None-Match: *
            except HttpResponseError as error:
                if already_exists(error):
                    return False
                raise
            return True

        # The existing file may be our own: the response to an earlier attempt may have been lost.
        if not self._retries.run("written", path, put):
            existing = self.read_text(path)
            if existing != text:
                raise LakeConflictError(path, existing)

    def open_output(self, path: str) -> OutputFile:
        return BlockUpload(self._blob(path), path, self._retries, self._transfers)

    def open_input(self, path: str) -> BinaryIO:
        blob = self._blob(path)
        found = self._retries.run("read", path, blob.get_blob_properties)
        etag = found.etag

        def fetch(start: int, length: int) -> bytes:
            def request() -> bytes:
                # 412 if the file was replaced, 404 if it was deleted.
                return _download(
                    blob, offset=start, length=length, etag=etag, match_condition=MatchConditions.IfNotModified
                )

            return self._retries.run("read", path, request)

        return cast(BinaryIO, RangeReader(fetch, found.size, self._transfers))

    def list_names(self, folder: str) -> list[str]:
        container, prefix = self._folder(folder)

        def listing() -> list[str]:
            return [item.name for item in container.walk_blobs(name_starts_with=prefix, delimiter="/")]

        names = self._retries.run("listed", folder, listing)
        return sorted({name[len(prefix) :].strip("/") for name in names} - {""})

    def size(self, path: str) -> int | None:
        blob = self._blob(path)

        def ask() -> int | None:
            try:
                found = blob.get_blob_properties()
            except HttpResponseError as error:
                if is_missing(error):
                    return None
                raise
            return None if _FOLDER_MARKER in (found.metadata or {}) else found.size

        return self._retries.run("read", path, ask)

    def delete_file(self, path: str) -> None:
        self._delete(path, self._blob(path))

    def delete_folder(self, folder: str) -> None:
        container, prefix = self._folder(folder)
        if not prefix:
            raise LakeError(f"{folder} is a container, which is not deleted; hint: name a folder in it")

        def listing() -> list[tuple[str, bool]]:
            found = container.list_blobs(name_starts_with=prefix, include=["metadata"])
            return [(item.name, _FOLDER_MARKER in (item.metadata or {})) for item in found]

        found = self._retries.run("listed", folder, listing)
        files = [name for name, is_folder in found if not is_folder]
        blobs = [container.get_blob_client(name) for name in files]
        waiting = [self._transfers.submit(partial(self._delete, folder, blob)) for blob in blobs]
        for future in waiting:
            future.result()
        # Only an empty folder can be deleted: the deepest ones first, the given one last.
        folders = sorted((name for name, is_folder in found if is_folder), key=lambda name: -name.count("/"))
        for name in [*folders, prefix.rstrip("/")]:
            self._delete(folder, container.get_blob_client(name), only_folder=True)

    def _delete(self, folder: str, blob: BlobClient, *, only_folder: bool = False) -> None:
        def delete() -> None:
            with _unless_missing():
                if not only_folder or _FOLDER_MARKER in (blob.get_blob_properties().metadata or {}):
                    blob.delete_blob()

        self._retries.run("deleted", folder, delete)

    def _locate(self, path: str) -> tuple[str, str]:
        """Container and blob name of an abfss path.

        Raises:
            LakeError: the path is not in this account.
        """
        url = urlsplit(path)
        host = (url.hostname or "").partition(".")[0]
        if url.scheme != "abfss" or host != self._account or not url.username:
            raise LakeError(f"{path!r} is not in the lake abfss://<container>@{self._account}.dfs.core.windows.net")
        return url.username, url.path.strip("/")

    def _blob(self, path: str) -> BlobClient:
        return self._service.get_blob_client(*self._locate(path))

    def _folder(self, path: str) -> tuple[ContainerClient, str]:
        container, name = self._locate(path)
        return self._service.get_container_client(container), f"{name}/" if name else ""


def _download(blob: BlobClient, **request: Any) -> bytes:
    """The bytes of a blob, or of a range of it: all of them.

    The client completes a response that is too short with a second request, but does not check the length of that one
    (``_ChunkDownloader`` of azure-storage-blob 12.31).

    Raises:
        IncompleteReadError: bytes are missing.
    """
    download = blob.download_blob(**request)
    data: bytes = download.readall()
    if len(data) != download.size:
        raise IncompleteReadError(f"{len(data)} of {download.size} bytes were received")
    return data


@contextlib.contextmanager
def _unless_missing() -> Iterator[None]:
    """Ignore that a blob does not exist."""
    try:
        yield
    except HttpResponseError as error:
        if not is_missing(error):
            raise
