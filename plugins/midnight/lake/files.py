"""Files of the lake outside Delta tables: manifests, run documents, the Parquet files of bronze.

One contract, ``LakeFiles``, with two implementations: a folder (here) and ADLS Gen2 (``midnight.lake.azure``). Delta
tables are read and written by Spark or delta-rs, never by this module; ``storage_options`` configures delta-rs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from midnight.atomic_file import temporary_file, write_atomically
from midnight.errors import LakeConflictError, LakeError
from midnight.retry import RetryPolicy

_WRITE_BUFFER = 1024 * 1024
# A cancelled attempt may still write or clean up in a folder that another attempt deletes.
_DELETION_RETRIES = RetryPolicy(timeout=10, initial_backoff=0.05, max_backoff=0.05)
# File systems without hard links (some network and container mounts).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class OutputFile(Protocol):
    """A file that one thread writes sequentially."""

    def write(self, data: Any) -> int:
        """Append bytes.

        Raises:
            OSError, LakeError: disk full, no permission, the service does not respond.
        """

    def close(self) -> None:
        """Complete the file: readers see all of it.

        Raises:
            OSError, LakeError: as ``write``.
        """

    def abandon(self) -> None:
        """Discard the file; never raises. Does nothing after ``close``."""


class LakeFiles(ABC):
    """File operations below the roots of the layers; ``LakePaths`` makes the paths."""

    parquet_compression = "zstd"  # uploading costs more than compressing
    concurrent_reads = 16  # each request waits for the service (``many_files``)

    @property
    def storage_options(self) -> dict[str, str]:
        """Options for delta-rs to access the same lake; get them for each table, because a token in them expires."""
        return {}

    @abstractmethod
    def read_text(self, path: str) -> str | None:
        """Read a small file; None if it does not exist.

        Raises:
            LakeError: the file exists but cannot be read.
        """

    def write_text(self, path: str, text: str) -> None:
        """Write or replace a small file of text, in UTF-8; see ``write_bytes``."""
        self.write_bytes(path, text.encode())

    @abstractmethod
    def write_bytes(self, path: str, content: bytes) -> None:
        """Write or replace a small file atomically: a reader sees the old content or the new one, never a part.

        Raises:
            LakeError: disk full, no permission.
        """

    @abstractmethod
    def write_new(self, path: str, text: str) -> None:
        """Create a small file atomically; succeeds if it exists with the same content.

        Of several concurrent writers exactly one creates the file; the others get a ``LakeConflictError``.

        Raises:
            LakeConflictError: the file exists with other content, which is kept.
            LakeError: disk full, no permission.
        """

    @abstractmethod
    def open_output(self, path: str) -> OutputFile:
        """Open a large file for writing. Creates its folder if the lake has folders."""

    @abstractmethod
    def open_input(self, path: str) -> BinaryIO:
        """Open a seekable file for reading. If the file is replaced in the meantime, it reads the old content or fails.

        Raises:
            LakeError: the file does not exist or cannot be read; reading may raise it, too.
        """

    def make_durable(self, path: str) -> None:  # noqa: B027 - object stores need nothing
        """Wait until a closed file survives a power failure; object stores guarantee that on close."""

    @abstractmethod
    def list_names(self, folder: str) -> list[str]:
        """Names of files and folders directly below ``folder``, sorted; empty if the folder does not exist."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Size of a file in bytes; None if it does not exist or is a folder."""

    @abstractmethod
    def delete_file(self, path: str) -> None:
        """Delete a file; does nothing if it does not exist."""

    @abstractmethod
    def delete_folder(self, folder: str) -> None:
        """Delete a folder and everything in it; does nothing if it does not exist."""


class LocalLakeFiles(LakeFiles):
    """The lake as a local folder: a small file is renamed or linked into place after its content is on disk."""

    concurrent_reads = 1  # the file system answers at once
    parquet_compression = "lz4"  # disks are fast: half the processor time of zstd for about twice the bytes

    def read_text(self, path: str) -> str | None:
        try:
            return Path(path).read_bytes().decode()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot("read", path, error) from error

    def write_bytes(self, path: str, content: bytes) -> None:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(path), content, durable=True)
        except OSError as error:
            raise _cannot("written", path, error) from error

    def write_new(self, path: str, text: str) -> None:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with temporary_file(Path(path), text, durable=True) as temporary:
                _link(temporary, path)
        except FileExistsError:
            existing = self.read_text(path)
            if existing != text:
                raise LakeConflictError(path, existing) from None
        except OSError as error:
            raise _cannot("written", path, error) from error

    def open_output(self, path: str) -> OutputFile:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return LocalOutput(path)

    def open_input(self, path: str) -> BinaryIO:
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise _cannot("read", path, error) from error

    def make_durable(self, path: str) -> None:
        """Wait until the file's content is on disk."""
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def list_names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _cannot("listed", folder, error) from error

    def size(self, path: str) -> int | None:
        file = Path(path)
        return file.stat().st_size if file.is_file() else None

    def delete_file(self, path: str) -> None:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise _cannot("deleted", path, error) from error

    def delete_folder(self, folder: str) -> None:
        def delete() -> None:
            if os.path.lexists(folder):
                shutil.rmtree(folder)

        try:
            _DELETION_RETRIES.call(delete, _retry_deletion)
        except OSError as error:
            raise _cannot("deleted", folder, error) from error


class LocalOutput:
    """A local ``OutputFile``."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=_WRITE_BUFFER)  # noqa: SIM115  # closed by close or abandon
        self.write = self._file.write  # a direct reference: called for every page of a Parquet file
        self.close = self._file.close

    def abandon(self) -> None:
        with contextlib.suppress(OSError):  # closing flushes, which fails again on a full disk
            self._file.close()


def _link(temporary: Path, path: str) -> None:
    """Move a complete file to its path, unless the path exists.

    Raises:
        FileExistsError: the path exists.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links two writers within a millisecond may both succeed.
        if Path(path).exists():
            raise FileExistsError(path) from None
        temporary.replace(path)


def _retry_deletion(error: Exception) -> float | None:
    return 0.0 if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.ENOENT) else None


def _cannot(what: str, path: str, error: OSError) -> LakeError:
    return LakeError(f"{path} cannot be {what}: {error}; hint: check the free space and the permissions of the lake")


def open_local_lake() -> LakeFiles:
    """The lake of the local profile."""
    return LocalLakeFiles()
