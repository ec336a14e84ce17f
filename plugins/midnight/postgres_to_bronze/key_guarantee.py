"""Whether the source itself keeps the configured key of a table unique."""

from __future__ import annotations

from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueTable


def key_warning(table: Table, found: CatalogueTable) -> str:
    """The warning that the source does not guarantee the key; empty when it does, or there is none.

    A valid unique index over the key's columns, or some of them, guarantees it when it has neither a condition nor
    expressions and its columns are NOT NULL. Views and foreign tables cannot have one: for those, silver reports the
    rows that share a key.

    Args:
        table: the configuration.
        found: the table in the catalogue.
    """
    sources = {column.name: column.source_name for column in table.columns}
    columns = {sources.get(name, name) for name in table.key}
    if not table.key or not table.key_is_unique or found.kind not in ("table", "partitioned table"):
        return ""
    if any(set(key) <= columns for key in found.guaranteed_keys):
        return ""
    why = "it has no such primary key or unique index without nulls"
    if found.has_heirs:
        why = "rows of inheriting tables are not bound by its own"
    names = {column.source_name: column.name for column in table.columns}
    other = next((key for key in found.guaranteed_keys if set(key) <= set(names)), ())
    hint = f"use key: [{', '.join(names[name] for name in other)}]" if other else "use another key"
    file = table_file_name(table.schema_name, table.table)
    return (
        f"the source does not guarantee the key {list(table.key)!r} of {table.qualified_name}: {why}; silver "
        f"keeps one of the rows that share it; hint: {hint} in tables/{file}, add a unique constraint to the source, "
        "or set key_is_unique: false if order_by decides which row stays"
    )
