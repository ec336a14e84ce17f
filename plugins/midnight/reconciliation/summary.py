"""One line about a run: which tables of silver have what the source had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from midnight.reconciliation.record import LinkRecord


class SealedBatch(Protocol):
    """What is used of a manifest."""

    @property
    def read_from(self) -> Any:
        """Where the rows were read from: has ``lsn``."""

    @property
    def reconciliation(self) -> LinkRecord | None:
        """The comparison with the source."""


def lsn_of(batches: Iterable[SealedBatch]) -> str:
    """The write-ahead log position that all batches were read at; empty if it is not known, or not the same."""
    found = {batch.read_from.lsn for batch in batches}
    return str(found.pop()) if len(found) == 1 else ""


def silver_line(records: Sequence[LinkRecord], newest: Mapping[str, SealedBatch]) -> str:
    """For example ``silver = source at LSN 0/1A2B, 214 of 214 tables``; empty where no table is compared by digests.

    A table counts if its batch was compared with the source, its silver with bronze, and what was written with what was
    read back, each by digests and without a difference; or if nothing has changed since that.

    Args:
        records: of silver's job.
        newest: silver name -> newest batch of each table of the run.
    """
    by_table: dict[str, list[LinkRecord]] = {name: [] for name in newest}
    for record in records:
        by_table.setdefault(record.table, []).append(record)
    proved = [name for name in newest if by_table[name] and all(_is_proved(each) for each in by_table[name])]
    with_source = [name for name in proved if _is_proved(newest[name].reconciliation)]
    if not any(record.method == "digests" for record in records if record.table in newest):
        return ""  # "0 of 214 tables" reads like a failure
    lsn = lsn_of(newest.values())
    place = f" at LSN {lsn}" if lsn else ""
    text = f"silver = source{place}, {len(with_source)} of {len(newest)} tables"
    return (
        text if len(with_source) == len(proved) else f"{text}; silver = bronze, {len(proved)} of {len(newest)} tables"
    )


def _is_proved(record: LinkRecord | None) -> bool:
    return record is not None and (record.status, record.method) == ("equal", "digests")
