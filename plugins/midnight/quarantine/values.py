"""The key of a row of the quarantine, and the column and value that its rule refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from midnight.configuration.checks import NotNull
from midnight.configuration.tables import Table
from midnight.masking import PSEUDONYM_DIGITS
from midnight.quarantine.rules import KEY_RULE, Rule

MASKED = "(masked)"
_PSEUDONYM = re.compile(rf"[0-9a-f]{{{PSEUDONYM_DIGITS}}}")
_LONGEST = 200  # characters of a value that is shown


@dataclass(frozen=True)
class OffendingValue:
    """What a rule refused.

    Args:
        column: the column, or several: ``dep_time, arr_time``; empty where it is not known.
        value: as bronze has it, ``null`` if there is none; of several columns in the same order; empty if masked.
    """

    column: str
    value: str


def offending_value(rule: Rule, table: Table, row: str | Mapping[str, str]) -> OffendingValue:
    """The column and value of a rejected row that its rule refused.

    Args:
        rule: from ``rule_of``.
        table: its columns, masked ones included.
        row: column ``row`` of the quarantine, as JSON or parsed: bronze values as texts, without nulls.
    """
    values = parse_row(row)
    columns = rule.columns
    if isinstance(rule.check, NotNull) or rule.name == KEY_RULE:
        columns = tuple(name for name in columns if _is_null(table, name, values)) or columns
    masked = {column.name for column in table.masked_columns}
    shown = [MASKED if name in masked else _shown(values.get(name)) for name in columns]
    hidden = bool(shown) and all(name in masked for name in columns)
    return OffendingValue(", ".join(columns), "" if hidden else ", ".join(shown))


def describe_key(table: Table, key: str | Mapping[str, str]) -> str:
    """The key of a rejected row: ``faa=YAK``; of masked columns the pseudonym. Empty for a table without a key.

    Args:
        table: its key.
        key: column ``key`` of the quarantine.
    """
    values = without_masked_values(table, parse_row(key))
    return ", ".join(f"{name}={_shown(values.get(name))}" for name in table.key)


def without_masked_values(table: Table, values: Mapping[str, str]) -> dict[str, str]:
    """The values of a row, of masked columns only a pseudonym: rows may be older than the mask."""
    masked = {column.name for column in table.masked_columns}
    return {
        name: value if name not in masked or _PSEUDONYM.fullmatch(value) else MASKED for name, value in values.items()
    }


def parse_row(row: str | Mapping[str, str]) -> dict[str, str]:
    """A row or key of the quarantine as column -> text; a null is missing."""
    found = json.loads(row or "{}") if isinstance(row, str) else row
    return {str(name): str(value) for name, value in found.items() if value is not None}


def _is_null(table: Table, name: str, values: Mapping[str, str]) -> bool:
    column = next((c for c in table.columns if c.name == name), None)
    if name not in values or column is None:
        return True
    texts = table.null_values if column.null_values is None else column.null_values
    return (values[name].strip() if column.trim else values[name]) in texts


def _shown(value: str | None) -> str:
    if value is None:
        return "null"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
