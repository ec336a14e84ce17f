"""Warnings about values that bronze cannot hold and that became null."""

from __future__ import annotations

from collections.abc import Iterable

from midnight.bronze.manifest import UnrepresentableValues
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table


def replaced_warnings(table: Table, found: Iterable[UnrepresentableValues]) -> tuple[str, ...]:
    """One warning per column, for the log, the ledger and the report."""
    file = table_file_name(table.schema_name, table.table)
    return tuple(
        f"{one.values:,} value{'s' if one.values > 1 else ''} of column {one.column!r} became null, because bronze "
        f"cannot hold {'them' if one.values > 1 else 'it'} exactly"
        f"{f' (for example {one.example!r})' if one.example else ''}; hint: correct the source, or keep all values "
        f"with on_unrepresentable: text in tables/{file}"
        for one in found
    )
