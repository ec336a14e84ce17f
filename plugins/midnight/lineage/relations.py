"""The relations in FROM, and the columns that an expression can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from midnight.lineage.column_uses import Uses, add_uses


@dataclass(eq=False)
class Relation:
    """A table or query in FROM.

    Args:
        columns: name in lower case -> the uses of the query's sources, in order.
        table: the name of a table whose columns are not known; it has any column.
        others: uses of any other column, for what names its columns by values (PIVOT, a table function).
        conditions: of a common table expression: what decides about its rows.
    """

    columns: dict[str, Uses] = field(default_factory=dict)
    table: str = ""
    others: Uses | None = None
    conditions: Uses = field(default_factory=dict)

    def find(self, name: str) -> Uses | None:
        """The uses of a column; None if the relation does not have it."""
        if name in self.columns:
            return self.columns[name]
        if self.table:
            return {(self.table, name): "identity"}
        return self.others

    def renamed(self, names: list[str]) -> Relation:
        """The relation with the column names of its alias."""
        if not names:
            return self
        columns = dict(zip([name.casefold() for name in names], self.columns.values(), strict=False))
        return replace(self, columns=columns)


@dataclass
class Scope:
    """What the expressions of one SELECT can name.

    Args:
        queries: common table expressions by name.
        outer: of the query around it, for correlated subqueries.
        relations: by alias, in the order of FROM.
        merged: columns of USING.
        aliases: result columns, which GROUP BY, ORDER BY and later expressions may name.
    """

    queries: Mapping[str, Relation]
    outer: Scope | None = None
    relations: dict[str, Relation] = field(default_factory=dict)
    merged: dict[str, Uses] = field(default_factory=dict)
    aliases: dict[str, Uses] = field(default_factory=dict)

    def find(self, name: str, qualifier: str = "") -> Uses | None:
        """The uses of a column by its name in lower case; None if nothing has it, as for a parameter of a lambda."""
        found = self._find_here(name, qualifier)
        if found is None and self.outer is not None:
            return self.outer.find(name, qualifier)
        return found

    def _find_here(self, name: str, qualifier: str) -> Uses | None:
        if qualifier:
            if qualifier in self.relations:
                return self.relations[qualifier].find(name)
            return self._find_here(qualifier, "")  # a field of a struct
        known = (self.merged, *(relation.columns for relation in self.relations.values()), self.aliases)
        found = next((columns[name] for columns in known if name in columns), None)
        if found is not None:
            return found
        unknown = [uses for r in self.relations.values() if (uses := r.find(name)) is not None]
        if not unknown:
            return None
        every: Uses = {}
        for uses in unknown:
            add_uses(every, uses)
        return every

    def star(self, qualifier: str = "") -> Iterator[tuple[str, Uses]]:
        """The columns of ``*`` or ``qualifier.*``."""
        shown: set[str] = set()
        for alias, relation in self.relations.items():
            if qualifier in ("", alias):
                for name, uses in relation.columns.items():
                    if name in self.merged and not qualifier:
                        if name not in shown:
                            yield name, self.merged[name]
                        shown.add(name)
                    else:
                        yield name, uses
