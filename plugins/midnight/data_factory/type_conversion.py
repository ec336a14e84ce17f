"""Converts files of Data Factory to the contract's types, without changing a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow  # no DAG file imports this module
import pyarrow.compute as pc
from pyarrow import parquet

from midnight.bronze.manifest import BronzeColumn, BronzeFile
from midnight.column_types import to_arrow
from midnight.configuration.cursors import CursorExtremes
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import bronze_columns
from midnight.data_factory.row_hash_query import ROW_HASH
from midnight.data_factory.row_hashes import RowHashes
from midnight.errors import BronzeError, ValueNotRepresentableError
from midnight.lake.files import LakeFiles
from midnight.postgres_to_bronze.exact_json import NOT_JSON, may_be_json
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from midnight.postgres_to_bronze.replaced_values import ReplacedValues
from midnight.postgres_to_bronze.value_conversion import (
    ValueOutOfRangeError,
    check_json,
    is_not_json,
    rejected_values,
    text_to_decimal,
)

_ROWS_AT_ONCE = 65_536
_GROUP_BYTES = 64 * 1024 * 1024


class Conversion:
    """Converts the files of one table to the contract's columns.

    Args:
        table: its configuration.
        clock: when the copy began, or before: a run may wait long for its copy.
        names: of the columns in the files, for a list of keys; empty for all.

    Attributes:
        columns: of the batch.
        extremes: of the cursor, over the files that were rewritten or scanned.
        hashes: compares the rows with the hashes that the source sent, if it did.
        replaced: the values that became null.
    """

    def __init__(self, table: Table, clock: datetime, names: Sequence[str] = ()) -> None:
        self._table, self._cursor = table, None if names else table.cursor_name
        by_name = {column.name: column for column in bronze_columns(table)}
        self.columns = tuple(by_name[name] for name in names or by_name)
        self.extremes = CursorExtremes(self._cursor, table.cursor_kind, clock, datetime.now(UTC))
        self.hashes: RowHashes | None = None
        self.replaced = ReplacedValues()
        configured = {column.name: column for column in table.columns}
        self._masked = {name for name, column in configured.items() if column.mask is not None}
        self._null_policy = {name for name, column in configured.items() if column.on_unrepresentable == "null"}
        self._schema = pyarrow.schema([(column.name, to_arrow(column.stored_as)) for column in self.columns])

    def is_needed(self, file: parquet.ParquetFile) -> bool:
        """Whether a file differs from the contract; INT96 looks like a timestamp, but Spark reads it as another type.

        Raises:
            BronzeError: a column is missing or unknown.
        """
        self._positions(file.schema_arrow)
        physical = {file.schema.column(i).physical_type for i in range(len(file.schema.names))}
        same = file.schema_arrow.remove_metadata().equals(self._schema)
        return "INT96" in physical or not same or self._has_other_than_json(file)

    def scan_cursor_range(self, file: parquet.ParquetFile) -> None:
        """Take the cursor's extremes from a file that stays unchanged."""
        if self._cursor is not None:
            for rows in file.iter_batches(_ROWS_AT_ONCE, columns=[self._cursor]):
                self.extremes.add(rows)

    def rewrite(self, file: parquet.ParquetFile, lake: LakeFiles, folder: str, name: str) -> BronzeFile:
        """Write the same rows in the contract's types, a few megabytes at a time.

        Raises:
            ValueNotRepresentableError, BronzeError, LakeError: see ``AdfBatch.seal``.
        """
        positions = self._positions(file.schema_arrow)
        writer = PartWriter(
            lake=lake,
            folder=folder,
            name=name,
            schema=self._schema,
            group_bytes=_GROUP_BYTES,
            statistics=self._table.key[:1],  # for the cuts of the next run (key_ranges)
        )
        try:
            for rows in file.iter_batches(_ROWS_AT_ONCE):
                arrays = [
                    self._convert(pyarrow.chunked_array([rows.column(position)]), column)
                    for position, column in zip(positions, self.columns, strict=True)
                ]
                converted = pyarrow.table(arrays, schema=self._schema)
                self.extremes.add(converted)
                self._compare(converted, rows)
                writer.add(converted)
            result = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        if result.rows != file.metadata.num_rows:
            raise BronzeError(
                f"{self._table.qualified_name}: {result.rows} of {file.metadata.num_rows} rows were converted; "
                "hint: report this as a defect of Midnight"
            )
        return result

    def _positions(self, found: pyarrow.Schema) -> list[int]:
        """Position of each column in the file, by its name in bronze or in the source (which Data Factory keeps)."""
        names = [name if found.get_field_index(name) >= 0 else source for name, source in self._names()]
        positions = [found.get_field_index(name) for name in names]
        missing = [name for name, position in zip(names, positions, strict=True) if position < 0]
        unknown = sorted(set(found.names) - {*names, ROW_HASH})
        if missing or unknown:
            file = table_file_name(self._table.schema_name, self._table.table)
            raise BronzeError(
                f"{self._table.qualified_name}: Data Factory wrote columns {found.names!r}; missing are {missing!r}, "
                f"not configured {unknown!r}; hint: make tables/{file} and the pipeline's query agree"
            )
        return positions

    def _compare(self, converted: pyarrow.Table, rows: pyarrow.RecordBatch) -> None:
        position = rows.schema.get_field_index(ROW_HASH)
        if position >= 0:
            self.hashes = self.hashes or RowHashes(self._table, self._schema.names)
            self.hashes.compare(converted, pyarrow.chunked_array([rows.column(position)]))

    def _names(self) -> list[tuple[str, str]]:
        return [(column.name, column.source) for column in self.columns]

    def _has_other_than_json(self, file: parquet.ParquetFile) -> bool:
        """Whether a value was sent as text because JSON would change it."""
        names = [column.name for column in self.columns if may_be_json(column.postgres_type)]
        if not names:
            return False
        batches = file.iter_batches(_ROWS_AT_ONCE, columns=names)
        return any(pc.any(is_not_json(values)).as_py() for rows in batches for values in rows.columns)

    def _convert(self, values: pyarrow.ChunkedArray, column: BronzeColumn) -> pyarrow.ChunkedArray:
        try:
            return self._cast(values, column)
        except (pyarrow.ArrowInvalid, ValueOutOfRangeError) as error:
            if column.name in self._null_policy:
                return self._cast_with_nulls(values, column)
            masked = column.name in self._masked
            shown = "masked" if masked else error
            stored_as = "JSON" if may_be_json(column.postgres_type) else column.stored_as
            raise ValueNotRepresentableError(
                f"{self._table.qualified_name}: column {column.source!r} ({column.postgres_type}), which Data "
                f"Factory wrote as {values.type}, holds a value that does not fit {stored_as} exactly ({shown}); "
                "hint: correct it in the source or add to the column bronze_type: text, or on_unrepresentable: null"
            ) from (None if masked else error)

    def _cast_with_nulls(self, values: pyarrow.ChunkedArray, column: BronzeColumn) -> pyarrow.ChunkedArray:
        """With null in place of each value that does not fit."""
        chunks = values.combine_chunks()
        rejected = rejected_values(chunks, lambda some: self._cast(pyarrow.chunked_array([some]), column))
        rows = pc.is_in(chunks, rejected, skip_nulls=True)
        example = "" if column.name in self._masked else str(rejected[0]).removeprefix(NOT_JSON)
        self.replaced.add(column.name, pc.sum(rows).as_py(), example)
        kept = pc.if_else(rows, pyarrow.scalar(None, chunks.type), chunks)
        return self._cast(pyarrow.chunked_array([kept]), column)

    def _cast(self, values: pyarrow.ChunkedArray, column: BronzeColumn) -> pyarrow.ChunkedArray:
        target, actual = self._schema.field(column.name).type, values.type
        if actual == target:
            if may_be_json(column.postgres_type):
                for chunk in values.chunks:
                    check_json(chunk)
            return values
        if pyarrow.types.is_string(actual) and pyarrow.types.is_decimal(target):
            return text_to_decimal(values, target)
        if pyarrow.types.is_string(actual) and _is_written_as_text(target):
            return pc.cast(values, target)
        if _is_lossless_kind(actual, target):
            result = pc.cast(values, target)  # checked: an overflow or a lost decimal raises
            if pyarrow.types.is_date(target):
                _check_midnight(values, result)
            return result
        raise BronzeError(
            f"{self._table.qualified_name}: column {column.source!r} is {column.postgres_type} in the configuration, "
            f"but Data Factory wrote {actual}; hint: cast it to {column.stored_as} in the pipeline's query"
        )


