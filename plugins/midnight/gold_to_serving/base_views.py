"""Base views, generated from gold: one per model, each column with an explicit type.

Synapse would otherwise infer VARCHAR(8000) for each text. Reporting views read base views only, and therefore need
nothing but plain T-SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midnight.column_types import duckdb_type, tsql_type
from midnight.gold_to_serving.tsql.type_names import parse_type
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.silver_to_gold.builds import GoldBuild
from midnight.silver_to_gold.models import GoldModelContract
from midnight.sql_text import quote_bracketed, quote_identifier, quote_relation, text_literal

BASE_SCHEMA = "gold"
DATA_SOURCE = "gold"


@dataclass(frozen=True)
class ViewColumn:
    """A column of a base view, with its Spark SQL type and, where the contract sets it, its maximum text length."""

    name: str
    type: str
    max_length: int | None = None
    description: str = ""


@dataclass(frozen=True)
class BaseView:
    """The view ``gold.<name>``.

    Args:
        name: of the model.
        columns: in the model's order.
        description: of the model.
    """

    name: str
    columns: tuple[ViewColumn, ...]
    description: str = ""


def base_views_of_build(build: GoldBuild) -> tuple[BaseView, ...]:
    """Return the base views of a recorded build, sorted by name: types and data come from the same record."""
    return tuple(
        BaseView(
            name,
            tuple(ViewColumn(c.name, c.type, c.max_length, c.description) for c in model.columns),
            model.description,
        )
        for name, model in sorted(build.models.items())
    )


def base_views_of_contracts(contracts: Mapping[str, GoldModelContract]) -> tuple[BaseView, ...]:
    """Return the base views that the next build will have; reporting views are checked against them without data."""
    return tuple(
        BaseView(
            name,
            tuple(ViewColumn(c.name, c.type, c.max_length, c.description) for c in contract.columns),
            contract.description,
        )
        for name, contract in sorted(contracts.items())
    )


def tsql_columns(view: BaseView) -> dict[str, SqlType]:
    """Return the columns of a base view with their T-SQL types."""
    return {column.name: parse_type(tsql_type(column.type, column.max_length)) for column in view.columns}


def synapse_base_view(view: BaseView, path: str) -> str:
    """Return the T-SQL statement that creates a base view over a Delta table.

    Args:
        view: the base view.
        path: folder of the Delta table, relative to the external data source.
    """
    names = ",\n    ".join(quote_bracketed(column.name) for column in view.columns)
    return (
        f"CREATE OR ALTER VIEW {quote_bracketed(BASE_SCHEMA)}.{quote_bracketed(view.name)} AS\n"
        f"SELECT\n    {names}\n{synapse_rowset(view, path)}"
    )


def synapse_rowset(view: BaseView, path: str) -> str:
    """Return the FROM clause over a Delta table, with the names and types of a base view.

    Args:
        view: the base view.
        path: folder of the Delta table, relative to the external data source.
    """
    types = ",\n    ".join(f"{quote_bracketed(c.name)} {tsql_type(c.type, c.max_length)}" for c in view.columns)
    return (
        f"FROM OPENROWSET(\n    BULK {text_literal(path.strip('/') + '/')},\n"
        f"    DATA_SOURCE = {text_literal(DATA_SOURCE)},\n    FORMAT = 'DELTA'\n"
        f") WITH (\n    {types}\n) AS r"
    )


def duckdb_base_view(view: BaseView, files: Sequence[str], partitioned: bool = False) -> str:
    """Return the DuckDB statement that creates the same view over the active Parquet files of the Delta table.

    Readers of the serving file need no Delta extension. The files do not change: a build's folder is written once.

    Args:
        view: the base view.
        files: full paths; without files the view has no rows.
        partitioned: whether the values of partition columns are in the folder names instead of the files.
    """
    columns = ",\n    ".join(duckdb_column(column, has_files=bool(files)) for column in view.columns)
    head = f"CREATE VIEW {quote_relation(BASE_SCHEMA, view.name)} AS\nSELECT\n    {columns}\n"
    if not files:
        return head + "WHERE false"
    listed = ",\n    ".join(text_literal(without_glob(path)) for path in files)
    partitions = "hive_partitioning = true, hive_types_autocast = false" if partitioned else "hive_partitioning = false"
    return head + f"FROM read_parquet([\n    {listed}\n], union_by_name = true, {partitions})"


def duckdb_column(column: ViewColumn, *, has_files: bool) -> str:
    """The expression of a column over Parquet files, or over none."""
    name, target = quote_identifier(column.name), duckdb_type(column.type)
    value = name if has_files else "NULL"
    if has_files and target == "TIMESTAMP":
        # A plain cast of TIMESTAMP WITH TIME ZONE would depend on the reader's session; Synapse returns UTC.
        value = f"make_timestamp(epoch_us({name}))"
    return f"CAST({value} AS {target}) AS {name}"


def without_glob(path: str) -> str:
    """Escape wildcards, which read_parquet expands: a class of one character matches that character only."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)
