"""The rows in quarantine for the summary of a run: by rule, how many are new, and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.quarantine.rejected import RejectedByRule, count_by_rule, new_first, read_rejected
from midnight.summary.document import QuarantineExample, QuarantineSummary

_COLUMNS = ("table", "batch_id", "rule", "key", "row")


@dataclass(frozen=True)
class Evaluated:
    """A table whose newest rows were evaluated.

    Args:
        table: its rules.
        entry: the ledger entry; ``before`` the applied one of the run before, None if there was none.
    """

    table: Table
    entry: LedgerEntry
    before: LedgerEntry | None = None

    @property
    def batches(self) -> tuple[str, str]:
        """Under which batches the quarantine has the rows of the entry, and of the one before (may be empty)."""
        return _batch(self.entry), "" if self.before is None else _batch(self.before)

    @property
    def may_have_rows(self) -> bool:
        """A table that a ``fail`` check stopped has rows in the quarantine, but no count of them."""
        return bool(self.entry.quarantined) or self.entry.status == "failed"


def summarise_quarantine(
    path: str,
    evaluated: Sequence[Evaluated],
    since: Mapping[tuple[str, str], datetime | None],
    storage_options: Mapping[str, str] | None = None,
) -> list[QuarantineSummary]:
    """Each rule that keeps rows out of silver: rules with new rows first, then those with most rows.

    Args:
        path: ``LakePaths.quarantine``.
        evaluated: the tables.
        since: (table, rule) -> when its first row was seen, of the rules of the summary before.
        storage_options: ``LakeFiles.storage_options``.

    Raises:
        LakeError: the quarantine exists but cannot be read.
    """
    import pyarrow.compute as pc

    with_rows = [one for one in evaluated if one.may_have_rows]
    tables, batches = (
        [one.table.silver for one in with_rows],
        [each for one in with_rows for each in one.batches if each],
    )
    rows = read_rejected(path, tables, batches, storage_options, _COLUMNS)
    found: list[RejectedByRule] = []
    for one in with_rows:
        own = rows.filter(pc.equal(rows["table"], one.table.silver))

        def since_of(rule: str, one: Evaluated = one) -> datetime:
            return since.get((one.table.silver, rule)) or one.entry.attempt_at

        found += count_by_rule(one.table, own, one.batches, since_of)
    return [_summary(one) for one in new_first(found)]


def _summary(found: RejectedByRule) -> QuarantineSummary:
    rule = found.rule
    examples = [
        QuarantineExample(key=e.key, column=e.offending.column, value=e.offending.value, is_new=e.is_new)
        for e in found.examples
    ]
    return QuarantineSummary(
        table=found.table.silver,
        rule=rule.name,
        requirement=rule.requirement,
        rows=found.rows,
        new_rows=found.new_rows,
        since=found.since,
        examples=tuple(examples),
        hint=rule.hint,
        description=rule.description,
        owner=rule.owner,
        link=rule.link,
    )


def _batch(entry: LedgerEntry) -> str:
    return entry.quarantine_batch_id or entry.batch_id
