"""Order-independent digests: per bucket of keys, the number of rows and per column the sum of its values' hashes.

Each value is hashed with its row's key as the seed, so that a value that moved to another row or column changes the
sums. Where the source does not keep the key unique, a hash over all columns of the row is summed as well, which tells
whether values moved between rows of one key. Without a key, that hash takes the key's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import pyarrow  # no DAG file imports this module

from midnight.reconciliation.canonical_values import SEEDED, HashedColumn, as_plain, hash_column, integers, mix_plain
from midnight.reconciliation.hashing import Hashing
from midnight.reconciliation.lookup3 import Hashes, Integers, hash_int64
from midnight.reconciliation.source_forms import DigestColumn, bucket_sql, chained_hash_sql, hash_sql, row_hash_sql

ROWS_AT_ONCE = 32_768  # fits a processor's cache
_BUCKET_SEED = 7
_SMALL, _LARGE = 100_000, 50_000_000


@dataclass(frozen=True)
class SourceDigestPlan:
    """How a table is digested on both sides.

    Args:
        relation: quoted, with its schema.
        columns: to compare.
        key: columns whose hash is the seed; empty: the whole row identifies itself.
        unique: the source keeps the key unique.
        buckets: number of buckets, a power of two.
        hashing: of the server.
    """

    relation: str
    columns: tuple[DigestColumn, ...]
    key: tuple[DigestColumn, ...]
    buckets: int
    unique: bool = True
    hashing: Hashing = SEEDED

    def query(self, condition: str) -> str:
        """SQL of the digest: a row per bucket with its number, rows, and the sum per column (and of the row)."""
        hashes = [f"sum(h{number})" for number in range(len(self.columns))]
        sums = ", ".join([*hashes, "sum(r)"] if self.with_row else hashes)
        return f"SELECT b, count(*), {sums} FROM ({self.hashes(condition)}) AS hashed GROUP BY b"

    @property
    def with_row(self) -> bool:
        """Whether the hash over the whole row is part of the digest, behind the columns."""
        return not (self.key and self.unique)

    def hashes(self, condition: str, shown: Mapping[str, str] | None = None) -> str:
        """SQL of a row per row: its bucket ``b``, identity ``s`` and hashes ``h0``, ``h1``, …

        Args:
            condition: of the rows; empty for all.
            shown: name -> SQL of further values.
        """
        where = f" WHERE {condition}" if condition else ""
        extra = "".join(f", {sql} AS {name}" for name, sql in (shown or {}).items())
        kept = "".join(f", {name}" for name in shown or {})
        values = ", ".join(f"{column.expression} AS c{number}" for number, column in enumerate(self.columns))
        # OFFSET 0 keeps the planner from computing an expression again wherever its name is used.
        rows = f"SELECT {self._seed()} AS s, {values}{extra} FROM {self.relation}{where} OFFSET 0"
        hashes = ", ".join(
            f"{hash_sql(column, f'c{number}', 's', self.hashing)} AS h{number}"
            for number, column in enumerate(self.columns)
        )
        bucket = bucket_sql("s", _BUCKET_SEED, self.buckets, self.hashing)
        hashed = f"SELECT {bucket} AS b, s, {hashes}{kept} FROM ({rows}) AS canonical"
        if not self.with_row:
            return hashed
        each = [f"h{number}" for number in range(len(self.columns))]
        names, row = ", ".join(each), row_hash_sql(each, "s", self.hashing)
        with_row = f"SELECT b, s, {names}, {row} AS r{kept} FROM ({hashed} OFFSET 0) AS single"
        if self.key:
            return with_row
        return f"SELECT r & {self.buckets - 1} AS b, r AS s, {names}, r{kept} FROM ({with_row} OFFSET 0) AS whole"

    def _seed(self) -> str:
        if self.has_integer_key:
            return f"COALESCE({self.key[0].expression}, 0)"
        return chained_hash_sql(self.key, self.hashing)

    @property
    def has_integer_key(self) -> bool:
        """Whether the key is one integer, which is its own seed."""
        return len(self.key) == 1 and self.key[0].form == "integer" and not self.key[0].span


def bucket_count(rows: int) -> int:
    """Buckets for a table: few rows in each, and few groups for the server."""
    return 16 if rows < _SMALL else 256 if rows < _LARGE else 1024


@dataclass
class Digest:
    """Rows per bucket, and per bucket the sums of the columns' hashes as signed 64-bit integers."""

    rows: dict[int, int] = field(default_factory=dict)
    sums: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def add_source(self, answer: Iterable[Sequence[Any]]) -> None:
        """Add the answer to ``SourceDigestPlan.query`` of some of the rows."""
        for bucket, rows, *sums in answer:
            self._add(int(bucket), int(rows), [int(value or 0) for value in sums])

    def add(self, other: Digest) -> None:
        """Add the digest of other rows of the same table."""
        for bucket, sums in other.sums.items():
            self._add(bucket, other.rows[bucket], sums)

    def differing(self, other: Digest) -> dict[int, list[int]]:
        """Bucket -> positions of the sums that differ; -1 if the numbers of rows do."""
        found: dict[int, list[int]] = {}
        for bucket in sorted({*self.sums, *other.sums}):
            mine, others = self.sums.get(bucket, ()), other.sums.get(bucket, ())
            width = max(len(mine), len(others))
            places = [n for n in range(width) if mine[n : n + 1] != others[n : n + 1]] if mine != others else []
            if self.rows.get(bucket, 0) != other.rows.get(bucket, 0):
                places.insert(0, -1)
            if places:
                found[bucket] = places
        return found

    def totals(self) -> tuple[int, ...]:
        """The sums over all buckets."""
        return tuple(map(sum, zip(*self.sums.values(), strict=True)))

    def _add(self, bucket: int, rows: int, sums: Sequence[int]) -> None:
        before = self.sums.get(bucket)
        self.sums[bucket] = tuple(sums if before is None else map(sum, zip(before, sums, strict=True)))
        self.rows[bucket] = self.rows.get(bucket, 0) + rows


