"""Queries of the Synapse fake: T-SQL over Delta tables, run by DuckDB through the product's translation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow import dataset

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.macros import MACROS
from midnight.gold_to_serving.tsql.parse_query import parse_query
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.translate import translate_query
from midnight.gold_to_serving.tsql.type_names import parse_type
from midnight.gold_to_serving.tsql.types import SqlType
from tests.fakes.tds_tokens import Result, SqlError

# URL of a folder below an external data source -> the folder on this machine with its files, as they are now.
Locate = Callable[[str], Path]
_NUMBERED = "rowset"
_TOP = re.compile(r"^SELECT TOP \(?(\d+)\)? ")
_HEAD = re.compile(r"OPENROWSET\s*\(", re.IGNORECASE)
_ARGUMENTS = re.compile(
    r"BULK\s+N?'((?:[^']|'')*)'\s*,\s*DATA_SOURCE\s*=\s*N?'([^']*)'\s*,\s*FORMAT\s*=\s*N?'(DELTA|PARQUET)'\s*", re.I
)
_ALL_FILES = re.compile(r"(.*)/\*\.parquet")
_WITH = re.compile(r"\s*WITH\s*\(", re.IGNORECASE)
_COLUMN = re.compile(r"\s*(?:\[([^\]]+)\]|(\w+))\s+(\w+\s*(?:\([^)]*\))?)\s*(?:COLLATE\s+(\w+))?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Rowset:
    """One OPENROWSET.

    Args:
        url: of the Delta table; of Parquet files with a wildcard: ``…/*.parquet``.
        columns: name -> T-SQL type; None without a WITH clause.
        uncollated: text columns without a UTF-8 collation.
    """

    url: str
    columns: Mapping[str, str] | None
    uncollated: tuple[str, ...] = ()
    format: str = "DELTA"


@dataclass(frozen=True)
class View:
    """A valid view.

    Args:
        definition: the statement that created it.
        columns: name -> type.
        duckdb: its query in DuckDB's SQL; reads ``rowset.<name>`` for its rowsets.
        rowsets: name -> OPENROWSET.
        reads: views, as (schema, name).
    """

    definition: str
    columns: Mapping[str, SqlType]
    duckdb: str
    rowsets: Mapping[str, Rowset]
    reads: tuple[tuple[str, str], ...]


Views = Mapping[tuple[str, str], View]


def compile_query(sql: str, views: Views, source_url: Callable[[str], str], locate: Locate) -> View:
    """Resolve a SELECT as the server does when it creates a view.

    Args:
        sql: the SELECT in T-SQL.
        views: the existing views.
        source_url: the location of an external data source.
        locate: finds folders.

    Raises:
        SqlError: a name does not exist, or the text is not valid T-SQL.
    """
    text, rowsets = _without_rowsets(sql, source_url)
    schema: dict[str, Mapping[str, SqlType]] = {}
    for name, rowset in rowsets.items():
        schema[f"{_NUMBERED}.{name}"] = _columns_of(rowset, locate)
    for (owner, name), view in views.items():
        schema[f"{owner}.{name}"] = view.columns
    try:
        query = parse_query(text)
    except RefusedError as error:
        raise SqlError(102, f"Incorrect syntax: {error.problem.message}") from error
    tables = [node for node in s.walk(query) if isinstance(node, q.Table) and len(node.parts) == 2]
    reads = sorted({(table.parts[0], table.parts[1]) for table in tables})
    for owner, name in reads:
        if f"{owner}.{name}" not in schema:
            raise SqlError(208, f"Invalid object name '{owner}.{name}'.")
    translation = translate_query(_as_view_query(text, schema), schema)
    if translation.duckdb is None:
        raise SqlError(207, f"Invalid column name: {'; '.join(problem.message for problem in translation.problems)}")
    columns = {column.name: column.type for column in translation.columns}
    translated = translation.duckdb
    return View(sql, columns, translated, rowsets, tuple(pair for pair in reads if pair[0] != _NUMBERED))


def _as_view_query(sql: str, schema: Mapping[str, Mapping[str, object]]) -> str:
    """Rewrite what readers' queries may do and views may not: ORDER BY, ``*``, and TOP without an order (probes)."""
    sql = _TOP.sub("SELECT ", sql)
    everything = re.match(r"SELECT \* FROM (\w+\.\w+)", sql)
    if everything:
        sql = sql.replace("*", ", ".join(f"[{column}]" for column in schema[everything.group(1)]), 1)
    sorts = re.search(r"ORDER BY [^()]*$", sql) and " OFFSET " not in sql
    return f"{sql} OFFSET 0 ROWS" if sorts else sql


def run_query(query: View, views: Views, locate: Locate) -> Result:
    """The rows of a resolved query.

    Raises:
        SqlError: a table cannot be read, or a value does not fit.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for macro in MACROS:
            connection.execute(macro)
        created: set[tuple[str, str]] = set()
        for pair in _in_order(query.reads, views):
            if pair not in created:
                _create(connection, pair, views[pair], locate)
                created.add(pair)
        sql = _with_rowsets(connection, query, "query", locate)
        if first := _TOP.match(query.definition):
            sql = f"SELECT * FROM ({sql}) LIMIT {first[1]}"
        try:
            answer = connection.execute(sql)
            columns = [(str(column[0]), str(column[1])) for column in answer.description or []]
            return Result(columns, answer.fetchall())
        except duckdb.Error as error:
            raise SqlError(245, f"Conversion failed: {str(error).splitlines()[0]}") from error


def bytes_read(query: View, views: Views, locate: Locate) -> int:
    """Size of the files of all Delta tables and folders that a query reads, through its views."""
    found = {rowset.url: rowset for rowset in query.rowsets.values()}
    for pair in _in_order(query.reads, views):
        found |= {rowset.url: rowset for rowset in views[pair].rowsets.values()}
    total = 0
    for rowset in found.values():
        if rowset.format == "PARQUET":
            total += sum(file.stat().st_size for file in _parquet_files(rowset, locate))
            continue
        actions = _delta_table(rowset, locate).get_add_actions(flatten=True)
        total += sum(actions.column("size_bytes").to_pylist())
    return total


def _without_rowsets(sql: str, source_url: Callable[[str], str]) -> tuple[str, dict[str, Rowset]]:
    rowsets: dict[str, Rowset] = {}
    while found := _HEAD.search(sql):
        end = _closing(sql, found.end())
        arguments = _ARGUMENTS.fullmatch(sql[found.end() : end].strip())
        if not arguments:
            raise SqlError(
                102,
                "Incorrect syntax near 'OPENROWSET': only BULK, DATA_SOURCE and FORMAT 'DELTA' or 'PARQUET' are known.",
            )
        bulk, source = arguments[1].replace("''", "'"), arguments[2]
        columns: Mapping[str, str] | None = None
        uncollated: tuple[str, ...] = ()
        rest = end + 1
        if declared := _WITH.match(sql, rest):
            rest = _closing(sql, declared.end())
            columns, uncollated = _declared(sql[declared.end() : rest])
            rest += 1
        name = f"r{len(rowsets) + 1}"
        url = f"{source_url(source).rstrip('/')}/{bulk.strip('/')}"
        rowsets[name] = Rowset(url, columns, uncollated, arguments[3].upper())
        sql = f"{sql[: found.start()]}[{_NUMBERED}].[{name}]{sql[rest:]}"
    return sql, rowsets


def _closing(sql: str, start: int) -> int:
    """The position of the parenthesis that closes the one open at ``start``."""
    depth, quoted = 1, False
    for position in range(start, len(sql)):
        character = sql[position]
        quoted ^= character == "'"
        if not quoted:
            depth += (character == "(") - (character == ")")
            if depth == 0:
                return position
    raise SqlError(102, "Incorrect syntax near '('.")


def _declared(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    columns, uncollated = {}, []
    for item in re.split(r",(?![^()]*\))", text):
        found = _COLUMN.match(item)
        if not found:
            raise SqlError(102, f"Incorrect syntax near '{item.strip()}'.")
        name = found[1] or found[2]
        columns[name] = found[3].strip()
        if "CHAR" in found[3].upper() and not (found[4] or "").upper().endswith("_UTF8"):
            uncollated.append(name)
    return columns, tuple(uncollated)


def _columns_of(rowset: Rowset, locate: Locate) -> dict[str, SqlType]:
    if rowset.columns is not None:
        return {name: parse_type(type_) for name, type_ in rowset.columns.items()}
    return {name: parse_type("VARCHAR(8000)") for name in _open(rowset, locate).schema.names}


def _open(rowset: Rowset, locate: Locate) -> Any:
    if rowset.format == "PARQUET":
        return dataset.dataset([str(file) for file in _parquet_files(rowset, locate)], format="parquet")
    table = _delta_table(rowset, locate)
    reader = table.protocol().min_reader_version
    if reader != 1:
        raise SqlError(15821, f"Delta table '{rowset.url}' requires reader version {reader}; version 1 is supported.")
    return table.to_pyarrow_dataset()


def _delta_table(rowset: Rowset, locate: Locate) -> DeltaTable:
    try:
        return DeltaTable(locate(rowset.url))
    except (DeltaError, OSError) as error:
        raise SqlError(
            13807, f"Content of directory on path '{rowset.url}' cannot be listed: {str(error).splitlines()[0]}"
        ) from error


def _parquet_files(rowset: Rowset, locate: Locate) -> list[Path]:
    """The Parquet files of one folder. Source: "Query folders and multiple files": a wildcard in the last part.

    A folder without a matching file is an error.
    """
    pattern = _ALL_FILES.fullmatch(rowset.url)
    files = [] if pattern is None else sorted(locate(pattern[1]).glob("[!_]*.parquet"))
    if not files:
        raise SqlError(13807, f"Content of directory on path '{rowset.url}' cannot be listed.")
    return files


def _in_order(pairs: Iterable[tuple[str, str]], views: Views) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        if pair not in views:  # dropped after the view that reads it was created
            raise SqlError(208, f"Invalid object name '{pair[0]}.{pair[1]}'.")
        yield from _in_order(views[pair].reads, views)
        yield pair


def _create(connection: duckdb.DuckDBPyConnection, pair: tuple[str, str], view: View, locate: Locate) -> None:
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{pair[0]}"')
    sql = _with_rowsets(connection, view, f"{pair[0]}_{pair[1]}", locate)
    try:
        connection.execute(f'CREATE VIEW "{pair[0]}"."{pair[1]}" AS {sql}')
    except duckdb.Error as error:
        raise SqlError(4413, f"Could not use view '{pair[0]}.{pair[1]}': {str(error).splitlines()[0]}") from error


def _with_rowsets(connection: duckdb.DuckDBPyConnection, view: View, prefix: str, locate: Locate) -> str:
    """The view's SQL, its rowsets as views over the Delta tables with the declared types."""
    sql = view.duckdb
    for name, rowset in view.rowsets.items():
        raw, typed = f"{prefix}_{name}_files", f"{prefix}_{name}"
        rows = _open(rowset, locate)
        connection.register(raw, rows)
        missing = sorted(set(rowset.columns or {}) - set(rows.schema.names))
        if missing:
            raise SqlError(13812, f"Column '{missing[0]}' of '{rowset.url}' does not exist in the table.")
        columns = ", ".join(
            f'CAST("{column}" AS {declared.duckdb}) AS "{column}"'
            for column, declared in _columns_of(rowset, locate).items()
        )
        connection.execute(f'CREATE VIEW "{typed}" AS SELECT {columns} FROM "{raw}"')
        sql = sql.replace(f'"{_NUMBERED}"."{name}"', f'"{typed}"')
    return sql
