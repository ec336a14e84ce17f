"""The result of a reconciliation: per table and link what was compared, and what differs.

It is part of a batch's manifest and of the run's record, so it is small: at most ``MOST_DIFFERENCES`` per table and
link, and no value of a masked column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# What two sides a comparison has, the side that should be right first.
Link = Literal["source = bronze", "written = read back", "bronze = silver", "source = gold"]
Method = Literal["off", "counts", "digests"]
Status = Literal["equal", "different", "not checked"]
Kind = Literal["changed value", "lost row", "extra row", "counts", "figure"]

MOST_DIFFERENCES = 20
_SHOWN = 5
_LONGEST_VALUE = 80


class RecordModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Difference(RecordModel):
    """One difference between the two sides of a link.

    Args:
        link: which comparison found it.
        table: for people: the qualified name in PostgreSQL, or the name in silver or gold.
        kind: ``counts`` where only totals are compared, ``figure`` for a reconciliation rule of gold.
        column: name in the lake; None for a whole row.
        bucket: of keys, from 0; None where the table was not divided.
        key: names and texts of the columns that identify the row; None if it was not found, or is masked.
        expected: the value on the link's left side as text; None for NULL, for a masked column, or if not found.
        found: the value on its right side, likewise.
        masked: the values are hidden because the column is masked.
        note: anything else that helps, for people.
    """

    link: Link
    table: str
    kind: Kind
    column: str | None = None
    bucket: int | None = None
    key: tuple[tuple[str, str | None], ...] | None = None
    expected: str | None = None
    found: str | None = None
    masked: bool = False
    note: str = ""

    def __str__(self) -> str:
        place = f"{self.link}: {self.table}"
        if self.column is not None:
            place += f", column {self.column!r}"
        if self.bucket is not None:
            place += f", bucket {self.bucket}"
        if self.key is not None:
            place += ", key (" + ", ".join(f"{name} = {_shown(text)}" for name, text in self.key) + ")"
        left, _, right = self.link.partition(" = ")
        values = f"{left} has {_shown(self.expected)}, {right} has {_shown(self.found)}"
        if self.masked:
            values = "the values differ (masked)"
        elif self.kind in ("lost row", "extra row") or self.expected == self.found:
            values = ""
        return f"{place}: {self.kind}" + "".join(f"; {part}" for part in (values, self.note) if part)


class LinkRecord(RecordModel):
    """The outcome of one comparison of one table.

    Args:
        link: which comparison.
        table: as in ``Difference``.
        status: ``not checked`` has a reason: switched off, not this table's turn, or not provable.
        method: how it was compared.
        rows: that were compared.
        columns: number of columns that were compared.
        compared: for people: what was compared, for example ``counts, NULLs and sums``.
        seconds: that the comparison took.
        reason: why it was not checked, or what it cannot prove.
        differences: the first ones.
        difference_count: of all that were found.
        runs_skipped: of a table whose turn it was not, how many runs in a row have not compared it.
    """

    link: Link
    table: str
    status: Status
    method: Method
    rows: int = 0
    columns: int = 0
    compared: str = ""
    seconds: float = 0.0
    reason: str = ""
    differences: tuple[Difference, ...] = Field(default=(), max_length=MOST_DIFFERENCES)
    difference_count: int = 0
    runs_skipped: int = 0

    def __str__(self) -> str:
        left, _, right = self.link.partition(" = ")
        if self.status == "not checked":
            return f"{self.table}: {right} was not compared with {left}: {self.reason}"
        sign = "=" if self.status == "equal" else "≠"
        text = f"{self.table}: {right} {sign} {left}: {self.rows:,} rows, {self.compared}, {self.seconds:.1f} s"
        return f"{text} ({self.reason})" if self.reason else text


def describe_differences(records: Iterable[LinkRecord]) -> str:
    """All differences as one message of a few lines; empty without any."""
    lines = []
    for record in records:
        shown = record.differences[:_SHOWN]
        lines += [str(difference) for difference in shown]
        more = max(record.difference_count, len(record.differences)) - len(shown)
        if more > 0:
            lines.append(f"{record.link}: {record.table}: {more:,} more differences")
    return "\n".join(lines)


def summarise(records: Sequence[LinkRecord], link: Link, lsn: str = "") -> str:
    """The one line of a run: ``bronze = source at LSN 0/1A2B, 214 of 214 tables``.

    Args:
        records: of the run; those of other links are ignored.
        link: to summarise.
        lsn: write-ahead log position of the snapshot; empty if it is not known.
    """
    of_link = [record for record in records if record.link == link]
    equal = sum(record.status == "equal" for record in of_link)
    left, _, right = link.partition(" = ")
    place = f"{right} = {left}" + (f" at LSN {lsn}" if lsn and left == "source" else "")
    different = sum(record.status == "different" for record in of_link)
    return f"{place}, {equal} of {len(of_link)} tables" + (f", {different} differ" if different else "")


def _shown(text: str | None) -> str:
    if text is None:
        return "NULL"
    return repr(text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…")
