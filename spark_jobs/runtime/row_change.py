"""Rows that leave a table and rows that join it: where they are, and what each group of files becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from spark_jobs.runtime.file_plan import FileChange, FilePlan, Group, plan_files, rows_in_file
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.parquet_files import DataFile, Found, RollingWriter

if TYPE_CHECKING:
    import pyarrow as pa

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_THREADS = 2


class RowChange:
    """The change of one table.

    Args:
        files: of the table.
        schema: of all files.
        keys: the keys whose rows leave the table; None for none.
        added: rows that join it, with the columns of ``schema``; they may have one of ``keys`` (an update).
    """

    def __init__(self, files: Sequence[DataFile], schema: pa.Schema, keys: KeySet | None, added: pa.Table) -> None:
        self.files, self.schema, self.added = files, schema, added.select(schema.names)
        self.keys = keys if keys is not None and len(keys) else None
        self._found = find_in_files(files, self.keys)
        self._replacing: dict[str, pa.Table] = {}
        self._new = self._assign_to_files()

    @cached_property
    def plan(self) -> FilePlan:
        """The files to rewrite."""
        most = rows_in_file(sum(file.rows for file in self.files), sum(file.size for file in self.files))
        return plan_files([self._change_of(file) for file in self.files], self._new.num_rows, most)

    @property
    def rows_after(self) -> int:
        """Rows of the table after the change."""
        removed: int = sum(found.rows for found in self._found.values())
        return sum(file.rows for file in self.files) - removed + int(self.added.num_rows)

    def write(self, folder: str) -> list[DataFile]:
        """Write the files that replace those of the plan.

        Args:
            folder: of the table to which they belong.
        """
        written = in_parallel(lambda group: self._write_group(folder, group), self.plan.groups)
        return [file for files in written for file in files]

    def _write_group(self, folder: str, group: Group) -> list[DataFile]:
        writer = RollingWriter(folder, group.rows_per_file)
        by_name = {file.name: file for file in self.files}
        for name in group.files:
            for rows in by_name[name].read_without(self.keys):
                writer.write(rows)
            if name in self._replacing:
                writer.write(self._replacing[name])
        if group.takes_new_rows:
            writer.write(self._new)
        return writer.finish()

    def _assign_to_files(self) -> pa.Table:
        """Assign the rows that replace others to the files of these; returns the rest."""
        import pyarrow.compute as pc

        if self.keys is None:
            return self.added
        rest, numbers = self.added, self.keys.numbers(self.added)
        for name, found in self._found.items():
            here = pc.is_in(numbers, value_set=found.keys, skip_nulls=True)
            self._replacing[name] = rest.filter(here)
            rest, numbers = rest.filter(pc.invert(here)), numbers.filter(pc.invert(here))
        return rest

    def _change_of(self, file: DataFile) -> FileChange:
        found, replacing = self._found.get(file.name), self._replacing.get(file.name)
        return FileChange(
            file.name,
            file.rows,
            removed=0 if found is None else found.rows,
            added=0 if replacing is None else replacing.num_rows,
        )


def find_in_files(files: Sequence[DataFile], keys: KeySet | None) -> dict[str, Found]:
    """The files that have a key of a set, by name."""
    if keys is None:
        return {}
    found = in_parallel(lambda file: file.find(keys), files)
    return {file.name: one for file, one in zip(files, found, strict=True) if one is not None}


def in_parallel(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """The results of a function for each item; pyarrow computes without the interpreter's lock."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, items))
