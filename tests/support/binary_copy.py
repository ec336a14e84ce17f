"""Builds what a server sends for COPY in binary format."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from midnight.postgres_to_bronze.copy_columns import ROW_MARKER
from midnight.postgres_to_bronze.row_starts import PADDING

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


def binary_row(fields: Sequence[bytes | None], *, marked: bool = True) -> bytes:
    """A row, with its marker or without; None is NULL."""
    sent = (ROW_MARKER, *fields) if marked else fields
    parts = [struct.pack(">h", len(sent))]
    for field in sent:
        parts.append(struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field)
    return b"".join(parts)


def binary_block(
    rows: Iterable[Sequence[bytes | None]], *, before: bytes = HEADER, after: bytes = TRAILER, marked: bool = True
) -> bytes:
    """A block for ``CopyParser.parse``.

    Args:
        rows: their fields.
        before: the first row.
        after: the last row.
        marked: whether each row begins with a constant: no column marks it (``copy_columns.copy_layout``).
    """
    return before + b"".join(binary_row(row, marked=marked) for row in rows) + after + b"\x5a" * PADDING
