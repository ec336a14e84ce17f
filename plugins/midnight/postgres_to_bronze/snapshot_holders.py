"""The connections that share a snapshot: one that breaks is replaced as long as another one still holds it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import asyncpg  # no DAG file imports this module

from midnight.errors import MidnightError

# Between two attempts to connect again: about a minute in all, after which the others read on alone.
REJOIN_WAITS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_SAVEPOINT = "midnight_copy"
# The server or the network ended a session; any other error of the server would come back.
_ENDED = ("08", "57P01", "57P02", "57P03")

Join = Callable[[str], Awaitable[asyncpg.Connection]]


class SnapshotHolders:
    """Connections inside one snapshot.

    A snapshot can be joined while the connection that exported it is inside its transaction. When that one is lost, any
    other that has joined the snapshot exports it again.

    Args:
        connections: the first has exported the snapshot.
        identifier: of the snapshot.
        join: makes a connection that joins a snapshot, by its identifier.
    """

    def __init__(self, connections: Sequence[asyncpg.Connection], identifier: str, join: Join) -> None:
        self._alive = list(connections)
        self._exporter: asyncpg.Connection | None = connections[0]
        self._identifier, self._join = identifier, join
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._with_savepoint: set[asyncpg.Connection] = set()

    @property
    def connections(self) -> list[asyncpg.Connection]:
        """All that are open."""
        return list(self._alive)

    async def export_again(self, connection: asyncpg.Connection) -> None:
        """Export the snapshot if the connection that did is lost and another waits for it.

        Args:
            connection: between two statements.
        """
        if self._exporter is not None or not self._waiting:
            return
        self._exporter = connection
        try:
            if connection in self._with_savepoint:  # a subtransaction cannot export
                await connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
                self._with_savepoint.remove(connection)
            self._identifier = str(await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()"))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await self.drop(connection)  # this one is lost, too
        async with self._changed:
            self._changed.notify_all()

    async def set_savepoint(self, connection: asyncpg.Connection) -> None:
        """Once for a connection: an error of the server after it ends neither its transaction nor the snapshot.

        All locks were taken before it: ``return_to_savepoint`` would lose later ones.

        Args:
            connection: between two statements.
        """
        if connection not in self._with_savepoint:
            await connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            self._with_savepoint.add(connection)

    async def return_to_savepoint(self, connection: asyncpg.Connection) -> None:
        """After an error of the server: the connection goes on inside the snapshot."""
        await connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    async def wait(self, until: Callable[[], bool]) -> None:
        """Wait for a condition, or for a reason to export the snapshot again."""
        async with self._changed:
            await self._changed.wait_for(lambda: until() or (self._exporter is None and self._waiting > 0))

    async def notify(self) -> None:
        """A condition of ``wait`` may have changed."""
        async with self._changed:
            self._changed.notify_all()

    async def drop(self, connection: asyncpg.Connection) -> None:
        """A connection is lost."""
        connection.terminate()
        async with self._changed:
            if connection in self._alive:
                self._alive.remove(connection)
            if connection is self._exporter:
                self._exporter = None
            self._changed.notify_all()

    async def replace(self, lost: asyncpg.Connection, is_needed: Callable[[], bool]) -> asyncpg.Connection | None:
        """Another connection inside the snapshot.

        Args:
            lost: its connection to the server is broken.
            is_needed: whether there is still something to read.

        Returns:
            None if it is not needed, no connection holds the snapshot any more, or the server could not be reached for
            a minute.
        """
        await self.drop(lost)
        for wait in REJOIN_WAITS_SECONDS:
            await self._wait_for(wait, is_needed)
            if not await self._is_exported(is_needed):
                return None
            try:
                joined = await self._join(self._identifier)
            except MidnightError:
                continue  # the server restarts, or the exporting connection is lost as well
            self._alive.append(joined)
            return joined
        return None

    async def _wait_for(self, seconds: float, is_needed: Callable[[], bool]) -> None:
        """Pause, but not longer than another connection makes sense."""
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: not (self._alive and is_needed()))

    async def _is_exported(self, is_needed: Callable[[], bool]) -> bool:
        """Wait until a connection that is alive has exported the snapshot; false when there is none, or no need."""
        for connection in [each for each in self._alive if each.is_closed()]:
            await self.drop(connection)
        self._waiting += 1
        try:
            async with self._changed:
                self._changed.notify_all()  # who waits for work exports it
                await self._changed.wait_for(lambda: self._exporter is not None or not (self._alive and is_needed()))
        finally:
            self._waiting -= 1
        return self._exporter is not None and is_needed()


def is_lost(connection: asyncpg.Connection, error: BaseException) -> bool:
    """Whether an error means that the connection, not the statement, failed."""
    state = getattr(error, "sqlstate", None) or ""
    # An InternalClientError: the server ended the session between two statements, and it is not closed yet.
    if isinstance(error, TimeoutError | asyncpg.InternalClientError):
        return True
    return connection.is_closed() and (not state or state.startswith(_ENDED))
