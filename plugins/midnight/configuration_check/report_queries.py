"""Checks the queries of ``report.yml`` against the configured views, without rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationProblem
from midnight.names import known_names
from midnight.report.definition import FILE_NAME, Chart, Figure, ReportDefinition


@dataclass(frozen=True)
class _Views:
    """The views that queries may read, and those whose columns are unknown."""

    connection: duckdb.DuckDBPyConnection
    readable: frozenset[str]
    unreadable: frozenset[str]
    azure_only: tuple[str, ...]


@dataclass(frozen=True)
class _Query:
    """A query of the report.

    Args:
        location: of its text.
        sql: the text.
        single: what it is, if it returns one value.
        columns: that it must return, as (field, column).
        dates: those of them that must be dates.
    """

    location: tuple[int | str, ...]
    sql: str
    single: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    dates: tuple[tuple[str, str], ...] = ()


_LINE = re.compile(r"\n\nLINE (\d+): ")


def report_problems(
    folder: Path, connection: duckdb.DuckDBPyConnection, unreadable: frozenset[str], azure_only: tuple[str, ...]
) -> tuple[int, Sequence[ConfigurationProblem]]:
    """Check the report's definition.

    Args:
        folder: the configuration folder.
        connection: to ``publish_duckdb.empty_database``, in which the views exist.
        unreadable: views whose columns are unknown; a query that reads one of them is not checked.
        azure_only: views that are published on Synapse only.

    Returns:
        The number of queries, and their problems: unknown names, invalid SQL, missing result columns.
    """
    if not (folder / FILE_NAME).exists():
        return 0, ()
    document = YamlDocument(folder / FILE_NAME, folder)
    definition = document.validate(ReportDefinition)
    if definition is None:
        return 0, document.problems
    problems: list[ConfigurationProblem] = []
    rows = connection.execute("SELECT table_schema || '.' || table_name FROM information_schema.tables").fetchall()
    views = _Views(connection, frozenset(name for (name,) in rows), unreadable, azure_only)
    queries = list(_queries(definition))
    for query in queries:
        problems += _query_problems(document, query, views)
    return len(queries), problems


def _queries(definition: ReportDefinition) -> Iterator[_Query]:
    for index, figure in enumerate(definition.figures):
        yield _Query(("figures", index, "sql"), figure.sql, "a figure", figure.named_columns, _dates(figure))
    for index, chart in enumerate(definition.charts):
        yield _Query(("charts", index, "sql"), chart.sql, "", chart.named_columns, _dates(chart))
    for location, _, sql in definition.texts:
        yield _Query(location, sql, "a text")


def _dates(query: Figure | Chart) -> tuple[tuple[str, str], ...]:
    """The columns that must be dates, as (field, column)."""
    if isinstance(query, Figure):
        return (("day", query.day),) if query.day else ()
    return (("x", query.x),) if query.mean_days else ()


def _query_problems(document: YamlDocument, query: _Query, views: _Views) -> Iterator[ConfigurationProblem]:
    place = query.location
    try:
        statements = views.connection.extract_statements(query.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            yield document.problem(place, "must be one SELECT; hint: a query over the views reporting.* and gold.*")
            return
        references = _references(views.connection, query.sql)
        known = views.readable | views.unreadable
        unknown = {name: line for name, line in references.items() if name.casefold() not in _folded(known)}
        for name, line in unknown.items():
            found = f"does not exist; hint: {known_names(name, known)}"
            if name.casefold() in _folded(views.azure_only):
                found = "is published on Synapse only; hint: the local report reads local views"
            yield document.problem_in_text(place, line, f"reads {name!r}, which {found}")
        if unknown or _folded(views.unreadable) & _folded(references):
            return
        found_types = views.connection.execute(f"DESCRIBE {query.sql}").fetchall()
    except duckdb.Error as error:
        message, line = _explain(error)
        yield document.problem_in_text(place, line, message)
        return
    types = {str(row[0]): str(row[1]) for row in found_types}
    columns = list(types)
    if query.single and not query.columns and len(found_types) != 1:
        yield document.problem(
            place, f"returns {len(columns)} columns ({columns!r}); hint: {query.single} is one value"
        )
    for field, name in query.columns:
        if name not in types:
            yield document.problem(
                (*place[:-1], field), f"{name!r} is not a column of the query; hint: one of {columns!r}"
            )
    for field, name in query.dates:
        if name in types and not types[name].startswith(("DATE", "TIMESTAMP")):
            yield document.problem(
                (*place[:-1], field), f"{name!r} is {types[name]}, not a date; hint: CAST({name} AS DATE)"
            )


def _folded(names: Iterable[str]) -> set[str]:
    """For comparisons: DuckDB ignores case."""
    return {name.casefold() for name in names}


def _references(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, int]:
    """Qualified view names as written (``reporting.x``), with the first line (from 1) of each."""
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    found: dict[str, int] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE" and node["schema_name"]:
                line = sql.encode()[: node["query_location"]].count(b"\n") + 1
                found.setdefault(f"{node['schema_name']}.{node['table_name']}", line)
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            walk(child)

    walk(json.loads(row[0] if row else "{}"))
    return found


def _explain(error: duckdb.Error) -> tuple[str, int]:
    """DuckDB's message on one line, and the line in the query."""
    text = str(error)
    found = _LINE.search(text)
    return " ".join(text[: found.start() if found else None].split()), int(found[1]) if found else 1
