"""The Parquet files of a table: their footers, the keys in them, and their rewriting without some rows."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.keyed_rows import Found, KeyedRows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# A column with more different values than this in a sample is written without a dictionary, which would be given up
# after a third of the writing time.
_SAMPLE, _DICTIONARY_VALUES = 20_000, 4_000


class DataFile:
    """One file of a Delta table.

    Args:
        folder: of the table.
        name: path below the folder.
        size: bytes.
    """

    def __init__(self, folder: str, name: str, size: int) -> None:
        self.folder, self.name, self.size = folder, name, size
        self._kept: dict[int, pa.Table] = {}

    @cached_property
    def footer(self) -> pq.FileMetaData:
        import pyarrow.parquet as pq

        return pq.read_metadata(self.path)

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def rows(self) -> int:
        return int(self.footer.num_rows)

    @cached_property
    def schema(self) -> pa.Schema:
        """Without the engine's own annotations; every column may be null."""
        import pyarrow as pa

        found = self.footer.schema.to_arrow_schema()
        return pa.schema([pa.field(field.name, _stored_type(field.type)) for field in found])

    @property
    def log_statistics(self) -> str:
        """For the Delta log: the number of rows alone, since Sail misreads those of columns (decision 19)."""
        return json.dumps({"numRecords": self.rows, "minValues": {}, "maxValues": {}, "nullCount": {}})

    def find(self, keys: KeySet) -> Found | None:
        """Which keys the file has; None if it has none."""
        import numpy as np
        import pyarrow.parquet as pq

        positions = self._positions(keys.names)
        groups = range(self.footer.num_row_groups)
        possible = {group: keys.possible_in(self.footer.row_group(group), positions) for group in groups}
        if not any(map(len, possible.values())):
            return None
        found = {}
        with pq.ParquetFile(self.path, metadata=self.footer) as file:
            for group, among in possible.items():
                if not len(among):
                    continue
                rows = file.read_row_group(group, columns=keys.names, use_threads=False)
                here = keys.numbers(rows, among)
                if here.null_count < len(here):
                    places = np.flatnonzero(here.is_valid().to_numpy(zero_copy_only=False))
                    found[group] = KeyedRows(places.astype(np.int32), here.drop_null().to_numpy().astype(np.int32))
        return Found(found) if found else None

    def read_groups(self, found: Found | None) -> Iterator[tuple[pa.Table, pa.Array | None]]:
        """The rows of each row group, and for each row whether it is not among those found; None if none is."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path, metadata=self.footer) as file:
            for group in range(self.footer.num_row_groups):
                rows = self._read_group(file, group)
                here = None if found is None else found.groups.get(group)
                yield rows, None if here is None else here.others(rows.num_rows)

    def read_with(self, found: Found, *, keep: bool = False) -> pa.Table:
        """The rows that are among those found.

        Args:
            found: in this file.
            keep: what was read stays in memory until it is read once more.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = []
        with pq.ParquetFile(self.path, metadata=self.footer) as file:
            for group, here in found.groups.items():
                rows = self._read_group(file, group)
                parts.append(rows.take(pa.array(here.positions)))
                if keep:
                    self._kept[group] = rows
        return pa.concat_tables(parts)

    def _read_group(self, file: pq.ParquetFile, group: int) -> pa.Table:
        """The rows of a row group, which do not stay in memory if they were kept."""
        kept = self._kept.pop(group, None)
        return file.read_row_group(group, use_threads=False).cast(self.schema) if kept is None else kept

    @property
    def bytes_in_memory(self) -> int:
        """About the size of its rows when they are read."""
        return sum(self.footer.row_group(group).total_byte_size for group in range(self.footer.num_row_groups))

    def middle(self, name: str) -> Any:
        """The value of a column in the middle row, as Python's; None if it is null or the file has no such column.

        It orders files by this column: the smallest value may belong to a few rows that are out of order.
        """
        import pyarrow.parquet as pq

        groups = self.footer.num_row_groups
        if name not in self._paths or not groups:
            return None
        with pq.ParquetFile(self.path, metadata=self.footer) as file:
            values = file.read_row_group(groups // 2, columns=[name], use_threads=False)[name]
        return values[len(values) // 2].as_py() if len(values) else None

    def _positions(self, names: Sequence[str]) -> list[int]:
        return [self._paths.index(name) for name in names]

    @cached_property
    def _paths(self) -> list[str]:
        return [self.footer.schema.column(i).path for i in range(self.footer.num_columns)]


class ColumnForms:
    """How the columns of some files are written: decided by the first rows, for all files with these columns."""

    def __init__(self) -> None:
        self._repetitive: list[str] | None = None

    def options(self, rows: pa.Table) -> dict[str, Any]:
        """Arguments of ``write_table``.

        LZ4 takes two thirds of the time of Snappy, to write and to read, for the same bytes. Dictionaries do not get
        it: parquet-java 1.16 cannot search them for the values of a filter.
        """
        if self._repetitive is None:
            self._repetitive = _repetitive(rows)
        codecs = {name: "snappy" if name in self._repetitive else "lz4" for name in rows.column_names}
        return {"compression": codecs, "use_dictionary": self._repetitive}


class RollingWriter:
    """Writes rows, and begins a new file whenever one has enough of them.

    Args:
        folder: of the table to which the files belong.
        rows_per_file: of all files but the last.
        forms: of the columns; several writers of one table share them.
    """

    def __init__(self, folder: str, rows_per_file: int, forms: ColumnForms) -> None:
        self._folder, self._rows_per_file, self._forms = folder, rows_per_file, forms
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._written: list[DataFile] = []

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        while rows.num_rows and self._rows + rows.num_rows >= self._rows_per_file:
            part = self._rows_per_file - self._rows
            self._waiting.append(rows.slice(0, part))
            self._flush()
            rows = rows.slice(part)
        if rows.num_rows:
            self._waiting.append(rows)
            self._rows += rows.num_rows

    def finish(self) -> list[DataFile]:
        """Write what is left; returns all files, none if there was no row."""
        if self._waiting:
            self._flush()
        return self._written

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = pa.concat_tables(self._waiting)
        self._waiting, self._rows = [], 0
        name = f"part-{secrets.token_hex(16)}.parquet"
        path = f"{self._folder}/{name}"
        pq.write_table(
            rows,
            path,
            row_group_size=self._rows_per_file,
            store_schema=False,
            store_decimal_as_integer=True,  # as the engines do it
            **self._forms.options(rows),
        )
        self._written.append(DataFile(self._folder, name, os.path.getsize(path)))


def _repetitive(rows: pa.Table) -> list[str]:
    import pyarrow.compute as pc

    sample = rows.slice(0, _SAMPLE)
    return [
        name
        for name in rows.column_names
        if pc.count_distinct(sample[name], mode="all").as_py() <= min(_DICTIONARY_VALUES, sample.num_rows // 2)
    ]


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """The plain form of a type: Sail marks some texts as views, which Parquet stores like any other text."""
    import pyarrow as pa

    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind):
        return pa.binary()
    return kind
