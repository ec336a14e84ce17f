"""From digests that differ to the columns, buckets, keys and values that differ."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from midnight.reconciliation.record import MOST_DIFFERENCES, Difference, Kind, Link
from midnight.reconciliation.row_digest import DigestPlan, canonical, key_numbers, row_numbers, row_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of so many buckets are read to look for keys: a sixteenth of the table is held in memory.
BUCKETS_READ = 4


@dataclass(frozen=True)
class Place:
    """A bucket whose digests differ.

    Args:
        bucket: its number.
        columns: names of the columns that differ.
        expected, found: numbers of rows.
    """

    bucket: int
    columns: tuple[str, ...]
    expected: int
    found: int


@dataclass(frozen=True)
class Subject:
    """What is compared, for messages.

    Args:
        link: the comparison.
        table: name for people.
        plan: columns and key.
        masked: columns whose values are not shown.
    """

    link: Link
    table: str
    plan: DigestPlan
    masked: Collection[str] = ()


def differing_places(expected: NDArray[np.uint64], found: NDArray[np.uint64], plan: DigestPlan) -> list[Place]:
    """The buckets in which two digests differ; empty if they are equal.

    A row without a key moves to another bucket when a value changes: which columns differ, only the totals tell.
    """
    places = []
    total = expected.sum(axis=0) != found.sum(axis=0)
    for bucket in np.flatnonzero((expected != found).any(axis=1)):
        differs = (expected[bucket] != found[bucket]) if plan.key else total
        columns = tuple(name for name, wrong in zip(plan.names, differs[2:], strict=True) if wrong)
        places.append(Place(int(bucket), columns, int(expected[bucket, 0]), int(found[bucket, 0])))
    return places


def columns_to_read(places: Sequence[Place], plan: DigestPlan) -> list[str]:
    """The key and the columns that differ; all columns of rows without a key, or where rows are missing."""
    if not plan.key or any(place.expected != place.found for place in places):
        return plan.names
    wrong = {name for place in places for name in place.columns}
    return [name for name in plan.names if name in wrong or name in plan.key]


def find_differences(subject: Subject, expected: pa.Table, found: pa.Table) -> tuple[list[Difference], int]:
    """The rows and values that differ, at most ``MOST_DIFFERENCES`` of them, and how many there are.

    Args:
        subject: what is compared.
        expected: the rows of the buckets that were read, at the side that should be right, with ``columns_to_read``.
        found: those at the other side.
    """
    if expected.num_rows == 0 and found.num_rows == 0:
        return [], 0
    sides = _Sides(subject, expected, found)
    return sides.keyed() if subject.plan.key else sides.keyless()


def unexplained(subject: Subject, places: Sequence[Place]) -> list[Difference]:
    """Differences by bucket and column alone, where the rows could not be read or are equal now."""
    result = []
    for place in places:
        lost = place.expected - place.found
        kind: Kind = "changed value" if lost == 0 else "lost row" if lost > 0 else "extra row"
        note = "" if lost == 0 else f"{place.expected:,} rows expected, {place.found:,} found"
        for column in place.columns[:1] if lost else place.columns:
            result.append(
                Difference(
                    link=subject.link,
                    table=subject.table,
                    kind=kind,
                    column=None if lost else column,
                    bucket=place.bucket,
                    note=note,
                )
            )
    return result


class _Sides:
    def __init__(self, subject: Subject, expected: pa.Table, found: pa.Table) -> None:
        self._subject = subject
        self._names = [name for name in subject.plan.names if name in expected.column_names]
        kinds = dict(subject.plan.columns)
        self._plan = DigestPlan(tuple((name, kinds[name]) for name in self._names), subject.plan.key)
        self._tables = (expected, found)
        arrays = [[canonical(side[name], kinds[name]) for name in self._names] for side in self._tables]
        numbers = [row_numbers(columns, self._plan) for columns in arrays]
        self._keys, self._identities = [each[0] for each in numbers], [each[1] for each in numbers]
        self._values = [
            {
                name: row_values(column, name, keys, self._plan)
                for name, column in zip(self._names, columns, strict=True)
            }
            for columns, keys in zip(arrays, self._keys, strict=True)
        ]

    def keyed(self) -> tuple[list[Difference], int]:
        (left, left_rows, left_counts), (right, right_rows, right_counts) = (
            np.unique(keys, return_index=True, return_counts=True) for keys in self._keys
        )
        lost, extra, changed = _compare_counts(left, left_counts, right, right_counts)
        result = [self._row("lost row", 0, left_rows[left == key][0]) for key in lost[:MOST_DIFFERENCES]]
        result += [self._row("extra row", 1, right_rows[right == key][0]) for key in extra[:MOST_DIFFERENCES]]
        count = len(lost) + len(extra)
        at_left, at_right = left_rows[np.searchsorted(left, changed)], right_rows[np.searchsorted(right, changed)]
        for name in self._names:
            rows = np.flatnonzero(self._values[0][name][at_left] != self._values[1][name][at_right])
            count += len(rows)
            result += [self._value(name, at_left[row], at_right[row]) for row in rows[:MOST_DIFFERENCES]]
        return result[:MOST_DIFFERENCES], count

    def keyless(self) -> tuple[list[Difference], int]:
        (left, left_rows, left_counts), (right, right_rows, right_counts) = (
            np.unique(numbers, return_index=True, return_counts=True) for numbers in self._identities
        )
        lost, extra, _ = _compare_counts(left, left_counts, right, right_counts)
        lost_rows = [int(left_rows[left == number][0]) for number in lost[:MOST_DIFFERENCES]]
        extra_rows = [int(right_rows[right == number][0]) for number in extra[:MOST_DIFFERENCES]]
        result = []
        while lost_rows and extra_rows:
            row = lost_rows.pop(0)
            other = min(extra_rows, key=lambda candidate: len(self._unequal(row, candidate)))
            extra_rows.remove(other)
            result += [self._value(name, row, other) for name in self._unequal(row, other)]
        result += [self._row("lost row", 0, row) for row in lost_rows]
        result += [self._row("extra row", 1, row) for row in extra_rows]
        return result[:MOST_DIFFERENCES], max(len(lost), len(extra))

    def _unequal(self, left: int, right: int) -> list[str]:
        return [name for name in self._names if self._values[0][name][left] != self._values[1][name][right]]

    def _row(self, kind: Kind, side: int, row: Any) -> Difference:
        return self._difference(kind=kind, key=self._key(side, int(row)), bucket=self._bucket(side, int(row)))

    def _value(self, name: str, left: Any, right: Any) -> Difference:
        masked = name in self._subject.masked
        return self._difference(
            kind="changed value",
            column=name,
            bucket=self._bucket(0, int(left)),
            key=self._key(0, int(left)),
            expected=None if masked else self._text(0, name, int(left)),
            found=None if masked else self._text(1, name, int(right)),
            masked=masked,
        )

    def _difference(self, **values: Any) -> Difference:
        return Difference(link=self._subject.link, table=self._subject.table, **values)

    def _bucket(self, side: int, row: int) -> int:
        return int(self._identities[side][row] >> np.uint64(58))

    def _key(self, side: int, row: int) -> tuple[tuple[str, str | None], ...]:
        names = self._subject.plan.key or [name for name in self._names if name not in self._subject.masked]
        return tuple((name, self._text(side, name, row)) for name in names)

    def _text(self, side: int, name: str, row: int) -> str | None:
        value = self._tables[side][name][row].as_py()
        return None if value is None else value.hex() if isinstance(value, bytes) else str(value)


def _compare_counts(
    left: NDArray[np.uint64], left_counts: NDArray[Any], right: NDArray[np.uint64], right_counts: NDArray[Any]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """The numbers that occur more often at the left, at the right, and once on both sides."""
    both = np.union1d(left, right)
    at_left, at_right = np.zeros(len(both), np.int64), np.zeros(len(both), np.int64)
    at_left[np.searchsorted(both, left)] = left_counts
    at_right[np.searchsorted(both, right)] = right_counts
    return both[at_left > at_right], both[at_left < at_right], both[(at_left == 1) & (at_right == 1)]


def without_rows(rows: pa.Table, removed: pa.Table, plan: DigestPlan) -> pa.Table:
    """The rows without those that have the key of a removed row; without a key, one copy for each removed row.

    Args:
        rows: with all columns of the plan, or the key and some others.
        removed: with the same columns.
        plan: columns and key.
    """
    if not rows.num_rows or not removed.num_rows:
        return rows
    kinds = dict(plan.columns)
    names = [name for name in plan.names if name in rows.column_names]
    sides = ([canonical(side[name], kinds[name]) for name in names] for side in (rows, removed))
    numbers, gone = (key_numbers(arrays, names, plan.key or names) for arrays in sides)
    if plan.key:
        return rows.filter(pa.array(~np.isin(numbers, gone)))
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    copy = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    most = dict(zip(*np.unique(gone, return_counts=True), strict=True))
    keep = copy >= np.array([most.get(number, 0) for number in ordered])
    return rows.take(pa.array(np.sort(order[keep])))
