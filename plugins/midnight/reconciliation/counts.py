"""Counts: rows, and per column the values that are set, the sum, and the smallest and greatest value, on both sides.

| form | compared |
|---|---|
| integer | set, sum, smallest, greatest; of timestamps no sum, of booleans the sum alone |
| float | set, smallest, greatest: a sum of floats depends on the order |
| numeric | set, sum, smallest, greatest |
| text, bytes | set, and the sum of the lengths in bytes where the server has it without converting the value |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Context, Decimal
from typing import Any, TypeAlias

import numpy
import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc

from midnight.reconciliation.canonical_values import integers
from midnight.reconciliation.source_forms import DigestColumn

Figure: TypeAlias = int | float | Decimal | None
_MICROSECOND = timedelta(microseconds=1)
# PostgreSQL's limit is 1,664 expressions in a SELECT.
_MOST_FIGURES = 1_600
_ENDS = ("smallest", "greatest")
_WIDE = Context(prec=100)  # a sum of 38 digits over any number of rows


@dataclass(frozen=True)
class CountsPlan:
    """What is counted of a table.

    Args:
        relation: quoted, with its schema.
        columns: to compare.
        lengths: the encoding of the database is UTF-8, so that lengths in bytes are those of bronze.
    """

    relation: str
    columns: tuple[DigestColumn, ...]
    lengths: bool = True

    def parts(self) -> list[CountsPlan]:
        """The same in as many plans as a table with many columns needs queries."""
        parts: list[list[DigestColumn]] = [[]]
        figures = 1
        for column in self.columns:
            figures += len(self.names(column))
            if figures > _MOST_FIGURES:
                parts.append([])
                figures = 1 + len(self.names(column))
            parts[-1].append(column)
        return [replace(self, columns=tuple(columns)) for columns in parts]

    def query(self, condition: str) -> str:
        """SQL of one row: the number of rows, then the figures of each column."""
        where = f" WHERE {condition}" if condition else ""
        figures = ["count(*)"]
        for column in self.columns:
            figures.append(f"count({column.identifier})")
            if column.ordered:
                figures += [column.extreme("min"), column.extreme("max")]
            if column.summed:
                figures.append(column.summed)
            if self._has_length(column):
                figures.append(f"sum(octet_length({column.expression}))")
        return f"SELECT {', '.join(figures)} FROM {self.relation}{where}"

    def names(self, column: DigestColumn) -> list[str]:
        """What the figures of a column are, in the order of the query."""
        names = ["values set"]
        if column.ordered:
            names += ["smallest", "greatest"]
        if column.summed:
            names.append("sum")
        return [*names, "length"] if self._has_length(column) else names

    def _has_length(self, column: DigestColumn) -> bool:
        return column.plain and (column.form == "bytes" or (column.form == "text" and self.lengths))


@dataclass
class Counts:
    """Rows of a table, and the figures of each column by its name."""

    rows: int = 0
    figures: dict[str, list[Figure]] = field(default_factory=dict)

    def add_source(self, plan: CountsPlan, answer: Sequence[Any]) -> None:
        """Add the answer to ``CountsPlan.query`` of some of the rows."""
        position = 1
        for column in plan.columns:
            names = plan.names(column)
            figures = [_figure(value) for value in answer[position : position + len(names)]]
            position += len(names)
            self._add(column, names, figures)
        self.rows += int(answer[0])

    def add_rows(self, plan: CountsPlan, rows: pyarrow.RecordBatch) -> None:
        """Add rows of bronze."""
        for column in plan.columns:
            values = rows.column(column.name)
            names = plan.names(column)
            figures = {"values set": len(values) - values.null_count, **_column_figures(values, column, names)}
            self._add(column, names, [figures[name] for name in names])
        self.rows += rows.num_rows

    def add(self, plan: CountsPlan, other: Counts) -> None:
        """Add the counts of other rows of the same table."""
        for column in plan.columns:
            if column.name in other.figures:
                self._add(column, plan.names(column), other.figures[column.name])
        self.rows += other.rows

    def _add(self, column: DigestColumn, names: list[str], figures: list[Figure]) -> None:
        before = self.figures.get(column.name)
        if before is None:
            self.figures[column.name] = figures
            return
        self.figures[column.name] = [_join(*pair) for pair in zip(names, before, figures, strict=True)]

    def differing(self, plan: CountsPlan, other: Counts) -> list[tuple[DigestColumn, str, Figure, Figure]]:
        """Column, which figure, this side's and the other side's."""
        found = []
        for column in plan.columns:
            names = plan.names(column)
            mine = self.figures.get(column.name, [None] * len(names))
            others = other.figures.get(column.name, [None] * len(names))
            for name, left, right in zip(names, mine, others, strict=True):
                if not _is_same(left, right) and (name in _ENDS or not _is_same(left or 0, right or 0)):
                    found.append((column, name, left, right))
        return found


def _figure(value: Any) -> Figure:
    if isinstance(value, timedelta):
        return value // _MICROSECOND
    return value if isinstance(value, (float, Decimal, int)) or value is None else int(value)


def _is_same(left: Figure, right: Figure) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return left == right


def _join(name: str, left: Figure, right: Figure) -> Figure:
    if left is None or right is None:
        return right if left is None else left
    if name == "smallest":
        return min(left, right, key=_order)
    return max(left, right, key=_order) if name == "greatest" else _sum(left, right)


def _sum(left: Figure, right: Figure) -> Figure:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _WIDE.add(Decimal(left or 0), Decimal(right or 0))
    return (left or 0) + (right or 0)


def _order(value: Any) -> tuple[bool, Any]:
    """NaN is greater than all other numbers, as PostgreSQL sorts it."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return is_nan, 0 if is_nan else value


def _column_figures(values: pyarrow.Array, column: DigestColumn, names: list[str]) -> dict[str, Figure]:
    if column.form in ("text", "bytes"):
        return {"length": pc.sum(pc.binary_length(values)).as_py()} if "length" in names else {}
    present = values.drop_null()
    if not len(present):
        return dict.fromkeys(names[1:])
    if column.form == "float":
        numbers = present.to_numpy(zero_copy_only=False)
        has_nan = bool(numpy.isnan(numbers).any())
        smallest = float(numpy.nanmin(numbers)) if not numpy.isnan(numbers).all() else math.nan
        return {"smallest": smallest, "greatest": math.nan if has_nan else float(numbers.max())}
    if column.form == "integer":
        wide = integers(present)
        return {"smallest": int(wide.min()), "greatest": int(wide.max()), "sum": _sum_of_words(wide.view(numpy.uint32))}
    ends = pc.min_max(present).as_py()
    start, size = 16 * present.offset, len(present)
    words = numpy.frombuffer(present.buffers()[1], numpy.uint32, 4 * size, start)
    total = Decimal(_sum_of_words(words, 4)).scaleb(-values.type.scale, _WIDE)
    return {"smallest": ends["min"], "greatest": ends["max"], "sum": total}


def _sum_of_words(words: numpy.ndarray[Any, numpy.dtype[numpy.uint32]], each: int = 2) -> int:
    """The exact sum of signed numbers of ``each`` words, the lowest first."""
    parts = words.reshape(-1, each)
    total = 0
    for place in range(each):
        part = parts[:, place].view(numpy.int32) if place == each - 1 else parts[:, place]
        total += int(part.sum(dtype=numpy.int64)) << 32 * place
    return total
