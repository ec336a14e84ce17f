"""Seals the files that Azure Data Factory wrote, with the same manifest and types as the operator's batches.

Midnight's queries copy numbers, dates and timestamps as text (``copy_request``); otherwise Data Factory writes
timestamps as INT96, dates as timestamps and numbers without precision as decimal(38,18). Files that differ from the
contract are rewritten by pyarrow in the contract's types, so that silver reads one kind of bronze whichever way it
came; the others stay unchanged.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

import pyarrow  # no DAG file imports this module
from pyarrow import parquet

from midnight.bronze.batches import BronzeStore, checksum
from midnight.bronze.increments import ReadPlan, plan_read, read_history
from midnight.bronze.manifest import BronzeFile, KeyList, Manifest, ReadFrom
from midnight.bronze.stopped_tables import StoppedTable, with_referencing_tables, write_stopped_tables
from midnight.bronze.unfinished import UnfinishedReads
from midnight.bronze.unrepresentable import replaced_warnings
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copied_schema, is_key_part, part_ending
from midnight.data_factory.row_hashes import uncompared
from midnight.data_factory.type_conversion import Conversion
from midnight.errors import BronzeError, MidnightError, ReconciliationError, ValueNotRepresentableError
from midnight.lake.many_files import read_many
from midnight.reconciliation.record import LinkRecord, describe_differences

_logger = logging.getLogger(__name__)

_INCREMENT = re.compile(r"-since-[0-9a-f]{8}\.parquet$")
_OURS = re.compile(r"(part|keys)-\d{5}-[0-9a-f]{8}\.parquet")


@dataclass(frozen=True)
class AdfBatch:
    """The tables of one load group that a Data Factory pipeline has copied. Use ``seal``.

    Args:
        bronze: the source's batches.
        tables: that were copied, each into its batch folder.
        group: name of the load group.
        batch_id: of the run; ``run_id`` Airflow's.
        read_from: for the manifest; Data Factory reports neither server nor snapshot.
        started_at: when the copy began, or before: cursor values after it do not move the start of the next run.
        pipeline_run: id of the pipeline run, with which the names of its files begin: files of a failed or cancelled
            run in the same folder are not part of the batch. Empty: all files are.
        rows_copied: by qualified name, the rows that Data Factory reports as copied; other tables are not compared;
            ``keys_copied`` the same for the lists of keys.
        full_reload: the run's parameter, which decides how an incremental table was read.
        stopped: tables of the load group that could not be copied, and those that reference them.
        log: takes one line per table, for the task's log.
        warn: takes one line per problem to correct in the source.
    """

    bronze: BronzeStore
    tables: Sequence[Table]
    group: str
    batch_id: str
    run_id: str
    read_from: ReadFrom
    started_at: datetime
    pipeline_run: str = ""
    rows_copied: Mapping[str, int] = field(default_factory=dict)
    keys_copied: Mapping[str, int] = field(default_factory=dict)
    full_reload: bool = False
    stopped: tuple[StoppedTable, ...] = ()
    log: Callable[[str], None] = _logger.info
    warn: Callable[[str], None] = _logger.warning

    def seal(self) -> dict[str, int]:
        """Check, convert and seal; a sealed batch whose files are unchanged is kept.

        A table with a value that does not fit its column exactly is stopped, with those that reference it: they are not
        sealed, and the later tasks of the run find the reason next to the run documents.

        Returns:
            Rows per sealed table.

        Raises:
            BronzeError: a table has no file, a file has other columns than configured, or not all rows arrived.
            ReconciliationError: a value was changed on the way.
            LakeError: the lake cannot be written.
        """
        self.bronze.complete_sealing(self.group, self.batch_id)
        attempt = secrets.token_hex(4)  # files of a try that still runs somewhere must not be overwritten
        try:
            manifests = self._seal(attempt)
        except BaseException:
            self._delete_files_of(attempt)
            raise
        # Originals, and files of an earlier try, of our own operator, or of a pipeline run that did not finish.
        read_many(self.bronze.lake, self.bronze.delete_surplus, manifests)
        return {manifest.qualified_name: manifest.rows for manifest in manifests}

    def _seal(self, attempt: str) -> list[Manifest]:
        found, new, failed = [], [], []
        for table in self.tables:
            manifest = self.bronze.unseal_damaged(table, self.batch_id)
            if manifest is None:
                try:
                    manifest = _make_manifest(self, table, self._reading(table), attempt)
                except ValueNotRepresentableError as error:
                    failed.append(StoppedTable(table=table.qualified_name, silver=table.silver, problems=(str(error),)))
                    continue
                new.append(manifest)
            found.append(manifest)
        left_out = self._stop(failed)
        new = [manifest for manifest in new if manifest.qualified_name not in left_out]
        found = [manifest for manifest in found if manifest.qualified_name not in left_out]
        self.bronze.seal_group(self.group, new)
        for manifest in found:
            self.log(f"{manifest.qualified_name}: {manifest.rows:,} rows copied by Data Factory")
        for warning in (text for manifest in new for text in manifest.warnings):
            self.warn(warning)
        return found

    def _stop(self, failed: Sequence[StoppedTable]) -> set[str]:
        """Leave the stopped tables to the later tasks; returns the names of those that were copied."""
        by_value = with_referencing_tables(self.tables, failed)
        write_stopped_tables(self.bronze, self.group, self.batch_id, (*self.stopped, *by_value))
        for table in (*self.stopped, *by_value):
            self.warn(f"not loaded by this run: {table.message}")
        names = {table.table for table in by_value}
        for each in self.tables:
            if each.qualified_name in names:
                self.bronze.delete_batch(each, self.batch_id)
        return names

    def _delete_files_of(self, attempt: str) -> None:
        """Delete what a failed try has converted, unless it belongs to a batch; logs what cannot be deleted."""
        try:
            used = self.bronze.files_in_use(self.group, self.tables, self.batch_id)
            unfinished = UnfinishedReads(self.bronze, self.group, self.batch_id)
            for table, names in zip(self.tables, used, strict=True):
                unfinished.delete_files(table, keep=names or (), of=attempt)
        except (OSError, MidnightError) as error:
            _logger.warning("files of this try stay: %s", error)

    def _reading(self, table: Table) -> ReadPlan:
        """How the copy was to read the table: planned again from the same history, which has not changed since."""
        history = read_history(self.bronze, table, self.batch_id)
        return plan_read(table, copied_schema(table), self.batch_id, history, full_reload=self.full_reload)


def _make_manifest(batch: AdfBatch, table: Table, reading: ReadPlan, attempt: str) -> Manifest:
    """The manifest of a table's files, of which those that do not follow the contract are converted."""
    folder = batch.bronze.batch_folder(table, batch.batch_id)
    written: list[str] = []
    listed: list[str] = []
    for name in batch.bronze.lake.list_names(folder):
        if name.endswith(".parquet") and name.startswith(batch.pipeline_run) and not _OURS.fullmatch(name):
            (listed if is_key_part(name.removesuffix(".parquet")) else written).append(name)
    if not written or (reading.reads_keys and not listed):
        raise BronzeError(
            f"{table.qualified_name}: Data Factory wrote no Parquet file with {'keys' if written else 'rows'} into "
            f"{folder}; hint: check in its "
            "monitor that the copy of this table ran, and that its sink is this folder"
        )
    other = [name for name in written if _ending(name) != part_ending(reading)]
    other += [] if reading.reads_keys else listed
    if other:
        raise BronzeError(
            f"{table.qualified_name}: Data Factory has copied {other[0]} for another range of rows than mode "
            f"{reading.mode!r} since {reading.since!r}; the table's file or an earlier batch has changed since the "
            "copy began; hint: clear the ingest task to copy again"
        )
    conversion = Conversion(table, batch.started_at)
    files = _convert_files(batch, table, written, conversion, f"part-{{:05d}}-{attempt}.parquet")
    keys = None
    if reading.reads_keys:
        of_keys = Conversion(table, batch.started_at, table.key)
        key_files = _convert_files(batch, table, listed, of_keys, f"keys-{{:05d}}-{attempt}.parquet")
        keys = KeyList(columns=table.key, rows=sum(file.rows for file in key_files), files=tuple(key_files))
    rows = sum(file.rows for file in files)
    replaced = conversion.replaced.found
    return Manifest(
        source=batch.bronze.source,
        schema_name=table.schema_name,
        table=table.table,
        batch_id=batch.batch_id,
        mode=reading.mode,
        cursor=reading.cursor_range(conversion.extremes),
        columns=conversion.columns,
        rows=rows,
        files=tuple(files),
        keys=keys,
        read_from=batch.read_from,
        horizon=reading.horizon,
        written_by="adf",
        run_id=batch.run_id,
        started_at=batch.started_at,
        sealed_at=datetime.now(UTC),
        warnings=tuple(
            filter(None, [reading.cursor_warning(conversion.extremes), *replaced_warnings(table, replaced)])
        ),
        reconciliation=_record(batch, table, conversion, rows),
        unrepresentable=replaced,
    )


