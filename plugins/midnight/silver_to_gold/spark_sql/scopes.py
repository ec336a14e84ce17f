"""The columns that are visible in a part of a query."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Relation:
    """A table, a common table expression or a subquery.

    Args:
        columns: name and type in order; an unknown type is None.
        source: its name in messages: ``silver.orders``.
        complete: whether all columns are known.
    """

    columns: tuple[tuple[str, str | None], ...]
    source: str = ""
    complete: bool = True

    def type_of(self, name: str) -> tuple[bool, str | None]:
        """Return whether there is such a column, and its type."""
        for column, kind in self.columns:
            if column.casefold() == name.casefold():
                return True, kind
        return False, None


@dataclass
class Scope:
    """Relations by alias in lower case, of one SELECT; ``outer`` is the query around it.

    ``names`` are columns without a relation: aliases of the select list, variables of a lambda.
    """

    relations: dict[str, Relation] = field(default_factory=dict)
    ctes: dict[str, Relation] = field(default_factory=dict)
    names: dict[str, str | None] = field(default_factory=dict)
    outer: Scope | None = None

    @property
    def complete(self) -> bool:
        """Whether all columns that a name could refer to are known."""
        own = all(relation.complete for relation in self.relations.values())
        return own and (self.outer is None or self.outer.complete)

    def nested(self) -> Scope:
        """Return the scope of a nested query, which may refer to this one."""
        return Scope(ctes=dict(self.ctes), outer=self)

    def with_names(self, names: dict[str, str | None]) -> Scope:
        """Return the scope with further names, which take precedence."""
        return Scope(self.relations, self.ctes, {**self.names, **names}, self.outer)

    def find(self, name: str, qualifier: str = "") -> tuple[bool, str | None]:
        """Return whether a column is known, and its type."""
        key = name.casefold()
        if not qualifier and key in self.names:
            return True, self.names[key]
        for alias, relation in self.relations.items():
            if qualifier and alias != qualifier.casefold():
                continue
            found, kind = relation.type_of(name)
            if found:
                return True, kind
        return self.outer.find(name, qualifier) if self.outer is not None else (False, None)

    def has_alias(self, qualifier: str) -> bool:
        """Whether a relation has this alias."""
        known = qualifier.casefold() in self.relations
        return known or (self.outer is not None and self.outer.has_alias(qualifier))

    def find_cte(self, name: str) -> Relation | None:
        return self.ctes.get(name.casefold())

    def shown(self) -> str:
        """Return the relations with their columns, for messages."""
        parts = [
            f"{relation.source or alias} has {[name for name, _ in relation.columns]!r}"
            for alias, relation in self.relations.items()
        ]
        return "; ".join(parts) or "nothing is read here"
