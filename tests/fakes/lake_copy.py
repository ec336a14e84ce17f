"""A local copy of a container of the lake, for a fake that reads tables in the process of the test.

delta-rs holds Python's lock while it waits for an answer. A test whose process also answers (the tunnel to the storage
account, the sign-in) would then wait for itself. The Azure client releases the lock, so it fetches the files.
"""

from __future__ import annotations

import threading
from pathlib import Path

from azure.storage.blob import ContainerClient


class LakeCopy:
    """Keeps files of a container in a folder; each is fetched once, and again when its ETag changes.

    Args:
        container: with the credential of the reader.
        folder: for the copy.
    """

    def __init__(self, container: ContainerClient, folder: Path) -> None:
        self._container, self._folder = container, folder
        self._etags: dict[str, str] = {}
        self._lock = threading.Lock()

    def refresh(self, prefix: str) -> Path:
        """The folder with the files below a prefix, as they are in the container now; it need not exist."""
        prefix = f"{prefix.strip('/')}/"
        with self._lock:
            found = {blob.name: str(blob.etag) for blob in self._container.list_blobs(name_starts_with=prefix)}
            for name in [name for name in self._etags if name.startswith(prefix) and name not in found]:
                (self._folder / name).unlink()
                del self._etags[name]
            for name, etag in found.items():
                if self._etags.get(name) != etag:
                    self._fetch(name)
        return self._folder / prefix

    def _fetch(self, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        download = self._container.download_blob(name)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_bytes(download.readall())
        partial.replace(path)
        self._etags[name] = str(download.properties.etag)
