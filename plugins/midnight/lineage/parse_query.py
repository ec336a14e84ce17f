"""Parses a query, or says why it cannot be followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.errors import first_line

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

TOO_DEEP = "its SQL is nested too deeply"


class UnknownQueryError(Exception):
    """A query that cannot be followed; the text says why."""


def parse_query(sql: str, dialect: str) -> exp.Query:
    """The query of a text, or of ``CREATE VIEW … AS`` it.

    Args:
        sql: the text.
        dialect: of sqlglot.

    Raises:
        UnknownQueryError: it cannot be parsed, or is not a query.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        parsed = sqlglot.parse_one(sql, read=dialect)
    except SqlglotError as error:
        raise UnknownQueryError(f"its SQL cannot be parsed: {_reason(error)}") from error
    except RecursionError as error:
        raise UnknownQueryError(TOO_DEEP) from error
    query = parsed.expression if isinstance(parsed, exp.Create) else parsed
    if not isinstance(query, exp.Query):
        raise UnknownQueryError("its SQL is not a query")
    return query


def _reason(error: SqlglotError) -> str:
    """sqlglot's description without the excerpt that it underlines."""
    from sqlglot.errors import ParseError

    if isinstance(error, ParseError) and error.errors:
        detail = error.errors[0]
        return f"{detail['description'].partition('<')[0].strip(' .')} near {detail['highlight']!r}"
    return first_line(error)
