"""Waits until a crash of the server loses nothing that a snapshot shows; only then is a batch of it sealed.

With ``synchronous_commit = off`` a crash may lose the last commits, and give their transaction ids to others: the next
increment would take the rows of these for rows that it has read. The log reaches the disk within three times
``wal_writer_delay`` (manual, "Asynchronous Commit"), which usually has passed when the tables are read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg  # no DAG file imports this module

from midnight.errors import SourceError
from midnight.postgres_to_bronze import catalogue_queries as queries
from midnight.postgres_to_bronze.parallel_copy import DRIVER_ERRORS
from midnight.postgres_to_bronze.snapshot import ExportedSnapshot
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error

LONGEST_WAIT_SECONDS = 30.0  # three times the greatest wal_writer_delay
_POLL_SECONDS = 0.02


async def wait_until_durable(
    connections: Sequence[asyncpg.Connection], snapshot: ExportedSnapshot, address: SourceAddress
) -> None:
    """Wait for the log; not on a standby, and not where the role may not read its position.

    Args:
        connections: that see the snapshot.
        snapshot: whose rows have been read.
        address: of the source, for messages.

    Raises:
        SourceError: the server cannot be reached, perhaps after a crash.
    """
    if not snapshot.insert_lsn:
        return
    if not connections:
        raise SourceError(f"all connections to {address.place} were lost; nothing was sealed; hint: clear this task")
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    try:
        while not await connections[0].fetchval(queries.IS_FLUSHED, snapshot.insert_lsn):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_POLL_SECONDS)
    except DRIVER_ERRORS as error:
        raise source_error(error, address) from error
