"""Conditions between the fields of a table file, each with its place in the file and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.column_types import TEXT_TYPES
from midnight.configuration.columns import can_be_masked
from midnight.configuration.cursors import CURSOR_TYPES
from midnight.names import known_names

if TYPE_CHECKING:
    from midnight.configuration.tables import Table

Problem = tuple[Sequence[int | str], str]

_CURSOR_FIELDS = ("cursor", "cursor_lag", "late_commits", "full_snapshot_interval_days")


def mask_problems(table: Table) -> list[Problem]:
    """What is wrong with the masked columns."""
    problems: list[Problem] = [
        (
            ["columns", position, "mask"],
            f"{column.mask!r} is not possible for {column.cast or column.bronze_type or column.type!r}, only for "
            "text, whole numbers, decimals, dates and timestamps; hint: write bronze_type: text, or drop: true",
        )
        for position, column in enumerate(table.columns)
        if column.mask is not None and not can_be_masked(column)
    ]
    decided = "new_columns" in table.model_fields_set or table.on_schema_change == "freeze"
    if table.masked_columns and not decided:
        problems.append(
            (
                ["columns", table.columns.index(table.masked_columns[0]), "mask"],
                "a table with a masked column needs new_columns, since a new column may hold personal data; hint: "
                "add on_schema_change: freeze, new_columns: ignore, or include (which shows its values in silver)",
            )
        )
    return problems


def unrepresentable_problems(table: Table) -> list[Problem]:
    """What is wrong with ``on_unrepresentable``."""
    problems: list[Problem] = []
    for position, column in enumerate(table.columns):
        place: list[int | str] = ["columns", position, "on_unrepresentable"]
        if column.on_unrepresentable == "text" and column.bronze_type not in TEXT_TYPES:
            problems.append(
                (place, f"'text' contradicts bronze_type: {column.bronze_type!r}; hint: remove one of the two lines")
            )
        if column.on_unrepresentable == "null" and column.name in (*table.key, table.cursor):
            used = "the cursor" if column.name == table.cursor else "part of the key"
            problems.append(
                (place, f"'null' is not possible for {column.name!r}, which is {used}; hint: write 'text' or 'fail'")
            )
    return problems


def schema_problems(table: Table) -> list[Problem]:
    """A field that has no effect."""
    if table.on_schema_change == "freeze" and table.new_columns != type(table).model_fields["new_columns"].default:
        message = "is only valid with on_schema_change: evolve, since freeze stops the table at a new column"
        return [(["new_columns"], f"{table.new_columns!r} {message}; hint: remove this line")]
    return []


def cursor_problems(table: Table) -> list[Problem]:
    """What is wrong with the mode and the cursor."""
    if table.mode == "snapshot":
        # Not model_fields_set: a run document names every field.
        given = [name for name in _CURSOR_FIELDS if getattr(table, name) != type(table).model_fields[name].default]
        return [
            ([name], "is only valid with mode: incremental; hint: set that mode, or remove this line") for name in given
        ]
    problems: list[Problem] = []
    if not table.key:
        problems.append(
            (["mode"], "'incremental' needs a key, by which a changed row replaces its old version; hint: add key")
        )
    column = table.cursor_column
    if table.reads_by_transaction:
        fields = type(table).model_fields
        problems += [
            ([name], "has no meaning with cursor: xmin, which misses nothing; hint: remove this line")
            for name in ("cursor_lag", "late_commits")
            if getattr(table, name) != fields[name].default
        ]
    elif table.cursor is None:
        problems.append(
            (
                ["mode"],
                "'incremental' needs a cursor; hint: add cursor with the column that grows on every write, or "
                "cursor: xmin",
            )
        )
    elif column is None:
        names = [column.name for column in table.columns]
        known = known_names(table.cursor, names)
        problems.append((["cursor"], f"{table.cursor!r} is not a column of this table; hint: {known}"))
    elif column.mask is not None:
        problems.append(
            (
                ["cursor"],
                f"{table.cursor!r} is masked, but manifests and queries show cursor values; hint: use another one",
            )
        )
    elif table.cursor_kind is None:
        stored = f" stored as {column.bronze_type!r}" if column.bronze_type else ""
        problems.append(
            (
                ["cursor"],
                f"{table.cursor!r} of type {column.type!r}{stored} is not a valid cursor; hint: use a column of "
                f"type {CURSOR_TYPES} without bronze_type, or mode: snapshot",
            )
        )
    elif table.cursor_kind == "number" and table.late_commits == "horizon":
        problems.append(
            (
                ["late_commits"],
                f"'horizon' needs a cursor with a time or date, but {table.cursor!r} is a number; hint: use visibility",
            )
        )
    return problems


def deletes_problems(table: Table) -> list[Problem]:
    """What is wrong with ``deletes``; ``incremental`` without a key is reported by ``cursor_problems``."""
    if table.deletes == "keys" and table.mode == "snapshot":
        return [
            (
                ["deletes"],
                "'keys' is only valid with mode: incremental, since a snapshot has the keys of all rows; hint: remove "
                "this line, or set mode: incremental",
            )
        ]
    if table.deletes == "soft" and not table.key:
        return [
            (
                ["deletes"],
                "'soft' needs a key, since without one a changed row cannot be told from a deleted one; hint: add key",
            )
        ]
    return []


def expectation_problems(table: Table) -> list[Problem]:
    """A rule for a column that silver does not have."""
    names = [column.name for column in table.silver_columns]
    return [
        (
            ["expectations", "rules", position, "column"],
            f"{rule.column!r} is not a column of silver; hint: {known_names(rule.column, names)}",
        )
        for position, rule in enumerate(table.expectations.rules)
        if rule.column is not None and rule.column not in names
    ]


def table_problems(table: Table) -> list[Problem]:
    """Everything that is wrong between the fields of a table."""
    return [
        *mask_problems(table),
        *cursor_problems(table),
        *deletes_problems(table),
        *unrepresentable_problems(table),
        *schema_problems(table),
        *expectation_problems(table),
    ]