def _convert_files(
    batch: AdfBatch, table: Table, names: Sequence[str], conversion: Conversion, new_name: str
) -> list[BronzeFile]:
    """The files in the contract's types; ``new_name`` with a number for each that is converted."""
    lake, folder = batch.bronze.lake, batch.bronze.batch_folder(table, batch.batch_id)
    files = []
    for number, name in enumerate(names):
        path = f"{folder}/{name}"
        with lake.open_input(path) as stream, _open(stream, path, table) as file:
            if conversion.is_needed(file):
                files.append(conversion.rewrite(file, lake, folder, new_name.format(number)))
            else:
                conversion.scan_cursor_range(file)
                size = lake.size(path) or 0
                digest = checksum(lake, path)
                files.append(BronzeFile(name=name, rows=file.metadata.num_rows, bytes=size, sha256=digest))
    rows = sum(file.rows for file in files)
    counted, what = (batch.rows_copied, "rows") if new_name.startswith("part") else (batch.keys_copied, "keys")
    copied = counted.get(table.qualified_name, rows)
    if copied != rows:
        raise BronzeError(
            f"{table.qualified_name}: Data Factory reports {copied:,} copied {what}, but its files in {folder} "
            f"hold {rows:,}; hint: clear the ingest task to copy again"
        )
    return files


