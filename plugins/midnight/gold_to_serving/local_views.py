"""The schemas and macros that local views need, and whether DuckDB takes the views, without any data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb  # noqa: TID253 - no DAG file imports this module

from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, duckdb_base_view
from midnight.gold_to_serving.tsql.macros import MACROS
from midnight.sql_text import quote_identifier

_REPORTING_SCHEMA = "reporting"


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schemas of the views, and the macros that they call."""
    for schema in (BASE_SCHEMA, _REPORTING_SCHEMA):
        connection.execute(f"CREATE SCHEMA {quote_identifier(schema)}")
    for macro in MACROS:
        connection.execute(macro)


@dataclass(frozen=True)
class LocalView:
    """A translated view.

    Args:
        name: without its schema.
        duckdb: the statement that creates it.
        constants: its expressions without a column, each with its line.
    """

    name: str
    duckdb: str
    constants: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Refusal:
    """What DuckDB says of a view, and the line where it is."""

    view: str
    line: int
    message: str


def bind_views(
    connection: duckdb.DuckDBPyConnection, base_views: Sequence[BaseView], views: Sequence[LocalView]
) -> Iterator[Refusal]:
    """Create the views over empty base views, and compute their constants.

    Args:
        connection: to a database for which ``prepare`` was called.
        base_views: what they read; one without columns is left out.
        views: each after those that it reads.

    Yields:
        What would fail for every reader.
    """
    for view in base_views:
        if view.columns:
            connection.execute(duckdb_base_view(view, ()))
    for local in views:
        try:
            connection.execute(local.duckdb)  # binds the query
        except duckdb.Error as error:
            hint = "write it in another way, or mark the view with '-- midnight: azure only'"
            yield Refusal(local.name, 1, f"DuckDB refuses the translation: {_first_line(error)}; hint: {hint}")
            continue
        yield from _failing_constants(connection, local)


def _failing_constants(connection: duckdb.DuckDBPyConnection, view: LocalView) -> Iterator[Refusal]:
    """One query for all of them; one for each only when that fails."""
    if not view.constants:
        return
    try:
        connection.execute(f"SELECT {', '.join(sql for sql, _ in view.constants)}")
    except duckdb.Error:
        for sql, line in view.constants:
            try:
                connection.execute(f"SELECT {sql}")
            except duckdb.Error as error:
                hint = "correct the constant, or use TRY_CAST for NULL"
                yield Refusal(
                    view.name, line, f"a constant expression fails for every reader: {_first_line(error)}; hint: {hint}"
                )


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
