"""Rows that leave a table and rows that join it: where they are, and what each group of files becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from spark_jobs.runtime.file_plan import FileChange, FilePlan, Group, plan_files, rows_in_file
from spark_jobs.runtime.key_set import KeySet
from spark_jobs.runtime.keyed_rows import Found
from spark_jobs.runtime.parquet_files import ColumnForms, DataFile, RollingWriter

if TYPE_CHECKING:
    import pyarrow as pa

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_THREADS = 2
NEW = ""  # in place of the name of a file: for rows that replace none


class RowChange:
    """The change of one table.

    Args:
        files: of the table.
        schema: of all files.
        keys: the keys whose rows leave the table; None for none.
        added: rows that join it, with the columns of ``schema``; they may have one of ``keys`` (an update).
        found: where the rows that leave the table are, if they were searched already; ``keys`` may have more keys.

    Attributes:
        removed: takes the rows that leave the table when it is written; None if they are not wanted.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        schema: pa.Schema,
        keys: KeySet | None,
        added: pa.Table,
        found: Mapping[str, Found] | None = None,
    ) -> None:
        self.files, self.schema, self.added = files, schema, added.select(schema.names).combine_chunks()
        self.keys = keys if keys is not None and len(keys) else None
        self.removed: list[pa.Table] | None = None
        self._forms = ColumnForms()
        self._found = find_in_files(files, self.keys) if found is None else found
        self._places = self._assign_to_files()

    @cached_property
    def plan(self) -> FilePlan:
        """The files to rewrite."""
        most = rows_in_file(sum(file.rows for file in self.files), sum(file.size for file in self.files))
        return plan_files([self._change_of(file) for file in self.files], len(self._places[NEW]), most)

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
        import pyarrow.compute as pc

        writer = RollingWriter(folder, group.rows_per_file, self._forms)
        by_name = {file.name: file for file in self.files}
        for name in group.files:
            for rows, others in by_name[name].read_groups(self._found.get(name)):
                writer.write(rows if others is None else rows.filter(others))
                if self.removed is not None and others is not None:
                    self.removed.append(rows.filter(pc.invert(others)))
            writer.write(self._added_in(name))
        if group.takes_new_rows:
            writer.write(self._added_in(NEW))
        return writer.finish()

    def _assign_to_files(self) -> dict[str, pa.Array]:
        """For each file the positions of the added rows that replace some of its rows; ``NEW``: of all others."""
        import numpy as np
        import pyarrow as pa

        names = [*self._found, NEW]
        if self.keys is None or not self._found:
            return {NEW: pa.array(np.arange(self.added.num_rows))}
        # The last place is for keys that the set does not have.
        file_of_key = np.full(len(self.keys) + 1, len(names) - 1)
        for place, found in reversed([*enumerate(self._found.values())]):  # of a key in two files, the first counts
            file_of_key[found.numbers] = place
        files = file_of_key[self.keys.numbers(self.added).fill_null(len(self.keys)).to_numpy()]
        positions, ends = np.argsort(files, kind="stable"), np.bincount(files, minlength=len(names)).cumsum()
        return dict(zip(names, map(pa.array, np.split(positions, ends[:-1])), strict=True))

    def _added_in(self, name: str) -> pa.Table:
        positions = self._places.get(name)
        return self.added.slice(0, 0) if positions is None else self.added.take(positions)

    def _change_of(self, file: DataFile) -> FileChange:
        found = self._found.get(file.name)
        return FileChange(
            file.name,
            file.rows,
            removed=0 if found is None else found.rows,
            added=len(self._places.get(file.name, [])),
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
