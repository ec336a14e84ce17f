"""Translates a T-SQL view to DuckDB, or refuses it with all of its problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql.parse_query import parse_query
from midnight.gold_to_serving.tsql.problems import Problem, RefusedError
from midnight.gold_to_serving.tsql.queries import Queries
from midnight.gold_to_serving.tsql.scope import Column
from midnight.gold_to_serving.tsql.type_names import parse_type
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.sql_text import quote_identifier

Schema = Mapping[str, Mapping[str, str | SqlType]]


@dataclass(frozen=True)
class Translation:
    """The outcome of a translation.

    Args:
        duckdb: the statement for DuckDB; None when there are problems.
        columns: of the view, in order.
        problems: all reasons to refuse it.
        constants: DuckDB's SQL and line of the constant expressions, which must not fail.
    """

    duckdb: str | None
    columns: tuple[Column, ...]
    problems: tuple[Problem, ...]
    constants: tuple[tuple[str, int], ...] = ()


def translate_view(view: q.View, schema: Schema) -> Translation:
    """Translate the statement ``CREATE OR ALTER VIEW … AS SELECT …``.

    Args:
        view: the parsed statement.
        schema: ``gold.x`` and ``reporting.y`` with the T-SQL types of their columns, in order.
    """
    head = f"CREATE VIEW {'.'.join(quote_identifier(part) for part in view.parts)} AS\n"
    return _translated(view.query, schema, head)


def translate_query(sql: str, schema: Schema) -> Translation:
    """Translate the text of a SELECT; see ``translate_view``."""
    try:
        query = parse_query(sql)
    except RefusedError as error:
        return Translation(None, (), (error.problem,))
    return _translated(query, schema, "")


def _translated(query: q.Query, schema: Schema, head: str) -> Translation:
    known = {
        view: {name: type_ if isinstance(type_, SqlType) else parse_type(type_) for name, type_ in columns.items()}
        for view, columns in schema.items()
    }
    translator = Queries(known)
    result = translator.view(query)
    problems = tuple(sorted(translator.problems, key=lambda problem: problem.line))
    if result is None or problems:
        return Translation(None, result[1] if result else (), problems)
    return Translation(head + result[0], result[1], (), tuple(translator.constants.items()))
