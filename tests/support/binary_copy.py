"""Builds what a server sends for COPY in binary format."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from midnight.postgres_to_bronze.copy_block import PADDING
from midnight.postgres_to_bronze.copy_columns import ROW_MARKER

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


def binary_row(fields: Sequence[bytes | None]) -> bytes:
    """A row with its marker; None is NULL."""
    parts = [struct.pack(">h", len(fields) + 1)]
    for field in (ROW_MARKER, *fields):
        parts.append(struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field)
    return b"".join(parts)


def binary_block(rows: Iterable[Sequence[bytes | None]], *, before: bytes = HEADER, after: bytes = TRAILER) -> bytes:
    """A block for ``CopyParser.parse``."""
    return before + b"".join(map(binary_row, rows)) + after + b"\x5a" * PADDING
