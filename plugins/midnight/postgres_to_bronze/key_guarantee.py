"""Whether the key of a table identifies its rows in silver as it does in the source."""

from __future__ import annotations

from midnight.column_types import base_name
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable


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


def spelling_warning(table: Table, found: CatalogueTable) -> str:
    """The warning that a key may get another spelling in the source and be the same key there; else empty.

    PostgreSQL treats texts of such a column as equal that differ in silver. The source has one row under whatever
    spelling was written last; an increment brings the new spelling, and only a list of keys or a full snapshot shows
    that the old one is gone.

    Args:
        table: the configuration.
        found: the table in the catalogue.
    """
    if table.mode != "incremental" or table.deletes != "snapshot":
        return ""
    sources = {column.source_name for column in table.columns if column.name in table.key}
    folding = [column.name for column in found.columns if column.name in sources and folds_texts(column)]
    if not folding:
        return ""
    file = table_file_name(table.schema_name, table.table)
    return (
        f"PostgreSQL treats different texts of {', '.join(folding)} in the key of {table.qualified_name} as equal, "
        "silver does not: after a change of the spelling silver has both until the next full snapshot; hint: "
        f"deletes: keys in tables/{file}"
    )


def folds_texts(column: CatalogueColumn) -> bool:
    """Whether PostgreSQL treats different texts of a column as equal: citext, or a collation that says so."""
    return not column.deterministic or base_name(column.type).rpartition(".")[2] == "citext"
