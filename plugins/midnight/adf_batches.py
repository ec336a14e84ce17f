"""Seals what Azure Data Factory wrote: the same manifest and the same types as the operator's batches.

Data Factory writes timestamps as INT96, dates as timestamps, numbers without precision as decimal(38,18), and uuid
and json as text. Files that differ from the contract are written again by pyarrow in the contract's types, so that
silver sees one kind of bronze whoever wrote it; the others stay as they are.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow  # noqa: TID253  # no DAG file imports this module
import pyarrow.compute as pc  # noqa: TID253
from pyarrow import parquet  # noqa: TID253

from midnight.bronze_batches import BatchFolder, checksum, complete_sealing, seal_group
from midnight.column_types import stored_type, to_arrow
from midnight.errors import BronzeError, ValueNotRepresentableError
from midnight.lake_files import LakeFiles
from midnight.lake_paths import LakePaths
from midnight.manifest import BronzeColumn, BronzeFile, Manifest, ReadFrom
from midnight.pipeline_config import table_file_name
from midnight.postgres_to_bronze.copy_blocks import UnfitError, text_to_decimal
from midnight.postgres_to_bronze.parquet_part import PartWriter
from midnight.tables import Table

log = logging.getLogger(__name__)

_OURS = re.compile(r"part-\d{5}-[0-9a-f]{8}\.parquet")
_ROWS_AT_ONCE = 65_536
_GROUP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class AdfBatch:
    """The tables of one load group that a Data Factory pipeline has copied. Use ``seal``.

    Args:
        lake: file operations; ``paths`` the layers' roots.
        source: name of the source in bronze.
        tables: that were copied, each into its batch folder.
        group: name of the load group.
        batch_id: of the run; ``run_id`` Airflow's.
        read_from: for the manifest; Data Factory tells neither server nor snapshot.
        started_at: when the copy began.
        say: takes one line per table, for the task's log.
    """

    lake: LakeFiles
    paths: LakePaths
    source: str
    tables: Sequence[Table]
    group: str
    batch_id: str
    run_id: str
    read_from: ReadFrom
    started_at: datetime
    say: Callable[[str], None] = log.info

    def seal(self) -> dict[str, int]:
        """Check, convert and seal; a batch that is sealed and intact is kept.

        Returns:
            Rows per table.

        Raises:
            BronzeError: a table has no file, or a file not the configured columns.
            ValueNotRepresentableError: a value does not fit its column exactly.
            LakeError: the lake cannot be written.
        """
        complete_sealing(self.lake, self.paths, self.source, self.group, self.batch_id)
        rows, manifests, replaced = {}, [], []
        for table in self.tables:
            folder = BatchFolder(self.lake, self.paths, self.source, table.schema_name, table.table, self.batch_id)
            manifest = folder.intact_manifest()
            if manifest is None:
                manifest, originals = _seal_table(self, table, folder)
                manifests.append(manifest)
                replaced += originals
            rows[table.qualified_name] = manifest.rows
            self.say(f"{table.qualified_name}: {manifest.rows:,} rows copied by Data Factory")
        seal_group(self.lake, self.paths, self.source, self.group, manifests)
        for path in replaced:
            self.lake.delete_file(path)
        return rows


def _seal_table(batch: AdfBatch, table: Table, folder: BatchFolder) -> tuple[Manifest, list[str]]:
    """The manifest of a table's files, and the paths of files that others have replaced."""
    names = batch.lake.list_names(folder.path)
    for name in names:
        if _OURS.fullmatch(name):  # an earlier try of this step, or of our own operator, that did not come to its end
            batch.lake.delete_file(f"{folder.path}/{name}")
    written = [name for name in names if name.endswith(".parquet") and not _OURS.fullmatch(name)]
    if not written:
        raise BronzeError(
            f"{table.qualified_name}: Data Factory wrote no Parquet file into {folder.path}; check in its monitor "
            "that the copy of this table ran, and that its sink is this folder"
        )
    files, replaced, attempt = [], [], secrets.token_hex(4)
    conversion = _Conversion(table)
    for number, name in enumerate(written):
        path = f"{folder.path}/{name}"
        with _open(batch.lake, path, table) as file:
            if conversion.is_needed(file):
                part = f"part-{number:05d}-{attempt}.parquet"
                files.append(conversion.rewrite(file, batch.lake, folder.path, part))
                replaced.append(path)
            else:
                size = batch.lake.size(path) or 0
                digest = checksum(batch.lake, path)
                files.append(BronzeFile(name=name, rows=file.metadata.num_rows, bytes=size, sha256=digest))
    return Manifest(
        source=batch.source,
        schema_name=table.schema_name,
        table=table.table,
        batch_id=batch.batch_id,
        mode=table.mode,
        columns=conversion.columns,
        rows=sum(file.rows for file in files),
        files=tuple(files),
        read_from=batch.read_from,
        written_by="adf",
        run_id=batch.run_id,
        started_at=batch.started_at,
        sealed_at=datetime.now(UTC),
    ), replaced


def _open(lake: LakeFiles, path: str, table: Table) -> parquet.ParquetFile:
    try:
        # In nanoseconds, Arrow's default for INT96, years before 1678 and after 2261 would silently become others.
        return parquet.ParquetFile(
            lake.filesystem.open_input_file(lake.locate(path)), coerce_int96_timestamp_unit="us", pre_buffer=False
        )
    except pyarrow.ArrowInvalid as error:
        raise BronzeError(
            f"{table.qualified_name}: {path} is no complete Parquet file ({error}); clear the ingest task to copy again"
        ) from error


