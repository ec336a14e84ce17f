"""The fingerprint of a silver table: equal fingerprints mean that nothing has to be computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from midnight.bronze.manifest import BronzeFile, Manifest
from midnight.bronze_to_silver.batch_chain import Chain
from midnight.configuration.checks import DOCUMENTATION, ForeignKey
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

    def has_rules_of(self, other: Fingerprint) -> bool:
        """Whether the same row has the same outcome: only the content may differ."""
        return (self.key, self.rules) == (other.key, other.rules)

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
    # What became null on the way to bronze is in the files, and no rule of silver; nor is how rows are compared, what
    # figures are expected, and what only people read.
    no_rule: dict[str, Any] = {
        "reconcile": True,
        "expectations": True,
        "description": True,
        "columns": {"__all__": {"on_unrepresentable", "description"}},
        "checks": {"__all__": set(DOCUMENTATION)},
    }
    rules = [t.model_dump(mode="json", by_alias=True, exclude=no_rule) for t, _ in group]
    files = [content for t, chain in group for content in _batch_contents(t, chain)]
    # The columns of the newest batch are those of the table, even if it has no row.
    columns = [[c.model_dump(mode="json") for c in chain[-1].columns] for _, chain in group]
    key = [table.key, None if table.key else table.duplicates]
    enforced = {check.table for t, _ in group for check in _enforced_references(t)}
    strict, lenient = (sorted((n, f) for n, f in referenced.items() if (n in enforced) is e) for e in (True, False))
    return Fingerprint(_digest(key), _digest([rules, strict]), _digest([files, columns, lenient]))


def _batch_contents(table: Table, chain: Chain) -> list[list[object]]:
    """What the batches of a table contain, in the order in which it counts.

    A list of keys that was read in the snapshot of its batch has the keys of the batch's rows, so that the same list in
    the next batch without rows deletes nothing. One of Data Factory's may lack them, and is therefore put before.
    """
    lists = [m for m in chain if m.keys is not None]
    counting = {m.batch_id for m in (lists if table.deletes == "soft" else lists[-1:])}
    found: list[list[object]] = []
    for m in chain:
        columns = [column.model_dump(mode="json") for column in m.columns]
        # An increment without a row changes nothing.
        parts: list[list[object]] = [[m.rows, columns, _digests(m, m.files)]] if m.rows or not m.follows else []
        if m.keys is not None and m.batch_id in counting:
            parts.insert(len(parts) if m.read_from.snapshot else 0, ["keys", _digests(m, m.keys.files)])
        repeats = parts and found and parts[0][0] == "keys" and parts[0] == found[-1]
        found += parts[1:] if repeats else parts
    return found


def _digests(manifest: Manifest, files: Sequence[BronzeFile]) -> list[tuple[str, int]]:
    """Without a checksum nothing proves that two batches are equal."""
    return [(file.sha256 or manifest.batch_id, file.rows) for file in files]


def _enforced_references(table: Table) -> list[ForeignKey]:
    return [check for check in table.checks if isinstance(check, ForeignKey) and check.on_failure != "warn"]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
