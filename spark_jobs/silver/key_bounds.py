"""The smallest and the largest key of an increment, and of its rows that change: the rest of silver is not read.

Delta skips files by comparing their statistics with constants. It does not find out that the rows of a join lie in a
range; of Databricks' engines only some do. Neither pair of bounds needs a query of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from midnight.bronze.manifest import Manifest
from midnight.configuration.columns import Fill
from midnight.configuration.tables import Table
from midnight.lake.paths import LakePaths, is_local
from midnight.sql_text import spark_literal
from spark_jobs.transforms.changes import ACTION, DELETE, MARK, UPDATE

if TYPE_CHECKING:
    from pyspark.sql import Column

    from spark_jobs.transforms.columns import PlannedColumn

# Column -> its smallest and largest value, as literals of exactly its type: a cast of the column would skip no file.
KeyBounds = Mapping[str, tuple[str, str]]

_NUMBERS = {"SMALLINT": "S", "INT": "", "BIGINT": "L"}
_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def bounded_columns(table: Table, columns: Sequence[PlannedColumn]) -> dict[str, str]:
    """Column -> type, of the key's columns that can have bounds: pseudonyms lie anywhere.

    Args:
        table: its key.
        columns: plan of the columns.
    """
    kinds = {column.name: column.silver_type for column in columns if not column.masked}
    usable = {*_NUMBERS, "STRING", "DATE"}
    return {name: kinds[name] for name in table.key if kinds.get(name) in usable}


def bound_expressions(names: Sequence[str]) -> dict[str, Column]:
    """Name -> text of a bound, over the staged rows that change a row of silver; null if none does.

    Args:
        names: from ``bounded_columns``.
    """
    from pyspark.sql import functions as F

    changed = F.col(ACTION).isin(UPDATE, DELETE, MARK)
    found = {}
    for number, name in enumerate(names):
        key = F.when(changed, F.col(name))
        found[f"lowest_{number}"] = F.min(key).cast("string")
        found[f"highest_{number}"] = F.max(key).cast("string")
    return found


def make_bounds(found: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The bounds.

    Args:
        found: values of ``bound_expressions``.
        types: from ``bounded_columns``.
    """
    bounds = {}
    for number, (name, kind) in enumerate(types.items()):
        lowest, highest = (_literal(found[f"{end}_{number}"], kind) for end in ("lowest", "highest"))
        if lowest and highest:
            bounds[name] = (lowest, highest)
    return bounds


def batch_bounds(
    table: Table, columns: Sequence[PlannedColumn], batches: Sequence[Manifest], paths: LakePaths
) -> dict[str, tuple[str, str]]:
    """The bounds of the keys in some batches, from their files; none in Azure.

    Only of whole numbers that silver has as they are in bronze: reading them takes a millisecond.

    Args:
        table: its key.
        columns: plan of the columns.
        batches: sealed.
        paths: of the lake.
    """
    same = {c.name: c.bronze for c in columns if c.bronze and c.stored == c.target and not isinstance(c.nulls, Fill)}
    types = {name: kind for name, kind in bounded_columns(table, columns).items() if kind in _NUMBERS and name in same}
    files = [file for batch in batches for file in batch.file_paths(paths)]
    if not types or not all(map(is_local, files)):
        return {}
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    bounds = {}
    for name, kind in types.items():
        try:
            parts = [pq.ParquetFile(file).read(columns=[same[name]], use_threads=False)[same[name]] for file in files]
        except (OSError, KeyError, pa.ArrowException):
            return {}  # an older batch has another name for the column; or the engine names the damaged file
        ends = [pc.min_max(part).as_py() for part in parts]
        values = [value for end in ends for value in end.values() if value is not None]
        if values:
            bounds[name] = (_literal(str(min(values)), kind), _literal(str(max(values)), kind))
    return bounds


def _literal(text: str | None, kind: str) -> str:
    """The literal of a bound; empty without a value, and for a value that cannot be written as a literal."""
    if text is None:
        return ""
    if kind in _NUMBERS:
        return text + _NUMBERS[kind]
    if kind == "DATE":  # of other years the text has a sign
        return f"DATE'{text}'" if _PLAIN_DATE.fullmatch(text) else ""
    return spark_literal(text)
