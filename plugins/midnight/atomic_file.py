"""Writes files that readers see complete or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_atomically(target: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write or replace a file; a reader sees the old content or the new one, never a part.

    Only the owner may read or write the file (0600).

    Args:
        target: in an existing folder.
        content: bytes, or text, which is written in UTF-8 with its line ends as they are.
        durable: wait until the content is on disk before the file appears, so that it survives a power cut.

    Raises:
        OSError: no permission, disk full.
    """
    with temporary_file(target, content, durable=durable) as temporary:
        temporary.replace(target)


@contextlib.contextmanager
def temporary_file(target: Path, content: str | bytes, *, durable: bool = False) -> Iterator[Path]:
    """A complete file next to ``target``, to be moved there; deleted at the end if it still exists.

    Args:
        target: in an existing folder.
        content: bytes, or text, which is written in UTF-8.
        durable: wait until it is on disk.

    Raises:
        OSError: no permission, disk full.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")  # mkstemp makes it 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
