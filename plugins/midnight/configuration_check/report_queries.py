"""The queries of ``report.yml`` against the views as they will be, which have no rows yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb  # noqa: TID253 - no DAG file imports this module

from midnight.errors import ConfigurationProblem
from midnight.report.definition import FILE_NAME, Chart, Figure, ReportDefinition
from midnight.yaml_documents import Location, YamlDocument

_LINE = re.compile(r"\n\nLINE (\d+): ")


def report_problems(
    folder: Path, connection: duckdb.DuckDBPyConnection, unreadable: frozenset[str]
) -> tuple[int, Sequence[ConfigurationProblem]]:
    """Check the report's definition.

    Args:
        folder: the configuration folder.
        connection: to ``publish_duckdb.empty_database``.
        unreadable: views whose columns are unknown; a query that reads one of them is not checked.

    Returns:
        How many queries there are, and what is wrong: names that do not exist, wrong SQL, missing result columns.
    """
    if not (folder / FILE_NAME).exists():
        return 0, ()
    document = YamlDocument(folder / FILE_NAME, folder)
    definition = document.validate(ReportDefinition)
    if definition is None:
        return 0, document.problems
    problems: list[ConfigurationProblem] = []
    for location, query in _queries(definition):
        problems += _query_problems(document, location, query, connection, unreadable)
    return len(definition.figures) + len(definition.charts), problems


def _queries(definition: ReportDefinition) -> Iterator[tuple[Location, Figure | Chart]]:
    for index, figure in enumerate(definition.figures):
        yield ("figures", index), figure
    for index, chart in enumerate(definition.charts):
        yield ("charts", index), chart


def _query_problems(
    document: YamlDocument,
    location: Location,
    query: Figure | Chart,
    connection: duckdb.DuckDBPyConnection,
    unreadable: frozenset[str],
) -> Iterator[ConfigurationProblem]:
    place = (*location, "sql")
    try:
        statements = connection.extract_statements(query.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            yield document.problem(place, "must be one SELECT; hint: a query over the views reporting.* and gold.*")
            return
        if unreadable & connection.get_table_names(query.sql, qualified=True):
            return
        columns = [row[0] for row in connection.execute(f"DESCRIBE {query.sql}").fetchall()]
    except duckdb.Error as error:
        message, line = _explain(error)
        yield document.problem_in_text(place, line, message)
        return
    if isinstance(query, Figure):
        if len(columns) != 1:
            yield document.problem(place, f"gives {len(columns)} columns ({columns!r}), but a figure is one value")
        return
    for field, name in query.named_columns:
        if name not in columns:
            yield document.problem((*location, field), f"{name!r} is not a column of the query; it gives {columns!r}")


def _explain(error: duckdb.Error) -> tuple[str, int]:
    """DuckDB's words on one line, and the line of the query."""
    text = str(error)
    found = _LINE.search(text)
    return " ".join(text[: found.start() if found else None].split()), int(found[1]) if found else 1
