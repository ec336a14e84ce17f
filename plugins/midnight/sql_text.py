"""All SQL quoting: names and text literals of PostgreSQL, DuckDB, Spark SQL and T-SQL.

| function | for | rule, and where it is documented |
|---|---|---|
| ``quote_identifier`` | PostgreSQL, DuckDB | ``"a""b"``; PostgreSQL manual 4.1.1, DuckDB "Keywords and Identifiers" |
| ``quote_bracketed`` | T-SQL | ``[a]]b]``; T-SQL reference, "Database Identifiers" and "QUOTENAME" |
| ``quote_backticked`` | Spark SQL, Sail | a backtick is doubled; Spark SQL reference, "Identifiers" |
| ``text_literal`` | DuckDB, T-SQL | ``'it''s'``, a backslash is itself; DuckDB "Literal Types", T-SQL "Constants" |
| ``unicode_literal`` | T-SQL | ``N'it''s'``: without N, what the code page lacks becomes ``?``; "Constants" |
| ``postgres_literal`` | PostgreSQL | ``'it''s'``, a backslash makes it ``E'…'``; PostgreSQL manual 4.1.2.1, 4.1.2.2 |
| ``spark_literal`` | Spark SQL, Sail | a backslash escapes; Spark SQL reference, "Literals" |

``psycopg.sql`` has the same rules for PostgreSQL (a test compares them), but importing it takes 0.4 s, and DAG files
reach this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")


def quote_identifier(name: str) -> str:
    """Quote an identifier of PostgreSQL or DuckDB: ``"order"``.

    Raises:
        ValueError: the name is empty or holds a NUL, which an identifier cannot.
    """
    return f'"{_checked(name).replace(chr(34), chr(34) * 2)}"'


def quote_relation(schema: str, name: str) -> str:
    """Quote a table or view of PostgreSQL or DuckDB with its schema: ``"public"."order"``.

    Raises:
        ValueError: see ``quote_identifier``.
    """
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


def quote_if_needed(name: str) -> str:
    """The identifier as people write it: in double quotes only where its characters need them.

    For messages and the commands in them; keywords are not quoted.

    Raises:
        ValueError: see ``quote_identifier``.
    """
    return name if _PLAIN_IDENTIFIER.fullmatch(name) else quote_identifier(name)


def quote_bracketed(name: str) -> str:
    """Quote an identifier of T-SQL: ``[order]``.

    Raises:
        ValueError: see ``quote_identifier``.
    """
    return f"[{_checked(name).replace(']', ']]')}]"


def quote_backticked(name: str) -> str:
    """Quote an identifier of Spark SQL, or the path in ``delta.`/folder```.

    Raises:
        ValueError: see ``quote_identifier``.
    """
    return f"`{_checked(name).replace('`', '``')}`"


def spark_columns(types: Iterable[tuple[str, str]]) -> str:
    """Columns with their types as Spark's DDL: ```id` bigint, `unit price` decimal(9,2)``.

    Raises:
        ValueError: see ``quote_identifier``.
    """
    return ", ".join(f"{quote_backticked(name)} {kind}" for name, kind in types)


def text_literal(text: str) -> str:
    """A text as a literal of DuckDB, or of T-SQL (``varchar``)."""
    return f"'{_doubled(text)}'"


def unicode_literal(text: str) -> str:
    """A text as a literal of T-SQL of type ``nvarchar``."""
    return f"N'{_doubled(text)}'"


def postgres_literal(text: str) -> str:
    """A text as a literal of PostgreSQL, whatever ``standard_conforming_strings`` is.

    Raises:
        ValueError: the text holds a NUL, which PostgreSQL does not store.
    """
    if "\0" in text:
        raise ValueError(f"{text!r} is not a text of PostgreSQL: it holds a NUL")
    escaped = _doubled(text.replace("\\", "\\\\"))
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def spark_literal(text: str) -> str:
    """A text as a literal of Spark SQL (``spark.sql.parser.escapedStringLiterals`` is off, its default)."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _checked(name: str) -> str:
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is not an SQL identifier")
    return name


def _doubled(text: str) -> str:
    return text.replace("'", "''")