def _is_written_as_text(target: pyarrow.DataType) -> bool:
    """Whether PostgreSQL's text of a value can be read exactly; reading an infinite date or one BC raises an error."""
    kinds = pyarrow.types
    return bool(kinds.is_integer(target) or kinds.is_date(target) or kinds.is_timestamp(target))


def _is_lossless_kind(actual: pyarrow.DataType, target: pyarrow.DataType) -> bool:
    """Whether a checked cast between two kinds of types keeps the meaning of every value that it accepts."""
    kinds = pyarrow.types
    integers = kinds.is_integer(actual) and (kinds.is_integer(target) or kinds.is_decimal(target))
    decimals = kinds.is_decimal(actual) and (kinds.is_integer(target) or kinds.is_decimal(target))
    floats = kinds.is_float32(actual) and kinds.is_float64(target)
    # A timestamp without zone is UTC: the pipeline's query converts it so.
    moments = kinds.is_timestamp(actual) and (kinds.is_timestamp(target) or kinds.is_date(target))
    texts = kinds.is_large_string(actual) and kinds.is_string(target)
    bytes_ = (kinds.is_large_binary(actual) or kinds.is_fixed_size_binary(actual)) and kinds.is_binary(target)
    return bool(integers or decimals or floats or moments or texts or bytes_)


def _check_midnight(values: pyarrow.ChunkedArray, dates: pyarrow.ChunkedArray) -> None:
    changed = pc.not_equal(pc.cast(dates, values.type), values)
    if pc.any(changed).as_py():
        raise ValueOutOfRangeError(str(pc.filter(values, changed)[0].as_py()))
