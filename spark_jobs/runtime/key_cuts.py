"""Values that divide the rows of a table's files into ranges of a key, by the footers of the files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.key_set import is_exact_type
from spark_jobs.runtime.parquet_files import DataFile

if TYPE_CHECKING:
    from pyspark.sql import Column


def key_cuts(files: Sequence[DataFile], column: str, rows_at_once: int) -> list[Any]:
    """Ascending values between which there are about ``rows_at_once`` rows; none if the footers do not say.

    Args:
        files: of a table.
        column: by whose values the rows are divided.
        rows_at_once: at least one.
    """
    lowest: list[tuple[Any, int]] = []
    for file in files:
        if column not in file.schema.names or not is_exact_type(file.schema.field(column).type):
            return []
        lowest += [(found.low, found.rows) for found in _groups(file, column) if found.is_known]
    cuts: list[Any] = []
    size = 0
    for value, rows in sorted(lowest):
        if size >= rows_at_once and (not cuts or value > cuts[-1]):
            cuts.append(value)
            size = 0
        size += rows
    return cuts


def files_between(files: Sequence[DataFile], column: str, cuts: Sequence[Any]) -> list[list[DataFile]]:
    """For each range, in the order of ``conditions_between``, the files that may have a row of it."""
    groups = [(file, _groups(file, column)) for file in files]
    ranges = itertools.pairwise([None, *cuts, None])
    return [[file for file, found in groups if any(g.may_have(low, high) for g in found)] for low, high in ranges]


def conditions_between(key: Column, cuts: Sequence[Any], kind: str) -> list[Column]:
    """Conditions of which exactly one is true for each row, in ascending order; null is in the first range.

    Args:
        key: the expression that is divided.
        cuts: from ``key_cuts``; at least one.
        kind: the Spark type of the key.
    """
    from pyspark.sql import functions as F

    values = [F.lit(str(cut)).cast(kind.lower()) for cut in cuts]
    between = [(key >= low) & (key < high) for low, high in itertools.pairwise(values)]
    return [key.isNull() | (key < values[0]), *between, key >= values[-1]]


@dataclass(frozen=True)
class _Group:
    """What the footer says of a column of a row group; ``low`` and ``high`` count only if ``is_known``."""

    rows: int
    has_null: bool = True
    is_known: bool = False
    low: Any = None
    high: Any = None

    def may_have(self, low: Any, high: Any) -> bool:
        """Whether it may have a value from ``low`` to below ``high`` (None: no bound); null is below all values."""
        if not self.is_known or (low is None and self.has_null):
            return True
        return (low is None or self.high >= low) and (high is None or self.low < high)


def _groups(file: DataFile, column: str) -> list[_Group]:
    position, groups = file.schema.names.index(column), []
    for number in range(file.footer.num_row_groups):
        group = file.footer.row_group(number)
        found = group.column(position).statistics
        try:
            known = (True, found.min, found.max) if found is not None and found.has_min_max else ()
        except OverflowError:  # a time that Python cannot represent
            known = ()
        has_null = found is None or found.null_count != 0
        groups.append(_Group(group.num_rows, has_null, *known))
    return groups