@dataclass(frozen=True)
class HashedRows:
    """Rows of bronze with their bucket, identity, and the hash of each value; ``whole`` of the row, where needed."""

    buckets: Integers
    identities: Hashes
    columns: tuple[HashedColumn, ...]
    whole: Hashes | None = None


def hash_rows(plan: SourceDigestPlan, rows: pyarrow.RecordBatch) -> HashedRows:
    """Hash rows of bronze as ``SourceDigestPlan.hashes`` hashes those of the source.

    Args:
        plan: of the table.
        rows: with the plan's columns, at most ``ROWS_AT_ONCE``.
    """

    def hashed(column: DigestColumn, seeds: Hashes | int) -> HashedColumn:
        return hash_column(rows.column(column.name), column.form, seeds, plan.hashing)

    seeds = numpy.zeros(rows.num_rows, numpy.uint64)
    if plan.has_integer_key:
        seeds = integers(rows.column(plan.key[0].name)).view(numpy.uint64).copy()
    else:
        for column in plan.key:
            seeds = hashed(column, seeds).hashes
    columns = tuple(hashed(column, seeds if plan.key else 0) for column in plan.columns)
    buckets = _numbers(_hash_identity(seeds, _BUCKET_SEED, plan.hashing), plan)
    if not plan.with_row:
        return HashedRows(buckets, seeds, columns)
    whole = _hash_of_row(columns, seeds, plan.hashing)
    return (
        HashedRows(buckets, seeds, columns, whole)
        if plan.key
        else HashedRows(_numbers(whole, plan), whole, columns, whole)
    )


def _hash_identity(values: Hashes, seeds: Hashes | int, hashing: Hashing) -> Hashes:
    if hashing.seeded:
        return hash_int64(values.view(numpy.int64), seeds)
    seed = numpy.uint64(seeds) if isinstance(seeds, int) else seeds
    return as_plain(hash_int64((values ^ seed).view(numpy.int64), 0))


def _hash_of_row(columns: Sequence[HashedColumn], seeds: Hashes, hashing: Hashing) -> Hashes:
    """``hash_array_extended`` of the columns' hashes, hashed once more: else it would be a sum of its columns."""
    row = numpy.ones(len(seeds), numpy.uint64)
    for values in columns:
        element = hash_int64(values.hashes.view(numpy.int64), 0)
        if values.is_set is not None:
            element[~values.is_set] = 0
        row = row * numpy.uint64(31) + element
    return _hash_identity(row, seeds, hashing) if hashing.seeded else mix_plain(row, seeds)


def digest_rows(plan: SourceDigestPlan, rows: HashedRows) -> Digest:
    """The digest of some rows of bronze."""
    counts = numpy.bincount(rows.buckets, minlength=plan.buckets)
    hashes = [column.hashes for column in rows.columns] + ([] if rows.whole is None else [rows.whole])
    sums = [_sums(rows.buckets, values, plan.buckets) for values in hashes]
    digest = Digest()
    for bucket in numpy.flatnonzero(counts).tolist():
        digest.rows[bucket] = int(counts[bucket])
        digest.sums[bucket] = tuple(column[bucket] for column in sums)
    return digest


def _numbers(hashes: Hashes, plan: SourceDigestPlan) -> Integers:
    return (hashes & numpy.uint64(plan.buckets - 1)).astype(numpy.int64)


def _sums(buckets: Integers, hashes: Hashes, count: int) -> list[int]:
    """Exact sums of signed 64-bit integers: a double holds those of 32 bits of two million rows exactly."""
    low = numpy.bincount(buckets, weights=(hashes & numpy.uint64(0xFFFFFFFF)).astype(numpy.float64), minlength=count)
    high = numpy.bincount(buckets, weights=(hashes.view(numpy.int64) >> 32).astype(numpy.float64), minlength=count)
    return [(int(h) << 32) + int(low_part) for h, low_part in zip(high.tolist(), low.tolist(), strict=True)]
