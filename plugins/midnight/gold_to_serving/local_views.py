"""Views in DuckDB: the schemas and macros that they need, and the check, without data, that DuckDB can bind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.errors import first_line
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, duckdb_base_view
from midnight.gold_to_serving.tsql.macros import MACROS
from midnight.sql_text import quote_identifier

if TYPE_CHECKING:
    import duckdb

_REPORTING_SCHEMA = "reporting"


def prepare_database(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schemas of the views and the macros that they call."""
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
        constants: its constant expressions, each with its line.
    """

    name: str
    duckdb: str
    constants: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class BindingProblem:
    """An error that DuckDB reports for a view, with the line in the view's file."""

    view: str
    line: int
    message: str


def bind_views(
    connection: duckdb.DuckDBPyConnection, base_views: Sequence[BaseView], views: Sequence[LocalView]
) -> Iterator[BindingProblem]:
    """Create the views over empty base views, and compute their constant expressions.

    Args:
        connection: to a database that ``prepare_database`` has prepared.
        base_views: that the views read; one without columns is left out.
        views: each after those that it reads.

    Yields:
        What would fail for every reader.
    """
    import duckdb

    for view in base_views:
        if view.columns:
            connection.execute(duckdb_base_view(view, ()))
    for local in views:
        try:
            connection.execute(local.duckdb)  # binds the query
        except duckdb.Error as error:
            hint = "rewrite it, or mark the view with '-- midnight: azure only'"
            yield BindingProblem(local.name, 1, f"DuckDB rejects the translation: {first_line(error)}; hint: {hint}")
            continue
        yield from _failing_constants(connection, local)


def _failing_constants(connection: duckdb.DuckDBPyConnection, view: LocalView) -> Iterator[BindingProblem]:
    """Compute all constants in one query, and each one separately only when that fails."""
    import duckdb

    if not view.constants:
        return
    try:
        connection.execute(f"SELECT {', '.join(sql for sql, _ in view.constants)}")
    except duckdb.Error:
        for sql, line in view.constants:
            try:
                connection.execute(f"SELECT {sql}")
            except duckdb.Error as error:
                hint = "correct the constant, or use TRY_CAST to get NULL"
                yield BindingProblem(
                    view.name, line, f"a constant expression fails for every reader: {first_line(error)}; hint: {hint}"
                )
