"""Checks the source query of a reconciliation rule, as far as that is possible without the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midnight.errors import first_line


@dataclass(frozen=True)
class SourceStatement:
    """A query as parsed.

    Args:
        tables: schema and name of the tables that it reads, each once.
        columns: names that it returns; empty if they cannot be told (``SELECT *``).
        problems: messages.
    """

    tables: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_statement(sql: str, returns: Sequence[str]) -> SourceStatement:
    """Parse a query for PostgreSQL.

    Args:
        sql: one SELECT, with or without CTEs and set operations.
        returns: names of the columns that it must return.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        statements = [part for part in sqlglot.parse(sql, read="postgres") if part is not None]
    except SqlglotError as error:
        return SourceStatement(problems=(f"is not valid SQL of PostgreSQL: {first_line(error)}",))
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return SourceStatement(problems=(f"{first_line(ValueError(sql), 80)!r} is not a single SELECT",))
    query = statements[0]
    problems = [
        f"{type(node).__name__.upper()} is not allowed: a rule only reads"
        for node in query.find_all(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Command)
    ]
    known = {cte.alias.casefold() for cte in query.find_all(exp.CTE)}
    tables: list[tuple[str, str]] = []
    unqualified: list[tuple[str, str]] = []
    for table in query.find_all(exp.Table):
        if not table.name or isinstance(table.this, exp.Func) or (not table.db and table.name.casefold() in known):
            continue
        (tables if table.db else unqualified).append((table.db, table.name))
    if unqualified:
        names = sorted({name for _, name in unqualified})
        problems.append(
            f"{names!r} have no schema, but what a name means depends on the role; hint: write schema.table"
        )
    elif not tables:
        problems.append("reads no table; hint: select from schema.table")
    columns = tuple(query.named_selects)
    missing = [name for name in returns if name.casefold() not in {column.casefold() for column in columns}]
    if missing and "*" not in columns:
        problems.append(f"does not return {missing!r}, which group_by and figures name; hint: add an alias")
    return SourceStatement(tuple(dict.fromkeys(tables)), columns, tuple(problems))
