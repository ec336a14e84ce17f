"""Small files of the lake (manifests, run documents) and open Parquet files: a folder, or ADLS Gen2.

Delta tables are read and written by Spark or delta-rs, never through here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from midnight.errors import LakeError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyarrow.lib import NativeFile


class LakeFiles:
    """File operations below the lake's roots; paths are what ``LakePaths`` makes.

    Args:
        filesystem: pyarrow's file system of the lake.
        storage_options: what delta-rs needs to reach the same lake.
    """

    def __init__(self, filesystem: FileSystem, storage_options: Mapping[str, str] | None = None) -> None:
        self.filesystem = filesystem
        self.storage_options = dict(storage_options or {})

    parquet_compression = "zstd"  # uploads cost more than processor time

    def locate(self, path: str) -> str:
        """The path as pyarrow wants it: ``container/path`` for an abfss URL."""
        if "://" not in path:
            return path
        url = urlsplit(path)
        return f"{url.username}{url.path}"

    def read_text(self, path: str) -> str | None:
        """The text of a file; None when it does not exist.

        Raises:
            LakeError: it exists but cannot be read.
        """
        try:
            with self.filesystem.open_input_file(self.locate(path)) as stream:
                return stream.read().decode()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LakeError(f"{path} cannot be read: {error}; check the permission on the lake") from error

    def write_text(self, path: str, text: str) -> None:
        """Write a small file whole: a reader sees the old content or the new one, never a part.

        Raises:
            LakeError: disk full, no permission.
        """
        try:
            self._write_atomically(path, text.encode())
        except OSError as error:
            raise LakeError(
                f"{path} cannot be written: {error}; check free space and permission of the lake"
            ) from error

    def open_output(self, path: str) -> NativeFile:
        """A stream for a large file. Its folder is made where the file system has folders."""
        parent = self.locate(path).rsplit("/", 1)[0]
        self.filesystem.create_dir(parent, recursive=True)
        return self.filesystem.open_output_stream(self.locate(path))

    def make_durable(self, path: str) -> None:
        """Wait until a closed file survives a power cut; an object store promises that on close."""

    def list_names(self, folder: str) -> list[str]:
        """Names of files and folders directly below ``folder``, sorted; empty when it does not exist."""
        from pyarrow.fs import FileSelector

        selector = FileSelector(self.locate(folder), allow_not_found=True)
        return sorted(info.base_name for info in self.filesystem.get_file_info(selector))

    def size(self, path: str) -> int | None:
        """Bytes of a file; None when there is no such file."""
        from pyarrow.fs import FileType

        info: Any = self.filesystem.get_file_info(self.locate(path))
        return info.size if info.type == FileType.File else None

    def delete_file(self, path: str) -> None:
        """Remove a file; nothing happens when it does not exist."""
        if self.size(path) is not None:
            self.filesystem.delete_file(self.locate(path))

    def delete_folder(self, folder: str) -> None:
        """Remove a folder and all below it; nothing happens when it does not exist."""
        if self.list_names(folder):
            self.filesystem.delete_dir(self.locate(folder))

    def _write_atomically(self, path: str, content: bytes) -> None:
        """On an object store one upload of a small object is atomic."""
        with self.open_output(path) as stream:
            stream.write(content)


class LocalLakeFiles(LakeFiles):
    """The lake as a folder: a file appears by rename after its content is on disk."""

    parquet_compression = "lz4"  # a disk is fast: half the processor time of zstd for 1.7 times the bytes

    def make_durable(self, path: str) -> None:
        """Wait until the file's content is on disk."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _write_atomically(self, path: str, content: bytes) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def open_local_lake() -> LakeFiles:
    """The lake of the local profile."""
    from pyarrow.fs import LocalFileSystem

    return LocalLakeFiles(LocalFileSystem())


def open_azure_lake(account: str, credential: Mapping[str, str]) -> LakeFiles:
    """The lake on ADLS Gen2.

    Args:
        account: storage account name.
        credential: ``tenant_id``, ``client_id`` and ``client_secret`` of a service principal, ``sas_token``, or
            nothing: then azure-identity's default chain (managed identity first) is used.
    """
    from pyarrow.fs import AzureFileSystem

    filesystem = AzureFileSystem(account, **credential)
    options = {"azure_storage_account_name": account}
    options.update({f"azure_{key}": value for key, value in credential.items()})
    return LakeFiles(filesystem, options)
