"""``make query SQL="SELECT …"``: asks the views of the local serving file. Nothing can be changed by it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import duckdb  # noqa: TID253 - the command is about nothing else

from cli.console.output_format import add_format
from cli.console.query_output import write_rows
from cli.instance.local_settings import local_settings
from midnight.errors import MidnightError

# A query must not load code from the network; the views need Parquet alone, which is built in.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class QueryError(MidnightError):
    """The query is wrong, or there is nothing to ask yet."""


def main(arguments: Sequence[str]) -> int:
    """Run one query in DuckDB's SQL and print its rows.

    Args:
        arguments: the query, by default the variable SQL, and ``--format table|json|csv``, by default the variable
            FORMAT, else a table.

    Returns:
        0 when the rows were printed. Errors are raised as ``MidnightError``.
    """
    parser = argparse.ArgumentParser(prog="python -m cli query", description=__doc__)
    parser.add_argument("sql", nargs="?", default=os.environ.get("SQL", ""), help="default: the variable SQL")
    add_format(parser, ("table", "json", "csv"))
    given = parser.parse_args(arguments)
    if not given.sql.strip():
        parser.error('there is no query; hint: make query SQL="SELECT * FROM reporting.…"')
    settings = local_settings("make query", "ask Synapse with its own tools")
    database = settings.serving_database
    if not database.exists():
        raise QueryError(f"{database} does not exist, since nothing was published yet; hint: make up, or make publish")
    try:
        with duckdb.connect(str(database), read_only=True, config=_SETTINGS) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            write_rows(_select(connection, given.sql), given.format, sys.stdout)
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
