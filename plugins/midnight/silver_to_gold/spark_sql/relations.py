"""The tables that gold models and checks read, with the configured columns and types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from midnight.column_types import spark_type
from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.errors import TypeNotSupportedError
from midnight.silver_to_gold.models import GoldModelContract
from midnight.silver_to_gold.spark_sql.scopes import Relation
from midnight.silver_to_gold.spark_sql.types import type_name
from midnight.silver_to_gold.sql_references import view_name

# Silver keeps the batch id of each row.
BATCH_COLUMN = ("_midnight_batch_id", "string")
# With ``deletes: soft``: the batch that no longer had the row; null for a row that the source has.
DELETED_COLUMN = ("_midnight_deleted_batch_id", "string")


def silver_relation(table: Table) -> Relation:
    """Return a silver table as gold models see it: masked columns are text."""
    columns = [(column.name, _column_type(column, masked=True)) for column in table.silver_columns]
    deleted = [DELETED_COLUMN] if table.deletes == "soft" else []
    return Relation((*columns, *deleted, BATCH_COLUMN), f"silver.{table.silver}")


def cleaned_relation(table: Table) -> Relation:
    """Return the cleaned rows of a table as its own checks see them, before masking."""
    columns = tuple((column.name, _column_type(column, masked=False)) for column in table.silver_columns)
    return Relation(columns, f"silver.{table.silver}")


def contract_relation(name: str, contract: GoldModelContract) -> Relation:
    """Return a gold model with the columns of its contract."""
    columns = tuple((column.name, type_name(column.type)) for column in contract.columns)
    return Relation(columns, f"gold.{name}")


def views(tables: Iterable[Table], contracts: Mapping[str, GoldModelContract]) -> dict[str, Relation]:
    """Return every relation by its name in the text of a model, in lower case."""
    found = {view_name(f"silver.{table.silver}"): silver_relation(table) for table in tables}
    found |= {view_name(f"gold.{name}"): contract_relation(name, contract) for name, contract in contracts.items()}
    return {name.casefold(): relation for name, relation in found.items()}


def _column_type(column: Column, *, masked: bool) -> str | None:
    if column.mask is not None and masked:
        return "string"
    try:
        return type_name(spark_type(column.cast or column.type, None if column.cast else column.bronze_type))
    except TypeNotSupportedError:
        return None  # reported where the table is loaded
