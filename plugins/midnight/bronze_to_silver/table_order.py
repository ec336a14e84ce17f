"""The order in which tables are brought to silver: the referenced ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from midnight.configuration.checks import Unique
from midnight.configuration.tables import Table


def referenced_tables(table: Table) -> list[str]:
    """Silver names of the tables that the foreign keys reference, each once."""
    return list(table.referenced_tables)


def group_by_references(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables in the order of their foreign keys: each group after the groups that it references.

    A group has more than one table only if they reference each other in a cycle (a strongly connected component,
    found by Tarjan's algorithm). References to tables that are not given are ignored.
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


def has_independent_rows(table: Table, group: Sequence[Table]) -> bool:
    """Whether the outcome of a row does not depend on other rows of the table.

    Args:
        table: one of ``group``.
        group: the tables that reference each other in a cycle, usually one.
    """
    compares_rows = any(isinstance(check, Unique) for check in table.checks)
    return not compares_rows and len(group) == 1 and table.silver not in referenced_tables(table)
