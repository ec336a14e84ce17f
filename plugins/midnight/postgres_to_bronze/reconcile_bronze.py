"""Compares what a load group has read with the source, inside the run's snapshot and before the batch is sealed.

The server computes counts or digests from its columns, and this process computes them again from the Parquet files.
A difference is located by at most two further reads inside the same snapshot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import asyncpg  # no DAG file imports this module

from midnight.configuration.tables import Table
from midnight.errors import ReconciliationError
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.digest_columns import digest_columns, digest_key
from midnight.postgres_to_bronze.locate_differences import Locator
from midnight.postgres_to_bronze.range_copy import TableProgress
from midnight.postgres_to_bronze.reconcile_sides import RefusedError, Sides
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.reconciliation.counts import Counts, CountsPlan
from midnight.reconciliation.digests import Digest, SourceDigestPlan, bucket_count
from midnight.reconciliation.hashing import Hashing
from midnight.reconciliation.record import (
    MOST_DIFFERENCES,
    Difference,
    Link,
    LinkRecord,
    Method,
    Status,
    describe_differences,
    summarise,
)

LINK: Link = "source = bronze"
_UNSTABLE = "two reads of one snapshot gave different rows, as a view over volatile functions does"
_OTHER_HASHES = "this server hashes in another way: counts instead of digests"


async def reconcile_bronze(
    connections: Sequence[asyncpg.Connection],
    tables: Sequence[TableProgress],
    *,
    address: SourceAddress,
    lake: LakeFiles,
    folder: Callable[[Table], str],
    skipped: Mapping[str, int],
    log: Callable[[str], None],
) -> dict[str, LinkRecord]:
    """Compare the tables of a load group with the source.

    Args:
        connections: that see the snapshot.
        tables: that have been read.
        address: of the source, for messages.
        lake: file operations.
        folder: the batch folder of a table.
        skipped: of the tables whose turn it is not, how many runs have not compared them, with this one.
        log: takes one line per table.

    Returns:
        The record of each table by its qualified name.

    Raises:
        SourceError, LakeError: one side cannot be read.
    """
    records = {table.name: _not_checked(table, skipped.get(table.name, 0)) for table in tables}
    due = [table for table in tables if table.plan.table.reconcile != "off" and table.name not in skipped]
    if not due:
        return records
    with ThreadPoolExecutor(len(connections), thread_name_prefix="midnight-digest") as workers:
        sides = Sides(address=address, lake=lake, folder=folder, connections=connections, workers=workers)
        hashing = await sides.hashing()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_Comparison(sides, hashing, table).run()) for table in due]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__
    for record in (task.result() for task in tasks):
        records[record.table] = record
        log(str(record))
    return records


def verify_equal(records: Iterable[LinkRecord], lsn: str, log: Callable[[str], None]) -> None:
    """Log the summary of a load group.

    Args:
        records: from ``reconcile_bronze``.
        lsn: of the snapshot; empty if the role may not read it.
        log: takes the summary.

    Raises:
        ReconciliationError: with the first differences of each table that differs.
    """
    all_records = list(records)
    different = [record for record in all_records if record.status == "different"]
    if different:
        names = ", ".join(record.table for record in different)
        raise ReconciliationError(
            f"bronze differs from the source in {len(different)} of {len(all_records)} tables ({names}); nothing was "
            f"sealed\n{describe_differences(different)}\nhint: clear the ingest task to read the tables again; if they "
            "differ again, report it as a defect of Midnight with these lines (docs/reconciliation.md)"
        )
    if all_records:
        log(summarise(all_records, LINK, lsn))


class _Comparison:
    """One table."""

    def __init__(self, sides: Sides, hashing: Hashing, table: TableProgress) -> None:
        self._sides, self._hashing, self._table = sides, hashing, table
        replaced = {found.column for found in table.parser.replaced.found}
        self._columns = tuple(column for column in digest_columns(table.plan) if column.name not in replaced)
        self._method: Method = table.plan.table.reconcile
        self._reason = f"without {', '.join(sorted(replaced))}, where null replaces values" if replaced else ""
        if self._method == "digests" and not hashing.usable:
            self._method = "counts"
            self._reason = "; ".join(filter(None, [self._reason, _OTHER_HASHES]))

    async def run(self) -> LinkRecord:
        """Compare with the table's method."""
        catalogue, started = self._table.plan.catalogue, time.monotonic()
        if catalogue.kind == "foreign table" or any(leaf.kind == "foreign table" for leaf in catalogue.leaves):
            return self._record("not checked", reason="a foreign table is not part of the snapshot")
        try:
            record = await (self._compare_digests() if self._method == "digests" else self._compare_counts())
        except RefusedError as error:
            return self._record("not checked", reason=f"the server refused the query: {error}")
        return record.model_copy(update={"seconds": round(time.monotonic() - started, 3)})

    async def _compare_digests(self) -> LinkRecord:
        plan = self._digest_plan()
        source, bronze = await self._sides.digest(self._table, plan)
        compared = f"digests of {len(plan.columns)} columns in {plan.buckets} buckets"
        if source.differing(bronze):
            return await self._locate(plan, source, bronze, compared=compared)
        return self._record("equal", compared=compared)

    async def _compare_counts(self) -> LinkRecord:
        plan = CountsPlan(self._table.plan.relation, self._columns, lengths=self._hashing.utf8)
        source, bronze = await self._sides.count(self._table, plan)
        compared = f"counts, sums and extremes of {len(self._columns)} columns"
        figures = self._differing_figures(plan, source, bronze)
        if not figures:
            return self._record("equal", compared=compared)
        if not self._hashing.usable:
            return self._record("different", compared=compared, differences=figures)
        digests = self._digest_plan()
        sides = await self._sides.digest(self._table, digests)
        return await self._locate(digests, *sides, compared=compared, figures=figures)

    def _differing_figures(self, plan: CountsPlan, source: Counts, bronze: Counts) -> list[Difference]:
        found = []
        if source.rows != bronze.rows:
            pair = (str(source.rows), str(bronze.rows))
            found.append(self._figure(None, "rows", *pair))
        for column, name, left, right in source.differing(plan, bronze):
            pair = ("", "") if column.masked else (str(left), str(right))
            found.append(self._figure(column.name, name, *pair, masked=column.masked))
        return found

    def _figure(self, column: str | None, note: str, left: str, right: str, *, masked: bool = False) -> Difference:
        return Difference(
            link=LINK,
            table=self._table.name,
            kind="counts",
            column=column,
            expected=None if masked else left,
            found=None if masked else right,
            masked=masked,
            note=note,
        )

    async def _locate(
        self,
        plan: SourceDigestPlan,
        source: Digest,
        bronze: Digest,
        *,
        compared: str,
        figures: Sequence[Difference] = (),
    ) -> LinkRecord:
        """Read the differing buckets again, and name their rows and values."""
        if self._table.plan.catalogue.kind == "view":
            again, _ = await self._sides.digest(self._table, plan)
            if again.differing(source):
                return self._record("not checked", compared=compared, reason=_UNSTABLE)
        locator = Locator(LINK, self._table, plan, source, bronze)
        found: Sequence[Difference] = ()
        count = 0
        if locator.buckets:
            expected = await self._sides.ask(locator.read_source, self._table)
            parts = await self._sides.work_on_files(self._table, locator.read_bronze)
            found, count = locator.differences(expected, [row for part in parts for row in part])
        found = found or figures or locator.unlocated()
        return self._record("different", compared=compared, differences=[*locator.columns(found), *found], count=count)

    def _digest_plan(self) -> SourceDigestPlan:
        key, unique = digest_key(self._table.plan, self._columns)
        return SourceDigestPlan(
            self._table.plan.relation,
            self._columns,
            key,
            bucket_count(self._table.rows),
            unique=unique,
            hashing=self._hashing,
        )

    def _record(
        self,
        status: Status,
        *,
        compared: str = "",
        reason: str = "",
        differences: Sequence[Difference] = (),
        count: int = 0,
    ) -> LinkRecord:
        return LinkRecord(
            link=LINK,
            table=self._table.name,
            status=status,
            method=self._method,
            rows=self._table.rows,
            columns=len(self._columns),
            compared=compared,
            reason=reason or self._reason,
            differences=tuple(differences[:MOST_DIFFERENCES]),
            difference_count=count or len(differences),
        )


def _not_checked(table: TableProgress, runs_skipped: int) -> LinkRecord:
    reason = f"reconcile_every: not its turn ({runs_skipped} runs since the last time)" if runs_skipped else ""
    return LinkRecord(
        link=LINK,
        table=table.name,
        status="not checked",
        method="off",
        rows=table.rows,
        reason=reason or "reconcile: off",
        runs_skipped=runs_skipped,
    )
