"""Files of the lake that are no Delta tables: manifests, run documents, Parquet files of bronze.

One contract, ``LakeFiles``, with two implementations: a folder (here) and ADLS Gen2 (``midnight.lake.azure``). Delta
tables are read and written by Spark or delta-rs, never through here; ``storage_options`` lets delta-rs in.
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
# An attempt that was given up may still write or clean up where another one deletes.
_DELETION_RETRIES = RetryPolicy(timeout=10, initial_backoff=0.05, max_backoff=0.05)
# File systems without hard links (some network and container mounts).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class OutputFile(Protocol):
    """A file that is being written, from its start to its end, by one thread."""

    def write(self, data: Any) -> int:
        """Take bytes.

        Raises:
            OSError, LakeError: disk full, no permission, the service does not answer.
        """

    def close(self) -> None:
        """The file is complete: whole, under its name.

        Raises:
            OSError, LakeError: as ``write``.
        """

    def abandon(self) -> None:
        """Give the file up; raises nothing. After ``close`` nothing happens."""


class LakeFiles(ABC):
    """File operations below the lake's roots; paths are what ``LakePaths`` makes."""

    parquet_compression = "zstd"  # uploads cost more than processor time

    @property
    def storage_options(self) -> dict[str, str]:
        """What delta-rs needs to reach the same lake; ask again for each table, since a token in it expires."""
        return {}

    @abstractmethod
    def read_text(self, path: str) -> str | None:
        """The text of a small file; None when it does not exist.

        Raises:
            LakeError: it exists but cannot be read.
        """

    @abstractmethod
    def write_text(self, path: str, text: str) -> None:
        """Write a small file whole: a reader sees the old content or the new one, never a part.

        Raises:
            LakeError: disk full, no permission.
        """

    @abstractmethod
    def write_new(self, path: str, text: str) -> None:
        """Write a small file whole, unless it exists. That it exists with this same content is no fault.

        Of any number of writers at the same time exactly one content wins, and every other writer is told.

        Raises:
            LakeConflictError: it exists with other content, which is left as it is.
            LakeError: disk full, no permission.
        """

    @abstractmethod
    def open_output(self, path: str) -> OutputFile:
        """A large file to write. Its folder is made where the lake has folders."""

    @abstractmethod
    def open_input(self, path: str) -> BinaryIO:
        """A file to read, at any position. A file that is replaced meanwhile gives its old content or an error.

        Raises:
            LakeError: it is not there or cannot be read; also later, when reading.
        """

    def make_durable(self, path: str) -> None:  # noqa: B027 - what an object store does
        """Wait until a closed file survives a power cut; an object store promises that on close."""

    @abstractmethod
    def list_names(self, folder: str) -> list[str]:
        """Names of files and folders directly below ``folder``, sorted; empty when it does not exist."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Bytes of a file; None when there is no such file."""

    @abstractmethod
    def delete_file(self, path: str) -> None:
        """Remove a file; nothing happens when it does not exist."""

    @abstractmethod
    def delete_folder(self, folder: str) -> None:
        """Remove a folder and all below it; nothing happens when it does not exist."""


class LocalLakeFiles(LakeFiles):
    """The lake as a folder: a small file appears by rename or link after its content is on disk."""

    parquet_compression = "lz4"  # a disk is fast: half the processor time of zstd for about twice the bytes

    def read_text(self, path: str) -> str | None:
        try:
            return Path(path).read_bytes().decode()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot("read", path, error) from error

    def write_text(self, path: str, text: str) -> None:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(Path(path), text, durable=True)
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
    """An ``OutputFile`` in a folder."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=_WRITE_BUFFER)  # noqa: SIM115  # closed by close or abandon
        self.write = self._file.write  # no call between: it is called for every page of a Parquet file
        self.close = self._file.close

    def abandon(self) -> None:
        with contextlib.suppress(OSError):  # a full disk may complain once more
            self._file.close()


def _link(temporary: Path, path: str) -> None:
    """Give a complete file its name, unless something has that name.

    Raises:
        FileExistsError: something has.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without links two writers within a millisecond are not told apart.
        if Path(path).exists():
            raise FileExistsError(path) from None
        temporary.replace(path)


def _retry_deletion(error: Exception) -> float | None:
    return 0.0 if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.ENOENT) else None


def _cannot(what: str, path: str, error: OSError) -> LakeError:
    return LakeError(f"{path} cannot be {what}: {error}; check free space and permission of the lake")


def open_local_lake() -> LakeFiles:
    """The lake of the local profile."""
    return LocalLakeFiles()
