"""From two sets of rows to named differences: which row, which column, and both values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from midnight.reconciliation.record import MOST_DIFFERENCES, Difference, Link

MASKED = "(masked)"
Texts: TypeAlias = Mapping[str, str | None]
_MOST_PAIRED = 500  # of rows without a key, each of which is compared with all others


@dataclass(frozen=True)
class Row:
    """One row of one side.

    Args:
        bucket: of it.
        identity: hash of its key, or of the whole row.
        hashes: per column; None for NULL.
        source: where ``Comparison.text`` finds the texts of its values.
    """

    bucket: int
    identity: int
    hashes: tuple[int | None, ...]
    source: Any = None


@dataclass
class Comparison:
    """Compares rows of two sides of a link. Use ``run``.

    Args:
        link: of the differences.
        table: for messages.
        columns: names, in the order of ``Row.hashes``.
        key: names of the columns that identify a row for people.
        masked: names of the columns whose values are never shown.
        text: texts of a row's values by column name; called for rows that differ only.
    """

    link: Link
    table: str
    columns: Sequence[str]
    key: Sequence[str]
    masked: frozenset[str]
    text: Any
    found: list[Difference] = field(default_factory=list)
    count: int = 0

    def run(self, expected: Sequence[Row], actual: Sequence[Row]) -> list[Difference]:
        """The first differences, in the order of the buckets; ``count`` has their number.

        Args:
            expected: rows of the link's left side.
            actual: those of its right side.
        """
        lost, extra = _subtract(expected, actual), _subtract(actual, expected)
        by_identity: dict[int, list[Row]] = {}
        for row in extra:
            by_identity.setdefault(row.identity, []).append(row)
        unmatched = []
        for row in lost:
            same = by_identity.get(row.identity)
            if same:
                self._changed(row, same.pop())
            else:
                unmatched.append(row)
        left_over = [row for rows in by_identity.values() for row in rows]
        known = Counter(row.identity for row in expected)
        doubled = [row for row in left_over if known[row.identity]]
        pairs, unmatched, left_over = self._pair(unmatched, [row for row in left_over if not known[row.identity]])
        for row, other in pairs:
            self._changed(row, other)
        for row in unmatched:
            self._whole("lost row", row)
        for row in doubled:
            self._whole("extra row", row, "the row is there once more")
        for row in left_over:
            self._whole("extra row", row)
        return self.found

    def _pair(self, lost: list[Row], extra: list[Row]) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
        """Rows without a common identity that are probably versions of one row: the most columns are equal."""
        key = [self.columns.index(name) for name in self.key if name in self.columns]
        if len(lost) > _MOST_PAIRED or len(extra) > _MOST_PAIRED:
            return [], lost, extra
        pairs, rest = [], list(extra)
        remaining = []
        for row in lost:
            scores = [_likeness(row, other, key) for other in rest]
            best = max(range(len(rest)), key=scores.__getitem__, default=-1)
            if best >= 0 and scores[best] > len(self.columns) // 2:
                pairs.append((row, rest.pop(best)))
            else:
                remaining.append(row)
        return pairs, remaining, rest

    def _changed(self, row: Row, other: Row) -> None:
        expected, actual = None, None
        for position, name in enumerate(self.columns):
            if row.hashes[position] == other.hashes[position]:
                continue
            self.count += 1
            if len(self.found) >= MOST_DIFFERENCES:
                continue
            if expected is None or actual is None:
                expected, actual = self.text(row), self.text(other)
            masked = name in self.masked
            self.found.append(
                Difference(
                    link=self.link,
                    table=self.table,
                    kind="changed value",
                    column=name,
                    bucket=row.bucket,
                    key=self._shown_key(expected),
                    expected=None if masked else expected.get(name),
                    found=None if masked else actual.get(name),
                    masked=masked,
                )
            )

    def _whole(self, kind: Any, row: Row, note: str = "") -> None:
        self.count += 1
        if len(self.found) < MOST_DIFFERENCES:
            key = self._shown_key(self.text(row))
            self.found.append(
                Difference(link=self.link, table=self.table, kind=kind, bucket=row.bucket, key=key, note=note)
            )

    def _shown_key(self, texts: Texts) -> tuple[tuple[str, str | None], ...]:
        names = self.key or [name for name in self.columns if name not in self.masked][:_SHOWN_WITHOUT_KEY]
        return tuple((name, MASKED if name in self.masked else texts.get(name)) for name in names)


_SHOWN_WITHOUT_KEY = 5


def _subtract(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Rows that the others do not have, or have less often."""
    there = Counter((row.identity, row.hashes) for row in others)
    left = []
    for row in rows:
        version = (row.identity, row.hashes)
        if there[version] > 0:
            there[version] -= 1
        else:
            left.append(row)
    return left


def _likeness(row: Row, other: Row, key: Sequence[int]) -> int:
    """The number of equal columns; a common key counts more than all of them."""
    same_key = bool(key) and all(row.hashes[n] is not None and row.hashes[n] == other.hashes[n] for n in key)
    return sum(map(_equal, row.hashes, other.hashes)) + (len(row.hashes) if same_key else 0)


def _equal(left: int | None, right: int | None) -> bool:
    return left == right
