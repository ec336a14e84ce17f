"""Checks the queries of ``report.yml`` against the configured views, without rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from midnight.configuration.yaml_document import Location, YamlDocument
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
    for location, query in _queries(definition):
        problems += _query_problems(document, location, query, views)
    return len(definition.figures) + len(definition.charts), problems


def _queries(definition: ReportDefinition) -> Iterator[tuple[Location, Figure | Chart]]:
    for index, figure in enumerate(definition.figures):
        yield ("figures", index), figure
    for index, chart in enumerate(definition.charts):
        yield ("charts", index), chart


def _query_problems(
    document: YamlDocument, location: Location, query: Figure | Chart, views: _Views
) -> Iterator[ConfigurationProblem]:
    place = (*location, "sql")
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
        columns = [row[0] for row in views.connection.execute(f"DESCRIBE {query.sql}").fetchall()]
    except duckdb.Error as error:
        message, line = _explain(error)
        yield document.problem_in_text(place, line, message)
        return
    if isinstance(query, Figure):
        if len(columns) != 1:
            yield document.problem(place, f"returns {len(columns)} columns ({columns!r}); hint: a figure is one value")
        return
    for field, name in query.named_columns:
        if name not in columns:
            yield document.problem(
                (*location, field), f"{name!r} is not a column of the query; hint: one of {columns!r}"
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
