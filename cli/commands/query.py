"""`midnight query "SELECT …"`: reads the views of the local serving file; nothing can be changed."""

from __future__ import annotations

import os
import sys
from typing import Literal

import duckdb

from cli.console.query_output import write_rows
from cli.instance.local_settings import local_settings
from midnight.errors import MidnightError

# A query must not load code from the network; the views need Parquet alone, which is built in.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class QueryError(MidnightError):
    """The query is wrong, or nothing has been published yet."""


def main(*, sql: str, form: Literal["table", "json", "csv"] = "table") -> int:
    """Run one query in DuckDB's SQL and print its rows.

    Args:
        sql: one SELECT.
        form: of the output.

    Returns:
        0 when the rows were printed. Errors are raised as ``MidnightError``.
    """
    settings = local_settings("make query", "query Synapse with its own tools")
    database = settings.serving_database
    if not database.exists():
        raise QueryError(f"{database} does not exist, since nothing was published yet; hint: make up, or make publish")
    try:
        with duckdb.connect(str(database), read_only=True, config=_SETTINGS) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            write_rows(_select(connection, sql), form, sys.stdout)
    except duckdb.Error as error:
        raise QueryError(str(error).strip()) from error
    except BrokenPipeError:  # `make query … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    statements = connection.extract_statements(sql)
    kinds = {statement.type for statement in statements}
    if len(statements) != 1 or kinds - {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}:
        found = ", ".join(sorted(kind.name for kind in kinds)) or "none"
        raise QueryError(f"SQL must be one SELECT, not {len(statements)} statements ({found})")
    return connection.execute(statements[0])
