"""Which changes of a table since its last batch stop it, although its columns can be read."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.manifest import Manifest
from midnight.bronze.schema_changes import SchemaChange
from midnight.bronze.stopped_tables import TableProblem
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.key_guarantee import key_warning


def unsafe_changes(
    table: Table,
    found: CatalogueTable,
    last: Manifest | None,
    changes: Sequence[SchemaChange],
    *,
    accepted: bool,
) -> list[TableProblem]:
    """Every change of a frozen table; otherwise a key that the source guaranteed, and does not any more.

    Args:
        table: the configuration.
        found: the table in the catalogue.
        last: the newest batch before; None if there is none.
        changes: since then.
        accepted: a person has asked for a full reload, which makes the table as it is now the one to compare with.
    """
    if accepted or last is None:
        return []
    file = f"tables/{table_file_name(table.schema_name, table.table)}"
    if table.on_schema_change == "freeze":
        return [
            TableProblem(
                f"{table.qualified_name}: {change.text} since batch {last.batch_id} (on_schema_change: freeze); hint: "
                f"run with full_reload to accept it, or set on_schema_change: evolve in {file}",
                (change.column,) if change.column else (),
            )
            for change in changes
        ]
    keyed = {column.name for column in last.columns if column.key_position is not None}
    if keyed and keyed <= set(table.key) and (warning := key_warning(table, found)):
        message = f"{warning} (in batch {last.batch_id} it was the primary key), or run with full_reload to accept it"
        return [TableProblem(message, table.key)]
    return []
