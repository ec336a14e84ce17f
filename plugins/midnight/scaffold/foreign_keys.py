"""Which foreign keys of the source become checks: those that silver compares like PostgreSQL.

PostgreSQL treats some texts as equal that differ in silver (citext, a collation that ignores case, trailing blanks of a
``character(n)``), and does not enforce every constraint for every row. A check of such a key would fail for rows that
the source accepts, and ``on_failure: quarantine`` would keep them out of silver. Such a key therefore gets a comment
with the reason instead of a check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midnight.column_types import MAXIMUM_PRECISION, TEXT_TYPES, base_name, spark_type, stored_type
from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.errors import TypeNotSupportedError
from midnight.names import qualified_name
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, ForeignKeyConstraint
from midnight.scaffold.source_survey import SourceTable

_INTEGERS = {"smallint": 5, "integer": 10, "bigint": 19}  # digits
_TEXTS = ("text", "character varying", "name")
# Values of these types are equal if and only if their texts are, with the settings of our sessions.
_SAME_TEXT = (
    *("uuid", "boolean", "bytea", "date", "timestamp without time zone", "timestamp with time zone"),
    *("time without time zone", "time with time zone", "inet", "cidr", "macaddr", "macaddr8", "bit", "bit varying"),
    *("money", "oid", "pg_lsn", '"char"'),
)


@dataclass(frozen=True)
class ReferencedTable:
    """A table on either side of a foreign key.

    Args:
        table: its configuration; of a new table without its checks.
        source: the table in the catalogue; None if it can no longer be loaded.
    """

    table: Table
    source: SourceTable | None

    def column(self, name: str) -> Column | None:
        """The configuration of a column, by its name in the source."""
        return _column(self.table, name)


def foreign_key_check(
    foreign: ForeignKeyConstraint, own: ReferencedTable, targets: Mapping[tuple[str, str], ReferencedTable]
) -> dict[str, Any] | str:
    """The check of a foreign key, or the reason why it gets none.

    Args:
        foreign: of the source.
        own: the referencing table.
        targets: every configured table by (schema, name).
    """
    target = targets.get((foreign.referenced_schema, foreign.referenced_table))
    reason = _why_none(foreign, own, target)
    if reason or target is None:
        return reason
    return {
        "rule": "foreign_key",
        "name": foreign.name,
        "columns": [column.name for name in foreign.columns if (column := own.column(name))],
        "table": target.table.silver,
        "references": [column.name for name in foreign.referenced_columns if (column := target.column(name))],
        "on_failure": "warn",
    }


def unwritten_check(foreign: ForeignKeyConstraint, reason: str) -> str:
    """The comment in the file instead of a check."""
    place = qualified_name(foreign.referenced_schema, foreign.referenced_table)
    return f"No check for the foreign key {foreign.name} ({', '.join(foreign.columns)} references {place}): {reason}."


def _why_none(foreign: ForeignKeyConstraint, own: ReferencedTable, target: ReferencedTable | None) -> str:
    if target is None or target.source is None:
        return "the referenced table is not loaded"
    dropping = [column.name for column in target.table.columns if column.nulls == "drop_row"]
    reasons = [
        (bool(foreign.not_enforced), f"it is {foreign.not_enforced}, so the source may have rows that violate it"),
        (foreign.period, "PERIOD requires that a period is covered, which is not an equality"),
        (
            own.source is not None and own.source.catalogue.has_heirs,
            "it does not apply to the rows of inheriting tables, which are loaded with this table",
        ),
        (
            target.table.group != own.table.group,
            f"the referenced table is read in group {target.table.group!r}, in another snapshot",
        ),
        (
            bool(dropping),
            f"silver drops rows of the referenced table (nulls: drop_row on {', '.join(dropping)})",
        ),
    ]
    operators = foreign.equality or ("",) * len(foreign.columns)
    return next((reason for applies, reason in reasons if applies), "") or next(
        (
            reason
            for name, reference, operator in zip(foreign.columns, foreign.referenced_columns, operators, strict=True)
            if (reason := _why_columns_differ(own, name, target, reference, operator))
        ),
        "",
    )


def _why_columns_differ(own: ReferencedTable, name: str, target: ReferencedTable, reference: str, operator: str) -> str:
    """Why values may differ in silver that PostgreSQL's operator treats as equal; empty if they never do."""
    sides = []
    for referenced, column_name in ((own, name), (target, reference)):
        found = referenced.source.catalogue.column(column_name) if referenced.source is not None else None
        column = referenced.column(column_name)
        if found is None or column is None:
            return f"column {column_name} is not loaded"
        changed = _what_silver_changes(column, referenced.table, found)
        if changed:
            return f"silver changes {column_name} ({changed})"
        sides.append((column, found))
    (own_column, own_found), (other_column, other_found) = sides
    folding = [found.name for _, found in sides if not found.deterministic]
    masked = [column.mask is not None for column, _ in sides]
    reasons = [
        (bool(folding), f"the collation of {' and '.join(folding)} treats different texts as equal, silver does not"),
        ("." in operator, f"PostgreSQL compares {own_found.type} by {operator}, silver compares the exact values"),
        (masked[0] != masked[1], "one of the columns is masked, the other is not"),
        (
            any(masked) and own_found.type != other_found.type,
            "the columns are masked and of different types, so equal values may have different pseudonyms",
        ),
    ]
    return next((reason for applies, reason in reasons if applies), "") or _why_types_differ(
        own_found, own_column, other_found, other_column, operator
    )


