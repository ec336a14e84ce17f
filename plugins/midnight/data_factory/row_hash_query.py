"""The SQL of the hash of a row, for the query of a copy (``row_hashes`` compares it)."""

from __future__ import annotations

from collections.abc import Callable

from midnight.column_types import base_name, copy_expression, stored_type
from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.digest_columns import FORMS
from midnight.reconciliation.hashing import Hashing
from midnight.reconciliation.source_forms import DigestColumn, hash_sql, row_hash_sql
from midnight.sql_text import quote_identifier

ROW_HASH = "midnight_row_hash"
_ANY_SERVER = Hashing(seeded=False)


def row_hash_columns(table: Table, sent_as: Callable[[Column], str]) -> tuple[DigestColumn, ...]:
    """The columns of a copy with their canonical forms, without those whose values may become null on the way.

    Texts are hashed as bytes in UTF-8, whatever the encoding of the database is.

    Args:
        table: the configuration.
        sent_as: the expression of the copy for a column.

    Raises:
        TypeNotSupportedError: bronze has no type for a column.
    """
    compared = [column for column in table.columns if column.on_unrepresentable != "null"]
    return tuple(_column(column, sent_as(column)) for column in compared)


def row_hash(table: Table, sent_as: Callable[[Column], str]) -> str:
    """SQL of the hash of a row.

    Args:
        table: the configuration.
        sent_as: the expression of the copy for a column.

    Raises:
        TypeNotSupportedError: bronze has no type for a column.
    """
    columns = row_hash_columns(table, sent_as)
    hashes = [hash_sql(column, f"({column.expression})", "0::bigint", _ANY_SERVER) for column in columns]
    return row_hash_sql(hashes, "0::bigint", _ANY_SERVER)


def _column(column: Column, sent: str) -> DigestColumn:
    stored_as = stored_type(column.type, column.bronze_type)
    value = f"source_row.{quote_identifier(column.source_name)}"
    if stored_as == "text":
        is_padded = base_name(column.type) == "character" and column.bronze_type is None
        text = f"pg_catalog.textin(pg_catalog.bpcharout({sent}))" if is_padded else f"({sent})::pg_catalog.text"
        return DigestColumn(column.name, value, "bytes", f"pg_catalog.convert_to({text}, 'UTF8')", "")
    form, template = FORMS["numeric" if stored_as.startswith("numeric") else stored_as]
    expression = template.format(copy_expression(value, column.type, bronze_type=column.bronze_type))
    span = stored_as.startswith("timestamp")
    if span or stored_as == "date":  # of an infinite one the copy fails with a message when it is sealed
        expression = f"CASE WHEN pg_catalog.isfinite({value}) THEN {expression} END"
    return DigestColumn(column.name, value, form, expression, "", span=span)
