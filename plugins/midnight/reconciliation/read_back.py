"""The link *written = read back*: what a job computed, and what a reader finds in the table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from midnight.errors import ReconciliationError
from midnight.reconciliation.record import MOST_DIFFERENCES, LinkRecord, describe_differences

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from midnight.reconciliation.differences import Place, Subject
    from midnight.reconciliation.row_digest import DigestPlan
    from midnight.reconciliation.row_sources import RowSource


@dataclass(frozen=True)
class Sum:
    """Rows that are added to each other, less rows that are removed from them by their key.

    Args:
        added: for example the files that a commit replaced, and the rows that it inserted.
        removed: for example the rows of these files that were updated or deleted, as they were before.
    """

    added: Sequence[RowSource]
    removed: Sequence[RowSource] = field(default_factory=tuple)

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """See ``RowSource``."""
        from midnight.reconciliation.row_digest import add_all

        total = add_all((part.digest(plan) for part in self.added), len(plan.columns))
        total -= add_all((part.digest(plan) for part in self.removed), len(plan.columns))
        return total

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """See ``RowSource``; a removed row takes the first row with its key and values, or else with its key."""
        import pyarrow as pa

        from midnight.reconciliation.differences import without_rows

        gone = [part.rows(plan, columns, buckets) for part in self.removed]
        parts = [part.rows(plan, columns, buckets) for part in self.added]
        first = parts[0]
        for each in gone:
            first = without_rows(first, each, plan)
        kept = [part for part in (first, *parts[1:]) if part.num_rows]
        return pa.concat_tables(kept, promote_options="permissive") if kept else first


def compare(
    subject: Subject, expected: RowSource, found: RowSource, how: str
) -> tuple[LinkRecord, np.ndarray[Any, Any]]:
    """Compare two sides by their digests; where they differ, read the rows of some buckets again.

    Args:
        subject: what is compared.
        expected: the side that should be right.
        found: the other side.
        how: for people: who read ``found``.

    Returns:
        The outcome, and the digest of ``found``.

    Raises:
        ReconciliationError: a side cannot be read.
    """
    started = time.monotonic()
    wanted = expected.digest(subject.plan)
    return compare_with(subject, wanted, expected, found, how, started=started)


def compare_with(
    subject: Subject,
    wanted: np.ndarray[Any, Any],
    expected: RowSource | None,
    found: RowSource,
    how: str,
    *,
    started: float | None = None,
) -> tuple[LinkRecord, np.ndarray[Any, Any]]:
    """As ``compare``, with a digest that is known; ``expected`` is None if its rows cannot be read any more."""
    from midnight.reconciliation.differences import differing_places

    started = time.monotonic() if started is None else started
    actual = found.digest(subject.plan)
    places = differing_places(wanted, actual, subject.plan)
    record = LinkRecord(
        link=subject.link,
        table=subject.table,
        status="different" if places else "equal",
        method="digests",
        rows=int(actual[:, 0].astype("int64").sum()),
        columns=len(subject.plan.columns),
        compared=how,
    )
    if places:
        differences, count = _explain(subject, places, expected, found)
        record = record.model_copy(
            update={"differences": tuple(differences[:MOST_DIFFERENCES]), "difference_count": count}
        )
    seconds = round(time.monotonic() - started, 3)
    return record.model_copy(update={"seconds": seconds}), actual


def _explain(
    subject: Subject, places: Sequence[Place], expected: RowSource | None, found: RowSource
) -> tuple[list[Any], int]:
    from midnight.reconciliation.differences import (
        BUCKETS_READ,
        columns_to_read,
        find_differences,
        unexplained,
    )

    by_place = unexplained(subject, places)
    if expected is None:
        return by_place, len(by_place)
    read = list(places)[:BUCKETS_READ]
    columns, buckets = columns_to_read(read, subject.plan), [place.bucket for place in read]
    try:
        sides = [side.rows(subject.plan, columns, buckets) for side in (expected, found)]
    except ReconciliationError:
        return by_place, len(by_place)
    differences, count = find_differences(subject, *sides)
    return (differences, max(count, len(places))) if differences else (by_place, len(by_place))


def unread_record(table: str, sums: np.ndarray[Any, Any], how: str) -> LinkRecord:
    """The record of a table that was not read again, since it is known to be as it was.

    Args:
        table: for people.
        sums: its digest.
        how: for people: why it was not read.
    """
    return LinkRecord(
        link="written = read back",
        table=table,
        status="equal",
        method="digests",
        rows=int(sums[:, 0].sum()),
        columns=sums.shape[1] - 2,
        compared=how,
    )


def stop_on_difference(records: Sequence[LinkRecord], consequence: str, releasable: Sequence[str] = ()) -> None:
    """Raise one error for all records that differ.

    Args:
        records: of one table or of several.
        consequence: for people, what the difference prevented, and the hint.
        releasable: of the error.

    Raises:
        ReconciliationError: at least one differs.
    """
    different = [record for record in records if record.status == "different"]
    if different:
        raise ReconciliationError(f"{describe_differences(different)}; {consequence}", releasable)