def _record(batch: AdfBatch, table: Table, conversion: Conversion, rows: int) -> LinkRecord:
    """What is known of a copy.

    Raises:
        ReconciliationError: a value of a row was changed on the way.
    """
    if conversion.hashes is None or conversion.hashes.rows != rows:
        return uncompared(table, rows, counted=table.qualified_name in batch.rows_copied)
    record = conversion.hashes.record()
    if record.status == "different":
        raise ReconciliationError(
            f"{table.qualified_name}: Data Factory has changed values; nothing was sealed\n"
            f"{describe_differences([record])}\nhint: clear the ingest task to copy again; if they differ again, copy "
            "with ingest_with: operator, and report these lines (docs/reconciliation.md)"
        )
    return record


def _ending(name: str) -> str:
    found = _INCREMENT.search(name)
    return found[0].removesuffix(".parquet") if found else ""


def _open(stream: BinaryIO, path: str, table: Table) -> parquet.ParquetFile:
    try:
        # In nanoseconds, Arrow's default for INT96, years before 1678 and after 2261 would silently change.
        return parquet.ParquetFile(stream, coerce_int96_timestamp_unit="us", pre_buffer=False)
    except pyarrow.ArrowInvalid as error:
        raise BronzeError(
            f"{table.qualified_name}: {path} is not a complete Parquet file ({error}); hint: clear the ingest task to "
            "copy again"
        ) from error
