"""Rows in Parquet files, read by pyarrow: their digest, and the rows of some buckets.

delta-rs says which files belong to a table. Neither is the engine that has written them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from midnight.errors import ReconciliationError, first_line
from midnight.lake.paths import is_local

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan

_ROWS_AT_ONCE = 65_536
_THREADS = 2

Filter = Callable[["pa.RecordBatch"], "pa.RecordBatch"]


class RowSource(Protocol):
    """Rows that can be read twice: once for their digest, and again to look for the rows that differ."""

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """The digest of all rows (``row_digest.sums_of``)."""

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """Some columns of the rows in some buckets, with the types that the reader gives them."""


@dataclass(frozen=True)
class FileRows:
    """The rows of Parquet files.

    Args:
        files: full paths.
        keep: which rows of the files count, and in which form; None: all.
        read: columns to read in addition to those of the plan, for ``keep``.
        renamed: column of the plan -> column in the files, where they differ.
    """

    files: tuple[str, ...]
    keep: Filter | None = None
    read: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """The digest of all rows.

        Raises:
            ReconciliationError: a file cannot be read.
        """
        from midnight.reconciliation.row_digest import add_all, sums_of

        def of_file(path: str) -> np.ndarray[Any, Any]:
            parts = (sums_of(batch, plan) for batch in self._batches(path, plan.names))
            return add_all(parts, len(plan.columns))

        with ThreadPoolExecutor(_THREADS) as pool:
            return add_all(pool.map(of_file, self.files), len(plan.columns))

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """See ``RowSource``.

        Raises:
            ReconciliationError: a file cannot be read.
        """
        import pyarrow as pa

        from midnight.reconciliation.row_digest import in_buckets

        found = [
            in_buckets(batch, plan, columns, buckets)
            for path in self.files
            for batch in self._batches(path, list(dict.fromkeys([*plan.names, *columns])))
        ]
        found = [batch for batch in found if batch.num_rows]
        return pa.Table.from_batches(found) if found else pa.table({name: [] for name in columns})

    def decimal_bounds(self, plan: DigestPlan) -> dict[str, tuple[Decimal, Decimal]]:
        """The smallest and the largest value of each decimal column that has one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = [name for name, kind in plan.columns if pa.types.is_decimal(kind)]
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for path in self.files if names else ():
            for batch in self._batches(path, names):
                for name in names:
                    limits = pc.min_max(batch.column(name)).as_py()
                    if limits["min"] is not None:
                        low, high = found.get(name, (limits["min"], limits["max"]))
                        found[name] = (min(low, limits["min"]), max(high, limits["max"]))
        return found

    def _batches(self, path: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        stored = [self.renamed.get(name, name) for name in names]
        try:
            with pq.ParquetFile(path) as file:
                missing = sorted(set(stored) - set(file.schema_arrow.names))
                if missing:
                    raise ReconciliationError(f"{path} has no column {missing!r}")
                wanted = list(dict.fromkeys([*stored, *self.read]))
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted, use_threads=False):
                    kept = batch if self.keep is None else self.keep(batch)
                    yield pa.record_batch([kept.column(name) for name in stored], names=list(names))
        except (OSError, pa.ArrowException) as error:
            raise ReconciliationError(f"{path} cannot be read back: {first_line(error)}") from error


@dataclass(frozen=True)
class TableState:
    """The files of the newest version of a Delta table in a folder.

    Args:
        files: full paths, sorted.
        version: of the table; -1 without a table, or if only the engine can read it.
    """

    files: tuple[str, ...]
    version: int = -1

    @property
    def rows(self) -> int:
        """Rows by the footers of the files, without reading them.

        Raises:
            ReconciliationError: a file cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        total = 0
        for path in self.files:
            try:
                total += pq.read_metadata(path).num_rows
            except (OSError, pa.ArrowException) as error:
                raise ReconciliationError(f"{path} cannot be read back: {first_line(error)}") from error
        return total

    @property
    def stamp(self) -> str:
        """Identifies the files, their sizes and the times of their last change; empty if one is missing."""
        parts = []
        for path in self.files:
            try:
                found = os.stat(path)
            except OSError:
                return ""
            parts.append(f"{Path(path).name}:{found.st_size}:{found.st_mtime_ns}")
        return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:32]

    def without(self, other: TableState) -> tuple[str, ...]:
        """The files that another version, or a table that shares files by hard links, does not have."""
        names = {Path(path).name for path in other.files}
        return tuple(path for path in self.files if Path(path).name not in names)


def local_state(path: str) -> TableState:
    """The files of a Delta table, if it is local: only the engine can read one in Azure.

    Raises:
        ReconciliationError: its log cannot be read.
    """
    return read_state(path) if is_local(path) else TableState(())


def read_state(path: str, partition: Mapping[str, str] | None = None, version: int | None = None) -> TableState:
    """The files of a local Delta table; none if it does not exist.

    Args:
        path: of the table.
        partition: only the files with these values of the partition columns.
        version: of the table; None for the newest.

    Raises:
        ReconciliationError: its log cannot be read.
    """
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        table = DeltaTable(path, version=version)
        actions = pa.table(table.get_add_actions())
    except TableNotFoundError:
        return TableState(())
    except (DeltaError, OSError) as error:
        raise ReconciliationError(f"{path} cannot be read back: {first_line(error)}") from error
    names = actions["path"].to_pylist()
    if partition:
        values = actions["partition"].to_pylist()
        pairs = zip(names, values, strict=True)
        names = [name for name, value in pairs if all(value.get(k) == v for k, v in partition.items())]
    return TableState(tuple(sorted(_full_path(path, name) for name in names)), table.version())


def rows_at_version(path: str, version: int) -> FileRows | None:
    """The rows that a table had; None if that is not known. Maintenance deletes files that were replaced a week ago."""
    try:
        return FileRows(read_state(path, version=version).files) if version >= 0 else None
    except ReconciliationError:
        return None


def _full_path(root: str, name: str) -> str:
    """The log has URL-encoded paths; some writers encode the names of folders as well."""
    plain = f"{root}/{name}"
    return plain if os.path.exists(plain) else f"{root}/{unquote(name)}"


def rows_with(column: str, values: Sequence[str]) -> Filter:
    """A filter of rows by the text of a column.

    Args:
        column: to read in addition to those of the plan.
        values: that it may have.
    """

    def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa
        import pyarrow.compute as pc

        found = batch.column(column)
        if not pa.types.is_string(found.type):
            found = found.cast(pa.string())
        return batch.filter(pc.is_in(found, value_set=pa.array(values, pa.string())))

    return keep


def rows_with_keys_of(other: Sequence[str], key: Sequence[str], plan: DigestPlan) -> Filter:
    """A filter of the rows that have a key of other files.

    Args:
        other: Parquet files with at least the columns of the key.
        key: columns of the plan; to read in addition to those of the plan.
        plan: for the types.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from midnight.reconciliation.row_digest import canonical, key_numbers

    kinds = dict(plan.columns)

    def numbers(rows: pa.Table | pa.RecordBatch) -> np.ndarray[Any, Any]:
        return key_numbers([canonical(rows.column(name), kinds[name]) for name in key], key, key)

    found = [numbers(pq.read_table(path, columns=list(key))) for path in other]
    wanted = np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)
    return lambda batch: batch.filter(pa.array(np.isin(numbers(batch), wanted)))


def staged_files(path: str) -> tuple[str, ...]:
    """The files of staged rows: a folder of Parquet files, or a Delta table."""
    if Path(path, "_delta_log").is_dir():
        return read_state(path).files
    return tuple(sorted(str(file) for file in Path(path).glob("*.parquet")))
