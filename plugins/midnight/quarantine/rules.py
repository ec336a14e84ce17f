"""A rule in words, and how to fix the rows that fail it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from midnight.configuration.checks import BaseCheck, Expression
from midnight.configuration.tables import Table

KEY_RULE = "key_not_null"  # as silver names the rule of a row without a key
CAST_PREFIX = "cast_"  # … and of a value that its type does not have


@dataclass(frozen=True)
class Rule:
    """What a row of the quarantine failed.

    Args:
        name: as the quarantine has it.
        requirement: what a good row fulfils.
        columns: of the table, to which the rule refers.
        hint: how to fix the rows.
        check: of the configuration; None for a cast, for the key, and for a rule that is not configured any more.
        is_known: the table can have rows that this rule refuses.
    """

    name: str
    requirement: str
    columns: tuple[str, ...] = ()
    hint: str = ""
    check: BaseCheck | None = None
    is_known: bool = True

    @property
    def description(self) -> str:
        return self.check.description if self.check else ""

    @property
    def owner(self) -> str:
        return self.check.owner if self.check else ""

    @property
    def link(self) -> str:
        return self.check.link if self.check else ""


def rule_of(table: Table, name: str) -> Rule:
    """The rule that has a name in the quarantine of a table.

    Args:
        table: as configured now.
        name: label of a check, ``key_not_null`` or ``cast_<column>``.
    """
    again = f"then the next run of midnight_pipeline takes the rows of {table.qualified_name} into silver"
    for check in table.checks:
        if check.label == name:
            hint = f"correct the rows in {table.qualified_name}, or this check in its table file; {again}"
            return Rule(name, check.requirement, rule_columns(check, table), hint, check)
    if name == KEY_RULE:
        hint = f"give every row of {table.qualified_name} a key, or configure another key; {again}"
        return Rule(name, f"no column of the key ({', '.join(table.key)}) is null", table.key, hint)
    column = next((c for c in table.columns if name == f"{CAST_PREFIX}{c.name}"), None)
    if column is not None:
        kind = column.cast or column.bronze_type or column.type
        hint = (
            f"correct the values of {column.source_name} in {table.qualified_name}, list a text that means null in "
            f"null_values, or change cast; {again}"
        )
        return Rule(name, f"{column.name} is a valid {kind}", (column.name,), hint)
    return Rule(name, f"{name} (this rule is not configured any more)", is_known=False)


def rule_columns(check: BaseCheck, table: Table) -> tuple[str, ...]:
    """The columns of the table that a check reads, also those in the SQL of an expression."""
    if not isinstance(check, Expression):
        return check.used_columns
    known = {column.name.casefold(): column.name for column in table.silver_columns}
    found = (known.get(name.casefold()) for name in _identifiers(check.sql))
    return tuple(dict.fromkeys(name for name in found if name is not None))


@lru_cache(maxsize=256)
def _identifiers(sql: str) -> tuple[str, ...]:
    """The words of a Spark SQL condition that may be columns: neither inside a text nor a function."""
    without_texts = re.sub(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/", " ' ", sql, flags=re.DOTALL)
    return tuple(quoted or word for quoted, word in re.findall(r"`([^`]+)`|\b([^\W\d]\w*)\b(?!\s*\()", without_texts))
