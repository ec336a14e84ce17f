"""Base views, generated from gold: one per model, every column named with an explicit type.

Synapse would otherwise infer VARCHAR(8000) for each text. Reporting views read only these; therefore they are plain
T-SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from midnight.column_types import duckdb_type, tsql_type
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_to_serving.tsql.type_names import parse_type
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.silver_to_gold.builds import GoldBuild
from midnight.silver_to_gold.models import GoldModelContract
from midnight.sql_text import quote_bracketed, quote_identifier, quote_relation, text_literal

BASE_SCHEMA = "gold"
DATA_SOURCE = "gold"


@dataclass(frozen=True)
class ViewColumn:
    """A column of a base view: its name, Spark SQL type, and longest text in characters where the contract gives it."""

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
        description: for people.
    """

    name: str
    columns: tuple[ViewColumn, ...]
    description: str = ""


def base_views_of_build(build: GoldBuild) -> tuple[BaseView, ...]:
    """The base views of a recorded build, by name: types and data come from one record and cannot disagree."""
    return tuple(
        BaseView(
            name,
            tuple(ViewColumn(c.name, c.type, c.max_length, c.description) for c in model.columns),
            model.description,
        )
        for name, model in sorted(build.models.items())
    )


def base_views_of_contracts(contracts: Mapping[str, GoldModelContract]) -> tuple[BaseView, ...]:
    """The base views that the next build will have: what reporting views can be checked against without any data."""
    return tuple(
        BaseView(
            name,
            tuple(ViewColumn(c.name, c.type, c.max_length, c.description) for c in contract.columns),
            contract.description,
        )
        for name, contract in sorted(contracts.items())
    )


def load_gold_contracts(folder: Path) -> dict[str, GoldModelContract]:
    """The contracts ``sql/gold/*.yml`` below the configuration folder, by model name.

    Raises:
        ConfigurationError: with all problems of all files.
    """
    problems: list[ConfigurationProblem] = []
    contracts = {}
    for path in sorted((folder / "sql" / "gold").glob("*.yml")):
        document = YamlDocument(path, folder)
        contract = document.validate(GoldModelContract)
        problems += document.problems
        if contract is not None:
            contracts[path.stem] = contract
    if problems:
        raise ConfigurationError(problems)
    return contracts


def tsql_columns(view: BaseView) -> dict[str, SqlType]:
    """The columns of a base view with their T-SQL types."""
    return {column.name: parse_type(tsql_type(column.type, column.max_length)) for column in view.columns}


def synapse_base_view(view: BaseView, path: str) -> str:
    """The T-SQL statement that makes a base view over a Delta table.

    Args:
        view: what it shows.
        path: folder of the Delta table, relative to the external data source.
    """
    names = ",\n    ".join(quote_bracketed(column.name) for column in view.columns)
    return (
        f"CREATE OR ALTER VIEW {quote_bracketed(BASE_SCHEMA)}.{quote_bracketed(view.name)} AS\n"
        f"SELECT\n    {names}\n{synapse_rowset(view, path)}"
    )


def synapse_rowset(view: BaseView, path: str) -> str:
    """The FROM clause over a Delta table with the names and types of a base view.

    Args:
        view: what it shows.
        path: folder of the Delta table, relative to the external data source.
    """
    types = ",\n    ".join(f"{quote_bracketed(c.name)} {tsql_type(c.type, c.max_length)}" for c in view.columns)
    return (
        f"FROM OPENROWSET(\n    BULK {text_literal(path.strip('/') + '/')},\n"
        f"    DATA_SOURCE = {text_literal(DATA_SOURCE)},\n    FORMAT = 'DELTA'\n"
        f") WITH (\n    {types}\n) AS r"
    )


def duckdb_base_view(view: BaseView, files: Sequence[str], partitioned: bool = False) -> str:
    """The DuckDB statement that makes the same view over the active Parquet files of the Delta table.

    Whoever opens the file needs no Delta extension. The files cannot change: a build's folder is never written again.

    Args:
        view: what it shows.
        files: full paths; none gives a view without rows.
        partitioned: partition columns stand in the folder names, not in the files.
    """
    columns = ",\n    ".join(_duckdb_column(column, bool(files)) for column in view.columns)
    head = f"CREATE VIEW {quote_relation(BASE_SCHEMA, view.name)} AS\nSELECT\n    {columns}\n"
    if not files:
        return head + "WHERE false"
    listed = ",\n    ".join(text_literal(_without_glob(path)) for path in files)
    partitions = "hive_partitioning = true, hive_types_autocast = false" if partitioned else "hive_partitioning = false"
    return head + f"FROM read_parquet([\n    {listed}\n], union_by_name = true, {partitions})"


def _duckdb_column(column: ViewColumn, has_files: bool) -> str:
    name, target = quote_identifier(column.name), duckdb_type(column.type)
    value = name if has_files else "NULL"
    if has_files and target == "TIMESTAMP":
        # A plain cast of TIMESTAMP WITH TIME ZONE would depend on the reader's session; Synapse shows UTC.
        value = f"make_timestamp(epoch_us({name}))"
    return f"CAST({value} AS {target}) AS {name}"


def _without_glob(path: str) -> str:
    """read_parquet expands wildcards; a class of one character stands for itself."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)
