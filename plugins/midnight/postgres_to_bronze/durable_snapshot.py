"""Waits until a crash of the server loses nothing that a snapshot shows; only then is a batch of it sealed.

With ``synchronous_commit = off`` a crash may lose the last commits, and give their transaction ids to others: the next
increment would take the rows of these for rows that it has read. A commit reaches the disk within three times
``wal_writer_delay`` (0.6 s), which usually has passed when the tables are read.
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
    if not snapshot.log_end or time.monotonic() >= snapshot.durable_at:
        return
    if not connections:
        raise SourceError(f"all connections to {address.place} were lost; nothing was sealed; hint: clear this task")
    try:
        while not await connections[0].fetchval(queries.IS_FLUSHED, snapshot.log_end):
            rest = snapshot.durable_at - time.monotonic()
            if rest <= 0:
                return
            await asyncio.sleep(min(_POLL_SECONDS, rest))
    except DRIVER_ERRORS as error:
        raise source_error(error, address) from error
