"""Queries of the Synapse fake over its catalogue, the schema ``sys``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from tests.fakes.tds_tokens import Result, SqlError


def system_query(sql: str, tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]) -> Result:
    """The rows of a query over ``sys``; ``tables``: name -> columns and rows."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA sys")
        for name, (columns, rows) in tables.items():
            if f"sys.{name}" not in sql:
                continue
            declared = ", ".join(f'"{column}" {"INT" if column.endswith("_id") else "VARCHAR"}' for column in columns)
            connection.execute(f'CREATE TABLE sys."{name}" ({declared})')
            if rows:
                marks = ", ".join("?" * len(columns))
                connection.executemany(f'INSERT INTO sys."{name}" VALUES ({marks})', [list(row) for row in rows])
        try:
            answer = connection.execute(sql.replace("N'", "'").replace("[", '"').replace("]", '"'))
        except duckdb.Error as error:
            raise SqlError(208, f"Invalid object name: {str(error).splitlines()[0]}") from error
        return Result([(str(c[0]), str(c[1])) for c in answer.description or []], answer.fetchall())
