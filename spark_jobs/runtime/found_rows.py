"""Finds the rows of a Delta table in a folder that have one of some keys: which files have them, without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.keyed_rows import Found
from spark_jobs.runtime.parquet_files import DataFile
from spark_jobs.runtime.row_change import find_in_files, in_parallel
from spark_jobs.runtime.table_files import TableFiles

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

# Changed rows are held in memory: so many take about 500 MB in a table of ten columns.
MAX_CHANGED_ROWS = 2_000_000
# Files that are read to compare some of their rows, and then rewritten, are only read once if they are not larger.
MOST_BYTES_KEPT = 192 * 1024 * 1024


def files_with_keys(path: str, keys: DataFrame | pa.Table) -> list[str] | None:
    """The paths of the files of a table that have at least one of some keys.

    Args:
        path: of a Delta table in a folder.
        keys: the key columns, of the engine or in memory.

    Returns:
        None if only all files are certain to have all rows with these keys: of a floating-point key, or of more than
        ``MAX_CHANGED_ROWS`` keys.

    Raises:
        LakeError: the table does not exist.
    """
    found = find_rows(path, keys)
    return None if found is None else [file.path for file in found.files]


@dataclass(frozen=True)
class FoundRows:
    """The rows of a table that have one of some keys, before they are read.

    Args:
        table: in a folder.
        schema: of its files.
        keys: that were searched.
        found: name of a file -> the keys in it.
        repeated: at least two of the keys that were searched are equal.
    """

    table: TableFiles
    schema: pa.Schema
    keys: KeySet
    found: Mapping[str, Found]
    repeated: bool = False

    @property
    def rows(self) -> int:
        """Number of rows that have one."""
        return sum(found.rows for found in self.found.values())

    @property
    def rows_of_files(self) -> int:
        """Number of all rows in the files that have such a row."""
        return sum(file.rows for file in self.files)

    def read(self) -> pa.Table:
        """The rows, in memory. Where they are few in large files this takes less of it than the engine does.

        Files that are not too large stay in memory to be rewritten (``rewrite_rows``).
        """
        import pyarrow as pa

        keep = self.stay_in_memory
        rows = in_parallel(lambda file: file.read_with(self.found[file.name], keep=keep), self.files)
        return pa.concat_tables([self.schema.empty_table(), *rows])

    def among(self, keys: pa.Table) -> dict[str, Found] | None:
        """Where some of the keys are; None if one of them was not searched.

        Args:
            keys: with the key columns.
        """
        import numpy as np

        if set(keys.column_names) != set(self.keys.names):
            return None
        numbers = self.keys.numbers(keys.select(self.keys.names))
        if numbers.null_count:
            return None
        wanted = np.zeros(len(self.keys), bool)
        wanted[numbers.to_numpy()] = True
        rest = {name: found.among(wanted) for name, found in self.found.items()}
        return {name: found for name, found in rest.items() if found is not None}

    def read_some(self) -> pa.Table:
        """The rows of one file, in memory, from where the file is read next; without any file none."""
        first = self.files[:1]
        return first[0].read_with(self.found[first[0].name], keep=True) if first else self.schema.empty_table()

    @property
    def stay_in_memory(self) -> bool:
        """Whether the files that ``read`` reads are not read again."""
        return sum(file.bytes_in_memory for file in self.files) <= MOST_BYTES_KEPT

    @property
    def files(self) -> list[DataFile]:
        """The files that have such a row."""
        return [file for file in self.table.files if file.name in self.found]


def find_rows(path: str, keys: DataFrame | pa.Table) -> FoundRows | None:
    """Find the rows of a table that have one of some keys.

    Args:
        path: of a Delta table in a folder.
        keys: the key columns, of the engine or in memory.

    Returns:
        None where ``files_with_keys`` returns None.

    Raises:
        LakeError: the table does not exist.
    """
    table = TableFiles(path)
    if table.schema is None or table.key_problem(_names(keys)):
        return None
    wanted = collect_rows(keys, table.schema)
    if wanted.num_rows > MAX_CHANGED_ROWS:
        return None
    searched = KeySet(wanted)
    found = find_in_files(table.files, searched)
    return FoundRows(table, table.schema, searched, found, repeated=len(searched) < wanted.num_rows)


def collect_rows(rows: DataFrame | pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows of a frame, with the types that the table's files have; at most one more than may be held in memory."""
    import pyarrow as pa

    found = rows if isinstance(rows, pa.Table) else rows.limit(MAX_CHANGED_ROWS + 1).toArrow()
    wanted = pa.schema([pa.field(name, schema.field(name).type) for name in found.column_names])
    return found.cast(wanted)


def _names(rows: DataFrame | pa.Table) -> list[str]:
    import pyarrow as pa

    return rows.column_names if isinstance(rows, pa.Table) else rows.columns