class _Conversion:
    """From what Data Factory wrote to the contract's columns of one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.columns = tuple(
            BronzeColumn(
                name=column.name,
                source=column.source_name,
                postgres_type=column.type,
                stored_as=stored_type(column.type, column.store),
                key_position=table.key.index(column.name) + 1 if column.name in table.key else None,
            )
            for column in table.columns
        )
        self._schema = pyarrow.schema([(column.name, to_arrow(column.stored_as)) for column in self.columns])

    def is_needed(self, file: parquet.ParquetFile) -> bool:
        """Whether a file differs from the contract; INT96 looks like a timestamp, but Spark reads it as another type.

        Raises:
            BronzeError: a column is missing or unknown.
        """
        self._positions(file.schema_arrow)
        physical = {file.schema.column(i).physical_type for i in range(len(file.schema.names))}
        return "INT96" in physical or not file.schema_arrow.remove_metadata().equals(self._schema)

    def rewrite(self, file: parquet.ParquetFile, lake: LakeFiles, folder: str, name: str) -> BronzeFile:
        """Write the same rows in the contract's types, a few megabytes at a time.

        Raises:
            ValueNotRepresentableError, BronzeError, LakeError: see ``AdfBatch.seal``.
        """
        positions = self._positions(file.schema_arrow)
        writer = PartWriter(lake=lake, folder=folder, name=name, schema=self._schema, group_bytes=_GROUP_BYTES)
        try:
            for rows in file.iter_batches(_ROWS_AT_ONCE):
                arrays = [
                    self._convert(pyarrow.chunked_array([rows.column(position)]), column)
                    for position, column in zip(positions, self.columns, strict=True)
                ]
                writer.add(pyarrow.table(arrays, schema=self._schema))
            result = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        if result.rows != file.metadata.num_rows:
            raise BronzeError(
                f"{self._table.qualified_name}: {result.rows} of {file.metadata.num_rows} rows were converted; "
                "this is a defect of Midnight: please report it"
            )
        return result

    def _positions(self, found: pyarrow.Schema) -> list[int]:
        """Where each column is in the file: under its name, or the source's (Data Factory keeps it)."""
        names = [name if found.get_field_index(name) >= 0 else source for name, source in self._names()]
        positions = [found.get_field_index(name) for name in names]
        missing = [name for name, position in zip(names, positions, strict=True) if position < 0]
        unknown = sorted(set(found.names) - set(names))
        if missing or unknown:
            file = table_file_name(self._table.schema_name, self._table.table)
            raise BronzeError(
                f"{self._table.qualified_name}: Data Factory wrote columns {found.names!r}; missing are {missing!r}, "
                f"not configured {unknown!r}; bring tables/{file} and the pipeline's query in line"
            )
        return positions

    def _names(self) -> list[tuple[str, str]]:
        return [(column.name, column.source) for column in self.columns]

    def _convert(self, values: pyarrow.ChunkedArray, column: BronzeColumn) -> pyarrow.ChunkedArray:
        target, actual = self._schema.field(column.name).type, values.type
        if actual == target:
            return values
        try:
            if pyarrow.types.is_string(actual) and pyarrow.types.is_decimal(target):
                return text_to_decimal(values, target)
            if _is_lossless_kind(actual, target):
                result = pc.cast(values, target)  # checked: an overflow or a lost decimal raises
                if pyarrow.types.is_date(target):
                    _check_midnight(values, result)
                return result
        except (pyarrow.ArrowInvalid, UnfitError) as error:
            raise ValueNotRepresentableError(
                f"{self._table.qualified_name}: column {column.source!r} ({column.postgres_type}), which Data "
                f"Factory wrote as {actual}, holds a value that does not fit {column.stored_as} exactly ({error}); "
                "correct it in the source or add to the column store: text"
            ) from error
        raise BronzeError(
            f"{self._table.qualified_name}: column {column.source!r} is {column.postgres_type} in the configuration, "
            f"but Data Factory wrote {actual}; cast it to {column.stored_as} in the pipeline's query"
        )


def _is_lossless_kind(actual: pyarrow.DataType, target: pyarrow.DataType) -> bool:
    """Whether a checked cast between two kinds of types keeps the meaning of every value that it lets through."""
    kinds = pyarrow.types
    integers = kinds.is_integer(actual) and (kinds.is_integer(target) or kinds.is_decimal(target))
    decimals = kinds.is_decimal(actual) and (kinds.is_integer(target) or kinds.is_decimal(target))
    floats = kinds.is_float32(actual) and kinds.is_float64(target)
    # A timestamp without zone is UTC: the pipeline's query converts it so.
    moments = kinds.is_timestamp(actual) and (kinds.is_timestamp(target) or kinds.is_date(target))
    texts = kinds.is_large_string(actual) and kinds.is_string(target)
    bytes_ = (kinds.is_large_binary(actual) or kinds.is_fixed_size_binary(actual)) and kinds.is_binary(target)
    return integers or decimals or floats or moments or texts or bytes_


def _check_midnight(values: pyarrow.ChunkedArray, dates: pyarrow.ChunkedArray) -> None:
    changed = pc.not_equal(pc.cast(dates, values.type), values)
    if pc.any(changed).as_py():
        raise UnfitError(str(pc.filter(values, changed)[0].as_py()))
