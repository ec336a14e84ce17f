"""Views in a DuckDB database: the schemas and macros that they need, and whether DuckDB takes them, without any data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb  # noqa: TID253 - no DAG file imports this module

from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, duckdb_base_view
from midnight.gold_to_serving.tsql.macros import MACROS
from midnight.names import quote_identifier

_REPORTING_SCHEMA = "reporting"


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schemas of the views, and the macros that they call."""
    for schema in (BASE_SCHEMA, _REPORTING_SCHEMA):
        connection.execute(f"CREATE SCHEMA {quote_identifier(schema)}")
    for macro in MACROS:
        connection.execute(macro)


def bind_views(
    connection: duckdb.DuckDBPyConnection, base_views: Sequence[BaseView], views: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Create the views over empty base views, and plan a query of each.

    Args:
        connection: to a database for which ``prepare`` was called.
        base_views: what they read; one without columns is left out.
        views: name and statement, each after those that it reads.

    Yields:
        The name and DuckDB's message of each view that DuckDB refuses.
    """
    for view in base_views:
        if view.columns:
            connection.execute(duckdb_base_view(view, ()))
    for name, statement in views:
        try:
            connection.execute(statement)
            connection.execute(f"EXPLAIN SELECT * FROM {quote_identifier(_REPORTING_SCHEMA)}.{quote_identifier(name)}")
        except duckdb.Error as error:
            yield name, str(error).partition("\n")[0]