def _what_silver_changes(column: Column, table: Table, found: CatalogueColumn) -> str:
    """The settings of a column that change which of its values are equal."""
    is_text = _stored(column, found) == "text"
    settings = {
        "cast": column.cast is not None,
        "drop": column.drop,
        "nulls": column.nulls != "keep",
        "null_values": is_text and bool(table.null_values if column.null_values is None else column.null_values),
        "trim": base_name(found.type) in TEXT_TYPES and column.trim,
    }
    return ", ".join(name for name, is_set in settings.items() if is_set)


def _why_types_differ(
    own: CatalogueColumn, own_column: Column, other: CatalogueColumn, other_column: Column, operator: str
) -> str:
    names = {base_name(own.type), base_name(other.type)}
    if "numeric" in names and names <= {"numeric", *_INTEGERS}:
        return _why_numbers_differ(_stored(own_column, own), _stored(other_column, other))
    if names == {"character"} or (names <= {"character", *_TEXTS} and operator != "bpchareq"):
        return ""  # a character(n) has no padding in silver, nor when PostgreSQL compares it as text
    if names <= {"character", *_TEXTS}:
        return "PostgreSQL ignores trailing blanks of character(n), silver keeps those of the other type"
    is_same_enum = own.category == other.category == "E" and own.type == other.type
    if names <= set(_INTEGERS) or is_same_enum or (len(names) == 1 and names <= set(_SAME_TEXT)):
        return ""
    shown = own.type if own.type == other.type else f"{own.type} and {other.type}"
    return f"PostgreSQL may treat values of {shown} as equal that differ in silver"


def _why_numbers_differ(*stored: str) -> str:
    """Why two number types cannot be compared exactly; empty if a decimal of 38 digits holds the values of both."""
    if "text" in stored:
        return "a number is kept as text, where 1.0 and 1.00 differ"
    sizes = []
    for kind in stored:
        if kind in _INTEGERS:
            sizes.append((_INTEGERS[kind], 0))
            continue
        precision, scale = (int(part) for part in kind.removeprefix("numeric(").rstrip(")").split(","))
        sizes.append((precision - scale, scale))
    digits = max(whole for whole, _ in sizes) + max(scale for _, scale in sizes)
    if digits > MAXIMUM_PRECISION and len(set(stored)) > 1:
        return f"{' and '.join(stored)} have no common type of {MAXIMUM_PRECISION} digits"
    return ""


def _column(table: Table, source_name: str) -> Column | None:
    return next((column for column in table.columns if column.source_name == source_name), None)


def _stored(column: Column, found: CatalogueColumn) -> str:
    try:
        stored = stored_type(found.type, column.bronze_type)
    except TypeNotSupportedError:
        return "text"
    return stored if spark_type(stored) != "STRING" else "text"
