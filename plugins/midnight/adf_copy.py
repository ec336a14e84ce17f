"""What Data Factory is told to copy: the parameters of the pipeline that copies a load group.

The pipeline has the parameters ``request_id`` (names the attempt), ``batch_id`` and ``tables``; for each element of
``tables`` it runs ``query`` and writes Parquet into ``folder`` of the container bronze. Names and types are put into
the query here, from the checked configuration; the pipeline's expressions put nothing together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from midnight.column_types import copy_expression, stored_type
from midnight.lake_paths import LakePaths
from midnight.names import quote_identifier
from midnight.tables import Column, Table


def copy_parameters(paths: LakePaths, source: str, tables: Sequence[Table], batch_id: str) -> dict[str, Any]:
    """Parameters of a pipeline run, but ``request_id``.

    Args:
        paths: the layers' roots.
        source: name of the source in bronze.
        tables: to copy.
        batch_id: of the run.

    Raises:
        TypeNotSupportedError: a column's type has no place in bronze.
    """
    return {
        "batch_id": batch_id,
        "tables": [
            {
                "schema": table.schema_name,
                "table": table.table,
                "query": copy_query(table),
                "folder": paths.batch(source, table.schema_name, table.table, batch_id).removeprefix(
                    f"{paths.bronze}/"
                ),
            }
            for table in tables
        ],
    }


def copy_query(table: Table) -> str:
    """The SELECT whose result survives Data Factory: each column under its name in bronze.

    Raises:
        TypeNotSupportedError: a column's type has no place in bronze.
    """
    columns = ", ".join(f"{_expression(column)} AS {quote_identifier(column.name)}" for column in table.columns)
    return f"SELECT {columns} FROM {quote_identifier(table.schema_name)}.{quote_identifier(table.table)}"


def _expression(column: Column) -> str:
    """Data Factory has 28 digits and no offset: what it would change travels as text or in UTC, until it is sealed.

    Source: "Copy data from PostgreSQL" and "Data type mapping", PostgreSqlV2 connector.
    """
    expression = copy_expression(quote_identifier(column.source_name), column.type, store=column.store)
    stored = stored_type(column.type, column.store)
    if stored == "text" or stored.startswith("numeric"):
        return f"({expression})::text"
    if stored == "timestamp with time zone":
        return f"(({expression}) AT TIME ZONE 'UTC')"
    return f"({expression})::{stored}"
