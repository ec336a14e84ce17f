"""The fingerprint of a silver table: equal fingerprints mean that nothing has to be computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midnight.bronze_to_silver.batch_chain import Chain
from midnight.configuration.checks import ForeignKey
from midnight.configuration.tables import Table

# Part of every fingerprint: raise it when the meaning of a rule changes, so that all of silver is validated again.
RULES_VERSION = 2


@dataclass(frozen=True)
class Fingerprint:
    """Everything that a silver table was made from, as text: ``2:<key>:<rules>:<content>``.

    Args:
        key: of the columns that identify a row: with another key, every row of silver is a different row.
        rules: of the rules, and of the referenced tables whose missing rows quarantine a row: when it changes, every
            row has to be validated again.
        content: of the batches' files, and of the referenced tables whose missing rows only cause a warning.
    """

    key: str
    rules: str
    content: str

    def __str__(self) -> str:
        return f"{RULES_VERSION}:{self.key}:{self.rules}:{self.content}"

    @classmethod
    def parse(cls, text: str) -> Fingerprint | None:
        """None for the text of another version of the rules."""
        parts = text.split(":")
        return cls(*parts[1:]) if len(parts) == 4 and parts[0] == str(RULES_VERSION) else None


def fingerprint(table: Table, group: Sequence[tuple[Table, Chain]], referenced: Mapping[str, str]) -> Fingerprint:
    """The fingerprint of a table's next silver.

    Args:
        table: one of ``group``.
        group: the tables that reference each other in a cycle, usually one, with their batches.
        referenced: silver name -> fingerprint of every other table that they reference.
    """
    rules = [t.model_dump(mode="json", by_alias=True) for t, _ in group]
    files = [
        # Without a checksum nothing proves that two batches are equal.
        [m.rows, [c.model_dump(mode="json") for c in m.columns], [(f.sha256 or m.batch_id, f.rows) for f in m.files]]
        for _, chain in group
        for m in chain
        if m.rows or not m.follows  # an increment without a row changes nothing
    ]
    key = [table.key, None if table.key else table.duplicates]
    enforced = {check.table for t, _ in group for check in _enforced_references(t)}
    strict, lenient = (sorted((n, f) for n, f in referenced.items() if (n in enforced) is e) for e in (True, False))
    return Fingerprint(_digest(key), _digest([rules, strict]), _digest([files, lenient]))


def _enforced_references(table: Table) -> list[ForeignKey]:
    return [check for check in table.checks if isinstance(check, ForeignKey) and check.on_failure != "warn"]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
