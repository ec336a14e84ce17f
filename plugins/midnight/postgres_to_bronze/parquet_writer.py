"""One Parquet file of a batch: written in row groups of bounded memory, with its checksum computed meanwhile."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc
from pyarrow import parquet

from midnight.bronze.manifest import BronzeFile
from midnight.errors import LakeError

if TYPE_CHECKING:
    from midnight.lake.files import LakeFiles, OutputFile

# A large snapshot is compared in ranges of its key: a group that lies in two of them is read twice.
ROWS_PER_GROUP = 250_000
_SAMPLE_ROWS = (
    10_000  # smaller groups are compressed as a whole, without dictionaries: choosing costs more than writing
)
_FEW_VALUES = 1_000
# LZ4 makes names and checksums a sixth to a third smaller and takes three to four times their writing time; numbers and
# dates often become half as large. Leaving it out for the former saves a fifth of the processor time.
_LZ4_WORTHWHILE = 0.6
# Differences with as few bits as they need: written as fast as plain values, and often a tenth of their size.
_DELTAS = "DELTA_BINARY_PACKED"
_LONGEST_INTEGER_DECIMAL = 18
# A file that is smaller becomes durable when its batch is sealed, with all others at once.
_DURABLE_AT_ONCE_BYTES = 4 * 1024 * 1024


class PartWriter:
    """Writes one file. Not thread-safe: one worker at a time.

    Args:
        lake: file operations.
        folder: of the batch.
        name: of the file.
        schema: of every table that is added.
        group_bytes: Arrow memory at which a row group is written, even below ``ROWS_PER_GROUP`` rows.
        statistics: columns of which each row group records the smallest and largest value.
    """

    def __init__(
        self,
        *,
        lake: LakeFiles,
        folder: str,
        name: str,
        schema: pyarrow.Schema,
        group_bytes: int,
        statistics: Sequence[str] = (),
    ) -> None:
        self._lake, self._path, self._name = lake, f"{folder}/{name}", name
        self._schema = schema
        self._group_bytes = group_bytes
        self._statistics = list(statistics)
        self._waiting: list[pyarrow.Table] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._stream: _HashingStream | None = None
        self._writer: parquet.ParquetWriter | None = None
        self.rows = 0

    def add(self, table: pyarrow.Table) -> None:
        """Keep rows for the current row group; write it when it is full.

        Raises:
            LakeError: disk full, no permission.
        """
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self._waiting_bytes += table.nbytes
        if self._waiting_rows >= ROWS_PER_GROUP or self._waiting_bytes >= self._group_bytes:
            self._write_group()

    @property
    def path(self) -> str:
        """Of the file, complete or not."""
        return self._path

    @property
    def has_rows(self) -> bool:
        """Whether any row was added."""
        return bool(self.rows or self._waiting_rows)

    def finish(self) -> BronzeFile:
        """Write what is left and close. Sealing the batch makes the file durable.

        Raises:
            LakeError: disk full, no permission.
        """
        self._write_group()
        try:
            writer, stream = self._open()
            writer.close()
            stream.close()
            if stream.bytes >= _DURABLE_AT_ONCE_BYTES:
                self._lake.make_durable(self._path)  # while other files are being written
        except OSError as error:
            raise self._lake_error(error) from error
        return BronzeFile(name=self._name, rows=self.rows, bytes=stream.bytes, sha256=stream.digest.hexdigest())

    def abandon(self) -> None:
        """Close without a footer: the file cannot be read, and the caller deletes its folder."""
        self._waiting.clear()
        if self._writer is not None:
            self._writer.is_open = False  # else it writes its footer when it is garbage-collected
        if self._stream is not None:
            self._stream.discard()

    def _write_group(self) -> None:
        if not self._waiting:
            return
        table = pyarrow.concat_tables(self._waiting)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        try:
            writer, _ = self._open(table)
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)
        except OSError as error:
            raise self._lake_error(error) from error
        self.rows += table.num_rows

    def _open(self, sample: pyarrow.Table | None = None) -> tuple[parquet.ParquetWriter, _HashingStream]:
        if self._writer is None or self._stream is None:
            few = _columns_with_few_values(sample) if sample is not None and sample.num_rows >= _SAMPLE_ROWS else []
            deltas = {f.name: _DELTAS for f in self._schema if f.name not in few and _is_whole_number(f.type)}
            codec = _compression(sample, self._lake.parquet_compression, few, deltas)
            self._stream = _HashingStream(self._lake.open_output(self._path))
            self._writer = parquet.ParquetWriter(
                pyarrow.PythonFile(self._stream, mode="w"),
                self._schema,
                compression=codec,
                use_dictionary=few,
                column_encoding=deltas,
                write_statistics=self._statistics or False,  # every reader of bronze reads all rows
                store_decimal_as_integer=True,  # as Spark writes them: smaller and faster up to 18 digits
            )
        return self._writer, self._stream

    def _lake_error(self, error: OSError) -> LakeError:
        return LakeError(
            f"{self._path} cannot be written: {error}; hint: free space or correct the permission on the lake, "
            "then clear the ingest task (nothing of this batch is visible)"
        )


def _columns_with_few_values(table: pyarrow.Table) -> list[str]:
    """Columns whose values a dictionary makes smaller. For the others, trying one costs a third of the writing time."""
    sample = table.slice(0, _SAMPLE_ROWS)
    limit = min(_FEW_VALUES, max(1, sample.num_rows // 4))
    chosen = []
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        if not pyarrow.types.is_boolean(column.type) and pc.count_distinct(column).as_py() <= limit:
            chosen.append(name)
    return chosen


def _is_whole_number(kind: pyarrow.DataType) -> bool:
    """Whether Parquet holds the values as 32 or 64 bit integers."""
    if pyarrow.types.is_decimal(kind):
        return bool(kind.precision <= _LONGEST_INTEGER_DECIMAL)
    return bool(pyarrow.types.is_integer(kind) or pyarrow.types.is_date(kind) or pyarrow.types.is_timestamp(kind))


def _compression(
    table: pyarrow.Table | None, codec: str, few_values: list[str], encodings: dict[str, str]
) -> str | dict[str, str]:
    """The codec of each column: LZ4 only where it saves enough in a sample."""
    if codec != "lz4" or table is None or table.num_rows < _SAMPLE_ROWS:
        return codec
    memory = pyarrow.BufferOutputStream()
    sample = table.slice(0, _SAMPLE_ROWS)
    parquet.write_table(
        sample,
        memory,
        compression=codec,
        use_dictionary=few_values,
        column_encoding=encodings,
        store_decimal_as_integer=True,
    )
    group = parquet.read_metadata(pyarrow.BufferReader(memory.getvalue())).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {
        name: codec if c.total_compressed_size <= _LZ4_WORTHWHILE * c.total_uncompressed_size else "none"
        for name, c in zip(sample.column_names, columns, strict=True)
    }


class _HashingStream(io.RawIOBase):
    """Passes bytes on and computes their SHA-256, so that the file does not have to be read again."""

    def __init__(self, target: OutputFile) -> None:
        self._target = target
        self.digest = hashlib.sha256()
        self.bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._target.write(data)
        self.digest.update(data)
        size = memoryview(data).nbytes
        self.bytes += size
        return size

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._target.close()

    def discard(self) -> None:
        """Abandon the file, whatever its state."""
        super().close()
        self._target.abandon()
