"""Whether the engine finds the smallest and the largest decimal of a table that has statistics of this column.

Sail reads a decimal in the statistics of a file as a double, and skips the file if that excludes the value (decision
19). Its tables have no statistics, and so nothing is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.record import Difference, LinkRecord
from midnight.reconciliation.row_sources import FileRows, RowSource
from midnight.sql_text import quote_backticked
from spark_jobs.runtime.session import is_sail

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def probe_statistics(subject: Subject, path: str, table: DataFrame, evaluated: RowSource) -> list[LinkRecord]:
    """Look for the extreme values of decimal columns with statistics.

    Args:
        subject: the table.
        path: of the table.
        table: as the engine reads it.
        evaluated: rows that it must have.

    Returns:
        A record that differs, with the columns; none if every value was found.
    """
    from pyspark.sql import functions as F

    if not is_local(path) or not is_sail(table.sparkSession) or not isinstance(evaluated, FileRows):
        return []
    known = _with_statistics(path)
    bounds = {name: limits for name, limits in evaluated.decimal_bounds(subject.plan).items() if name in known}
    found = []
    for name, (lowest, highest) in bounds.items():
        column = F.col(quote_backticked(name))
        for value, condition in ((lowest, column <= F.lit(lowest)), (highest, column >= F.lit(highest))):
            if not table.filter(condition).limit(1).count():
                found.append(
                    Difference(
                        link=subject.link,
                        table=subject.table,
                        kind="changed value",
                        column=name,
                        expected=None if name in subject.masked else str(value),
                        note="the engine skips the file with this value, since it misreads the file's statistics",
                    )
                )
    if not found:
        return []
    return [
        LinkRecord(
            link=subject.link,
            table=subject.table,
            status="different",
            method="digests",
            compared="filters of the engine",
            differences=tuple(found[:20]),
            difference_count=len(found),
        )
    ]


def _with_statistics(path: str) -> set[str]:
    """The columns of which the log has the smallest value in a file."""
    from deltalake import DeltaTable

    names = DeltaTable(path).get_add_actions(flatten=True).schema.names
    return {name.removeprefix("min.") for name in names if name.startswith("min.")}
