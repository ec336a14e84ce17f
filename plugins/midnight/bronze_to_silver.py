"""What the bronze-to-silver job decides without looking at rows: the order of the tables, and when nothing is to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midnight.checks import ForeignKey
from midnight.manifest import Manifest
from midnight.tables import Table

# Part of every fingerprint: raise it when a rule's meaning changes, so that all of silver is checked again.
RULES_VERSION = 1


def referenced_tables(table: Table) -> list[str]:
    """Silver names of the tables that the foreign keys refer to, without repetition."""
    return list(dict.fromkeys(check.table for check in table.checks if isinstance(check, ForeignKey)))


def group_by_references(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables in the order of their foreign keys: each group after those that it refers to.

    A group has more than one table only where they refer to each other in a circle (a strongly connected component,
    found by Tarjan's algorithm). References to tables that are not given are left out.
    """
    by_name = {table.silver: table for table in tables}
    search = _Components(
        {name: [r for r in referenced_tables(t) if r in by_name] for name, t in sorted(by_name.items())}
    )
    return [[by_name[name] for name in group] for group in search.groups]


class _Components:
    def __init__(self, edges: Mapping[str, Sequence[str]]) -> None:
        self.edges, self.groups = edges, list[list[str]]()
        self._index: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._stack: list[str] = []
        for name in edges:
            if name not in self._index:
                self._visit(name)

    def _visit(self, name: str) -> None:
        self._index[name] = self._low[name] = len(self._index)
        self._stack.append(name)
        for other in self.edges[name]:
            if other not in self._index:
                self._visit(other)
                self._low[name] = min(self._low[name], self._low[other])
            elif other in self._stack:
                self._low[name] = min(self._low[name], self._index[other])
        if self._low[name] == self._index[name]:
            start = self._stack.index(name)
            self.groups.append(sorted(self._stack[start:]))
            del self._stack[start:]


@dataclass(frozen=True)
class Fingerprint:
    """What silver was made from, as text: ``1:<key>:<everything>``.

    Args:
        key: of the columns that identify a row: another one makes every row of silver another row.
        content: of the rules, the batch's files, and the same of every table that foreign keys refer to.
    """

    key: str
    content: str

    def __str__(self) -> str:
        return f"{RULES_VERSION}:{self.key}:{self.content}"

    @classmethod
    def parse(cls, text: str) -> Fingerprint | None:
        """None for a text of another version of the rules."""
        parts = text.split(":")
        return cls(parts[1], parts[2]) if len(parts) == 3 and parts[0] == str(RULES_VERSION) else None


def fingerprint(table: Table, group: Sequence[tuple[Table, Manifest]], parents: Sequence[str]) -> Fingerprint:
    """The fingerprint of a table's next silver.

    Args:
        table: one of ``group``.
        group: the tables that refer to each other in a circle, usually one, with their batches.
        parents: fingerprints of the other tables that they refer to.
    """
    rules = [t.model_dump(mode="json", by_alias=True) for t, _ in group]
    files = [
        # Without a checksum nothing says that two batches are the same.
        [m.rows, [c.model_dump(mode="json") for c in m.columns], [(f.sha256 or m.batch_id, f.rows) for f in m.files]]
        for _, m in group
    ]
    key = [table.key, None if table.key else table.duplicates]
    return Fingerprint(_digest(key), _digest([rules, files, list(parents)]))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
