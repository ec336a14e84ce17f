"""What a run's ledger has to say to people: new rows in quarantine, many warnings, changed columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from midnight.configuration.alerts import AlertEvent, Alerts
from midnight.durations import describe_percent
from midnight.lake.ledger import LedgerEntry


class Notice(NamedTuple):
    """What people should know about one table."""

    event: AlertEvent
    table: str
    text: str


def notices(own: Sequence[LedgerEntry], before: Mapping[str, LedgerEntry], settings: Alerts) -> list[Notice]:
    """The notices of a run, sorted by event and table.

    Args:
        own: the run's entries, one per table.
        before: table -> its applied entry before the run.
        settings: the thresholds.
    """
    found: list[Notice] = []
    for entry in own:
        if entry.status == "applied":
            found += _of_table(entry, before.get(entry.table), settings)
    return sorted(found)


def _of_table(entry: LedgerEntry, before: LedgerEntry | None, settings: Alerts) -> Iterable[Notice]:
    earlier = before.quarantined if before else 0
    share = _percent(entry.quarantined, entry.rows_in)
    if entry.quarantined > earlier or (entry.quarantined and share > settings.quarantine_percent):
        change = f"{entry.quarantined - earlier:+,}" if entry.quarantined != earlier else "as before"
        yield Notice(
            "quarantine",
            entry.table,
            f"{entry.table}: {entry.quarantined:,} of {entry.rows_in:,} rows in quarantine "
            f"({describe_percent(share)}, {change})",
        )
    if entry.schema_changes and (before is None or before.batch_id != entry.batch_id):  # else an earlier run said so
        yield Notice("schema_changed", entry.table, f"{entry.table}: {entry.schema_changes}")
    if entry.released:
        yield Notice("warnings", entry.table, f"{entry.table}: {entry.released}")
    warned = _percent(entry.warnings, entry.rows_in)
    limit = settings.warnings_percent
    above = limit is not None and warned > limit
    # A table that was never loaded before is not news: all of its warnings are new.
    if above or (before is not None and not before.warnings and entry.warnings):
        why = f"the limit is {limit:g} %" if limit is not None and above else "none in the run before"
        yield Notice(
            "warnings",
            entry.table,
            f"{entry.table}: {entry.warnings:,} of {entry.rows_in:,} rows with warnings "
            f"({describe_percent(warned)}; {why})",
        )


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
