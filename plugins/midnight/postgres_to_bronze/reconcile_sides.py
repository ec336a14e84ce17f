"""Both sides of a comparison: the server's answer inside the snapshot, and the Parquet files of the batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import asyncpg  # no DAG file imports this module
import pyarrow

from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.parallel_copy import DRIVER_ERRORS
from midnight.postgres_to_bronze.range_copy import TableProgress
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.source_settings import SCAN_TIMEOUT_SECONDS
from midnight.reconciliation.bronze_rows import count_file, digest_file
from midnight.reconciliation.counts import Counts, CountsPlan
from midnight.reconciliation.digests import Digest, SourceDigestPlan
from midnight.reconciliation.hashing import PLAIN_PROBE, PROBE_TEXT, SEEDED_PROBE, SEEDED_PROBE_RESULT, Hashing
from midnight.reconciliation.lookup3 import hash_bytes

_FIRST_VERSION_WITH_SEEDS = 11
# Parallel workers of the server would take more of its processors than the load group's connections.
_SETTINGS = "SET LOCAL max_parallel_workers_per_gather = 0"
_ENCODING = "SELECT pg_catalog.current_setting('server_encoding')"
# Classes of SQLSTATE in which the server refuses the statement, and would again: data, syntax or access, limits.
_REFUSALS = ("0A", "22", "42", "54")

Result = TypeVar("Result")
Query = Callable[[str], str]  # range -> SQL


class RefusedError(Exception):
    """The server cannot compute what is compared; the transaction goes on."""


class Sides:
    """Reads both sides of the tables of a load group.

    Args:
        address: of the source, for messages.
        lake: file operations.
        folder: the batch folder of a table.
        connections: that see the snapshot; each serves one query at a time.
        workers: threads that read files.
    """

    def __init__(
        self,
        *,
        address: SourceAddress,
        lake: LakeFiles,
        folder: Callable[[Table], str],
        connections: Sequence[asyncpg.Connection],
        workers: ThreadPoolExecutor,
    ) -> None:
        self._address, self._lake, self._folder, self._workers = address, lake, folder, workers
        self._idle: asyncio.Queue[asyncpg.Connection] = asyncio.Queue()
        self._prepared: set[asyncpg.Connection] = set()  # a refusal must not end the transaction, and its snapshot
        for connection in connections:
            self._idle.put_nowait(connection)

    async def hashing(self) -> Hashing:
        """What this server's hash functions are worth.

        Raises:
            SourceError: the connection broke.
        """
        try:
            return await self.ask(_read_hashing)
        except RefusedError:
            return Hashing(usable=False)

    async def digest(self, table: TableProgress, plan: SourceDigestPlan) -> tuple[Digest, Digest]:
        """The digests of the source and of bronze.

        Raises:
            SourceError, LakeError, RefusedError: one side cannot be read.
        """
        (answers,), files = await self._read(table, [plan.query], lambda lake, path: digest_file(lake, path, plan))
        source, bronze = Digest(), Digest()
        for answer in answers:
            source.add_source(answer)
        for part in files:
            bronze.add(part)
        return source, bronze

    async def count(self, table: TableProgress, plan: CountsPlan) -> tuple[Counts, Counts]:
        """The counts of the source and of bronze.

        Raises:
            SourceError, LakeError, RefusedError: one side cannot be read.
        """
        parts = plan.parts()
        queries = [part.query for part in parts]
        answers, files = await self._read(table, queries, lambda lake, path: count_file(lake, path, plan))
        source, bronze = Counts(), Counts()
        for part, ranges in zip(parts, answers, strict=True):
            source.rows = 0  # each part has counted them
            for answer in ranges:
                source.add_source(part, answer[0])
        for counted in files:
            bronze.add(plan, counted)
        return source, bronze

    async def ask(
        self, ask: Callable[[asyncpg.Connection], Awaitable[Result]], table: TableProgress | None = None
    ) -> Result:
        """Use one of the connections.

        Args:
            ask: the queries.
            table: that is read, for messages.

        Raises:
            SourceError: the connection broke, or the standby cancelled the query.
            RefusedError: the server cannot compute it.
        """
        connection = await self._idle.get()
        masked = table is not None and bool(table.plan.table.masked_columns)
        try:
            if connection not in self._prepared:
                await connection.execute(f"{_SETTINGS}; SAVEPOINT midnight_reconcile")
                self._prepared.add(connection)
            return await ask(connection)
        except DRIVER_ERRORS as error:
            found = source_error(error, self._address, table.name if table else "", masked=masked)
            if str(getattr(error, "sqlstate", None) or "").startswith(_REFUSALS):
                await connection.execute("ROLLBACK TO SAVEPOINT midnight_reconcile")
                text = type(error).__name__ if masked else " ".join(self._address.mask(str(error)).split())
                raise RefusedError(text) from (None if masked else error)
            raise found from (None if masked else error)
        finally:
            self._idle.put_nowait(connection)

    async def work_on_files(self, table: TableProgress, work: Callable[[LakeFiles, str], Result]) -> list[Result]:
        """What ``work`` returns for each file of a table, in order."""
        folder, loop = self._folder(table.plan.table), asyncio.get_running_loop()
        paths = [f"{folder}/{table.files[number].name}" for number in sorted(table.files)]
        return await asyncio.gather(*(loop.run_in_executor(self._workers, work, self._lake, path) for path in paths))

    async def _read(
        self, table: TableProgress, queries: Sequence[Query], work: Callable[[LakeFiles, str], Result]
    ) -> tuple[list[list[list[asyncpg.Record]]], list[Result]]:
        """Both sides at the same time; also where one fails, no query goes on behind the other's error.

        Args:
            table: to read.
            queries: for the source.
            work: on each file.

        Returns:
            The answers by query and range, and the results by file.
        """
        asked = asyncio.gather(*(self._ask_ranges(table, query) for query in queries))
        worked = self.work_on_files(table, work)
        answers, files = await asyncio.gather(asked, worked, return_exceptions=True)
        if isinstance(answers, BaseException):
            raise answers
        if isinstance(files, BaseException):
            raise files
        return answers, files

    async def _ask_ranges(self, table: TableProgress, query: Query) -> list[list[asyncpg.Record]]:
        """The answers for each of the table's ranges, as many at a time as there are connections."""

        async def ask(condition: str) -> list[asyncpg.Record]:
            return await self.ask(
                lambda connection: connection.fetch(query(condition), timeout=SCAN_TIMEOUT_SECONDS), table
            )

        return await asyncio.gather(*(ask(table.plan.where(condition)) for condition in table.plan.ranges))


async def _read_hashing(connection: asyncpg.Connection) -> Hashing:
    utf8 = await connection.fetchval(_ENCODING) == "UTF8"
    if connection.get_server_version().major >= _FIRST_VERSION_WITH_SEEDS:
        return Hashing(usable=await connection.fetchval(SEEDED_PROBE) == SEEDED_PROBE_RESULT, utf8=utf8)
    expected = int(hash_bytes(pyarrow.array([PROBE_TEXT]), 0)[0]) & 0xFFFFFFFF
    usable = await connection.fetchval(PLAIN_PROBE) & 0xFFFFFFFF == expected
    return Hashing(usable=usable, seeded=False, utf8=utf8)
