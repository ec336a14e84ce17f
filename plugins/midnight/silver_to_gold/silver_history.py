"""What the ledger says about the content of silver: what identifies it, and which batches changed it since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from midnight.lake.ledger import LedgerEntry


@dataclass(frozen=True)
class SilverHistory:
    """The entries of one silver table that may have changed it, oldest first; at least one.

    An entry may have changed its table if it was applied and does not say ``changed: nothing``, if it failed, or if it
    was started and has no end (the job was killed; the next attempt may then find no changes).
    """

    entries: tuple[LedgerEntry, ...]

    @property
    def identity(self) -> str:
        """What identifies the content now; another one means that the table may have changed."""
        return _identity(self.entries[-1])

    def batches_since(self, identity: str) -> tuple[str, ...] | None:
        """The batches whose change sets together are all that changed since a content, oldest first.

        Args:
            identity: of the earlier content.

        Returns:
            None if the change sets are not complete: the content is unknown, or a table was replaced or interrupted.
        """
        identities = [_identity(entry) for entry in self.entries]
        if identity not in identities:
            return None
        later = self.entries[identities.index(identity) + 1 :]
        batches = tuple(entry.batch_id for entry in later)
        # A batch that was applied again has replaced its change set.
        complete = all(entry.status == "applied" and entry.changed == "rows" for entry in later)
        return batches if complete and len(set(batches)) == len(batches) else None


def silver_histories(entries: Iterable[LedgerEntry]) -> dict[str, SilverHistory]:
    """The history of every silver table that was ever changed.

    Args:
        entries: of the ledger, in any order.
    """
    by_table: dict[str, list[LedgerEntry]] = {}
    for entry in sorted(entries, key=lambda e: (e.attempt_at, e.status != "started")):
        by_table.setdefault(entry.table, []).append(entry)
    found = {}
    for table, own in by_table.items():
        following = [*own[1:], None]
        changes = [entry for entry, next_one in zip(own, following, strict=True) if _may_have_changed(entry, next_one)]
        if changes:
            found[table] = SilverHistory(tuple(changes))
    return found


def _may_have_changed(entry: LedgerEntry, following: LedgerEntry | None) -> bool:
    if entry.status == "started":
        ends = ("applied", "failed")
        ended = following is not None and following.status in ends and following.batch_id == entry.batch_id
        return not ended
    return entry.status == "failed" or (entry.status == "applied" and entry.changed != "nothing")


def _identity(entry: LedgerEntry) -> str:
    return f"{entry.batch_id}@{entry.attempt_at:%Y-%m-%dT%H:%M:%S.%f}"
