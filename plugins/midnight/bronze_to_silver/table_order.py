"""What the bronze-to-silver job decides without looking at rows: the order of the tables, and how much is to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midnight.bronze.manifest import Manifest
from midnight.configuration.checks import ForeignKey, Unique
from midnight.configuration.tables import Table
from midnight.errors import BronzeError

# Part of every fingerprint: raise it when a rule's meaning changes, so that all of silver is checked again.
RULES_VERSION = 2
# The batches that together hold a table, oldest first: one with the whole table, and the increments on it.
Chain = tuple[Manifest, ...]


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
    """What silver was made from, as text: ``2:<key>:<rules>:<content>``.

    Args:
        key: of the columns that identify a row: another one makes every row of silver another row.
        rules: of the rules, and of the tables without whose rows a foreign key keeps a row out: with other ones every
            row has to be judged again.
        content: of the batches' files, and of the tables whose rows a foreign key only warns about.
    """

    key: str
    rules: str
    content: str

    def __str__(self) -> str:
        return f"{RULES_VERSION}:{self.key}:{self.rules}:{self.content}"

    @classmethod
    def parse(cls, text: str) -> Fingerprint | None:
        """None for a text of another version of the rules."""
        parts = text.split(":")
        return cls(*parts[1:]) if len(parts) == 4 and parts[0] == str(RULES_VERSION) else None


def fingerprint(table: Table, group: Sequence[tuple[Table, Chain]], parents: Mapping[str, str]) -> Fingerprint:
    """The fingerprint of a table's next silver.

    Args:
        table: one of ``group``.
        group: the tables that refer to each other in a circle, usually one, with their batches.
        parents: silver name -> fingerprint of every other table that they refer to.
    """
    rules = [t.model_dump(mode="json", by_alias=True) for t, _ in group]
    files = [
        # Without a checksum nothing says that two batches are the same.
        [m.rows, [c.model_dump(mode="json") for c in m.columns], [(f.sha256 or m.batch_id, f.rows) for f in m.files]]
        for _, chain in group
        for m in chain
        if m.rows or not m.follows  # an increment without a row changes nothing
    ]
    key = [table.key, None if table.key else table.duplicates]
    deciding = {check.table for t, _ in group for check in _deciding(t)}
    stages = [sorted((n, f) for n, f in parents.items() if (n in deciding) is decides) for decides in (True, False)]
    return Fingerprint(_digest(key), _digest([rules, stages[0]]), _digest([files, stages[1]]))


def _deciding(table: Table) -> list[ForeignKey]:
    return [check for check in table.checks if isinstance(check, ForeignKey) and check.on_failure != "warn"]


def is_judged_row_by_row(table: Table, group: Sequence[Table]) -> bool:
    """Whether what becomes of a row does not depend on the table's other rows.

    Args:
        table: one of ``group``.
        group: the tables that refer to each other in a circle, usually one.
    """
    looks_around = any(isinstance(check, Unique) for check in table.checks)
    return not looks_around and len(group) == 1 and table.silver not in referenced_tables(table)


def increments_since(chain: Chain, batch_id: str) -> Chain:
    """The increments of a chain after one of its batches; none where the batch is not part of it."""
    ids = [manifest.batch_id for manifest in chain]
    return chain[ids.index(batch_id) + 1 :] if batch_id in ids else ()


def check_chain(table: Table, chain: Chain) -> None:
    """Refuse increments that cannot be laid over each other.

    Raises:
        BronzeError: they were read for another key than the table has now, or with other columns.
    """
    for manifest in chain if len(chain) > 1 else ():
        found = manifest.cursor.key if manifest.cursor is not None else ()
        if found == table.key and manifest.layout == chain[-1].layout:
            continue
        what = f"columns {[name for name, _, _ in manifest.layout]!r}"
        if found != table.key:
            what = f"key {list(found)!r}, while the table has {list(table.key)!r}"
        raise BronzeError(
            f"{table.qualified_name}: batch {chain[-1].batch_id} is an increment on batch {manifest.batch_id}, which "
            f"was read with {what}; run midnight_pipeline, which reads the whole table again"
        )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
