"""Locates the rows and values in which bronze differs from the source, by one more read of the differing buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.range_copy import TableProgress
from midnight.postgres_to_bronze.source_settings import SCAN_TIMEOUT_SECONDS
from midnight.reconciliation.bronze_rows import row_texts, rows_of_buckets
from midnight.reconciliation.digests import Digest, SourceDigestPlan
from midnight.reconciliation.findings import Comparison, Row
from midnight.reconciliation.record import MOST_DIFFERENCES, Difference, Link

if TYPE_CHECKING:
    import asyncpg

# Where everything differs, a few buckets show it as well as all of them.
_MOST_ROWS = 200_000
_MOST_BUCKETS = 8
_MOST_COLUMNS = 24


class Locator:
    """The differences of one table whose digests differ.

    Args:
        link: of the differences.
        table: that was read.
        plan: of the digests.
        source: what the server computed.
        bronze: what the files gave.

    Attributes:
        buckets: that are read again.
    """

    def __init__(
        self, link: Link, table: TableProgress, plan: SourceDigestPlan, source: Digest, bronze: Digest
    ) -> None:
        self._link, self._table, self._plan = link, table, plan
        self._differing = source.differing(bronze)
        self.buckets: list[int] = []
        rows = 0
        for bucket in self._differing:
            size = max(source.rows.get(bucket, 0), bronze.rows.get(bucket, 0))
            # Without a key, a changed row is in one bucket in the source and in another one in bronze.
            enough = len(self.buckets) >= _MOST_BUCKETS and bool(plan.key)
            if self.buckets and (enough or rows + size > _MOST_ROWS):
                break
            self.buckets.append(bucket)
            rows += size
        self._positions = self._chosen(source, bronze)
        names = {column.name for column in plan.columns}
        self._key = [name for name in table.plan.table.key if name in names] or [c.name for c in plan.key]
        self._shown = {
            c.name: c for c in plan.columns if c.name in self._key or plan.columns.index(c) in self._positions
        }

    def _chosen(self, source: Digest, bronze: Digest) -> list[int]:
        """Positions of the columns that are compared: those whose sums differ first, then those that identify a row."""
        everything = range(len(self._plan.columns))
        places = {place for found in self._differing.values() for place in found}
        if not self._plan.key:  # a changed value moves its row to another bucket, where all sums change
            pairs = zip(source.totals(), bronze.totals(), strict=False)
            places = {place for place, (left, right) in enumerate(pairs) if left != right}
        differing = [n for n in everything if n in places]
        self._by_total = [] if self._plan.key or len(differing) == len(everything) else differing
        keys = set(self._table.plan.table.key)
        key = [n for n in everything if self._plan.columns[n].name in keys]
        others = everything if not self._plan.key or not differing else []
        return list(dict.fromkeys([*differing[:_MOST_COLUMNS], *key, *others]))[: _MOST_COLUMNS + len(key)]

    def columns(self, found: Sequence[Difference]) -> list[Difference]:
        """The columns that differ over all rows of a table without a key, where no row could tell."""
        if any(difference.column for difference in found):
            return []
        names = [self._plan.columns[place].name for place in self._by_total]
        note = "the values of all rows together differ"
        return [
            Difference(link=self._link, table=self._table.name, kind="changed value", column=name, note=note)
            for name in names
        ]

    async def read_source(self, connection: asyncpg.Connection) -> list[Row]:
        """The rows of the buckets as the source has them.

        Raises:
            asyncpg.PostgresError: see ``source_errors.source_error``.
        """
        shown = {f"t{n}": column.shown for n, column in enumerate(self._shown.values()) if not column.masked}
        rows = self._plan.hashes(self._table.plan.where(""), shown)
        hashes = [f"h{position}" for position in self._positions]
        wanted = ", ".join(["b", "s", *hashes, *shown])
        buckets = ", ".join(map(str, self.buckets))
        query = f"SELECT {wanted} FROM ({rows}) AS hashed WHERE b IN ({buckets})"
        answer = await connection.fetch(query, timeout=SCAN_TIMEOUT_SECONDS)
        width = 2 + len(hashes)
        names = [column.name for column in self._shown.values() if not column.masked]
        return [
            Row(r[0], r[1], tuple(r[2:width]), dict(zip(names, r[width:], strict=True))) for r in map(tuple, answer)
        ]

    def read_bronze(self, lake: LakeFiles, path: str) -> list[Row]:
        """The rows of the buckets in one file."""
        return rows_of_buckets(lake, path, self._plan, self.buckets, self._positions)

    def differences(self, source: Sequence[Row], bronze: Sequence[Row]) -> tuple[list[Difference], int]:
        """The first differences, and the number of all in the buckets that were read."""
        columns = [self._plan.columns[position] for position in self._positions]
        comparison = Comparison(
            link=self._link,
            table=self._table.name,
            columns=[column.name for column in columns],
            key=self._key,
            masked=frozenset(column.name for column in self._plan.columns if column.masked),
            text=self._text,
        )
        found = comparison.run(source, bronze)
        left = len(self._differing) - len(self.buckets)
        if found and left > 0:
            note = f"{left:,} more buckets differ"
            found[-1] = found[-1].model_copy(update={"note": "; ".join(filter(None, [found[-1].note, note]))})
        return found, comparison.count

    def unlocated(self) -> list[Difference]:
        """The differing columns and buckets, where their rows could not be told."""
        names = [*(column.name for column in self._plan.columns), None]
        return [
            Difference(
                link=self._link,
                table=self._table.name,
                kind="counts" if place < 0 else "changed value",
                column=None if place < 0 else names[place],
                bucket=bucket,
                note="the rows of this bucket were equal when they were read again",
            )
            for bucket, places in self._differing.items()
            for place in places
        ][:MOST_DIFFERENCES]

    def _text(self, row: Row) -> Mapping[str, str | None]:
        if isinstance(row.source, dict):
            return row.source
        return row_texts(row, [column.name for column in self._shown.values() if not column.masked])
