"""What tries of a run have read of large tables before they failed: complete files that no manifest lists yet.

A small record per table and batch says for each file which rows it holds, and in which snapshot they were read. It lies
next to the run documents, so that a batch's folder holds nothing but its files and manifest. The next try of the same
run uses the files whose rows are provably unchanged (``postgres_to_bronze.resume``). Sealing the batch ends the record;
``remove_abandoned`` deletes what no try came back for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import BronzeFile
from midnight.bronze.manifest_model import ManifestModel
from midnight.errors import MidnightError
from midnight.lake.many_files import read_many
from midnight.names import SourceTable, qualified_name

_logger = logging.getLogger(__name__)

# A try that works completes a range of at most 1 GB now and then; one that has not for so long has ended.
ABANDONED_AFTER = timedelta(hours=24)


class FinishedRange(ManifestModel):
    """A range of a table that is completely in a file.

    Args:
        number: of the range.
        file: with its rows; a range without rows is not recorded.
        snapshot: in which it was read, or last proved unchanged, as ``pg_current_snapshot()`` prints it.
        read_at: when it was read, in UTC.
    """

    number: int
    file: BronzeFile
    snapshot: str
    read_at: datetime


class ReadPlace(ManifestModel):
    """Where and how a table is read: with another value, ranges of an earlier try cannot be compared with the table.

    Args:
        cluster: system identifier of the server.
        timeline: begins again with each failover and recovery to a point in time.
        database: oid.
        in_recovery: it was read from a standby.
        storage: oid of each relation that holds rows -> its file node, which TRUNCATE and every rewrite replace.
        query: SHA-256 of the SELECT and of everything else in the catalogue that decides what it returns.
    """

    cluster: str
    timeline: int
    database: int
    in_recovery: bool
    storage: dict[int, int]
    query: str

    def difference(self, other: ReadPlace) -> str:
        """What makes an earlier read (this one) worthless for ``other``; empty if nothing does."""
        if self.cluster != other.cluster:
            return f"the server is another one ({other.cluster} instead of {self.cluster})"
        if self.timeline != other.timeline:
            return f"the server is on timeline {other.timeline} instead of {self.timeline}, after a failover or restore"
        if self.database != other.database:
            return "the database was created again"
        if self.storage != other.storage:
            return "the table was truncated, rewritten or created again"
        return "" if self.query == other.query else "its definition or its configuration has changed"


class UnfinishedRead(ManifestModel):
    """The record of a table that is being read.

    Args:
        source, schema_name, table, batch_id: whose batch it is.
        place: where and how it is read.
        ranges: conditions on ``ctid`` of all ranges.
        finished: those that are in a file.
        updated_at: when the last of them was added, in UTC.
    """

    source: str
    schema_name: str
    table: str
    batch_id: str
    place: ReadPlace
    ranges: tuple[str, ...]
    finished: tuple[FinishedRange, ...] = ()
    updated_at: datetime

    @property
    def file_names(self) -> set[str]:
        """Names of its files in the folder of the batch."""
        return {each.file.name for each in self.finished}


@dataclass(frozen=True)
class UnfinishedReads:
    """The records of a load group in one batch.

    Args:
        bronze: the batches of the source.
        group: name of the load group.
        batch_id: of the batch.
    """

    bronze: BronzeStore
    group: str
    batch_id: str

    def read_all(self, tables: Sequence[SourceTable]) -> dict[str, UnfinishedRead]:
        """By qualified name the records that list a file; those of another version are left out."""
        names = set(self.bronze.lake.list_names(self._folder))
        known = [table for table in tables if self._path(table).rpartition("/")[2] in names]
        found = read_many(self.bronze.lake, lambda table: _read(self.bronze, self._path(table)), known)
        return {qualified_name(r.schema_name, r.table): r for r in found if r is not None and r.finished}

    def new_record(self, table: SourceTable, place: ReadPlace, ranges: Sequence[str], now: datetime) -> UnfinishedRead:
        """A record without a file, which is not written yet."""
        return UnfinishedRead(
            source=self.bronze.source,
            schema_name=table.schema_name,
            table=table.table,
            batch_id=self.batch_id,
            place=place,
            ranges=tuple(ranges),
            updated_at=now,
        )

    def write(self, read: UnfinishedRead) -> None:
        """Write or replace a record.

        Raises:
            LakeError: disk full, no permission.
        """
        self.bronze.lake.write_text(self._path(read), read.model_dump_json())

    def remove(self) -> None:
        """Delete all records; does nothing if there are none."""
        if self.bronze.lake.list_names(self._folder):
            self.bronze.lake.delete_folder(self._folder)

    def delete_incomplete(self, tables: Sequence[SourceTable]) -> None:
        """Delete the unsealed files that no record lists: failed tries have left them incomplete.

        A batch that was sealed, and is damaged, is deleted as a whole.
        """
        records = self.read_all(tables)

        def delete(table: SourceTable) -> None:
            read = records.get(qualified_name(table.schema_name, table.table))
            if read is None or self.bronze.is_sealed(table, self.batch_id):
                self.bronze.delete_batch(table, self.batch_id)
            else:
                self.delete_files(table, keep=read.file_names)

        read_many(self.bronze.lake, delete, tables)

    def clean_up(self, tables: Sequence[SourceTable], attempt: str) -> None:
        """After a failed try, delete what the next one cannot use; logs what cannot be deleted.

        A sealing that has begun is completed by the next try, whichever try began it.

        Args:
            tables: that it has read.
            attempt: part of the names of its files.
        """
        try:
            used = self.bronze.files_in_use(self.group, tables, self.batch_id)
            for table, names in zip(tables, used, strict=True):
                if names is not None:
                    self.delete_files(table, keep=names, of=attempt)
            unsealed = [table for table, names in zip(tables, used, strict=True) if names is None]
            self.delete_incomplete(unsealed)
            if not self.read_all(unsealed):
                self.remove()
        except (OSError, MidnightError) as error:
            _logger.warning("unsealed files stay until the next try: %s", error)

    def delete_files(self, table: SourceTable, *, keep: Collection[str] = (), of: str = "") -> None:
        """Delete files of the batch.

        Args:
            table: whose batch.
            keep: names of files that stay.
            of: part of the names of those that go.
        """
        folder = self.bronze.batch_folder(table, self.batch_id)
        for name in self.bronze.lake.list_names(folder):
            if name not in keep and of in name:
                self.bronze.lake.delete_file(f"{folder}/{name}")

    @property
    def _folder(self) -> str:
        return self.bronze.paths.unfinished_reads(self.bronze.source, self.group, self.batch_id)

    def _path(self, table: SourceTable) -> str:
        bronze = self.bronze
        return bronze.paths.unfinished_read(bronze.source, self.group, self.batch_id, table.schema_name, table.table)


def remove_abandoned(bronze: BronzeStore, now: datetime, *, keep: str = "") -> list[str]:
    """Delete the unsealed files of tries after which none came for a day.

    Args:
        bronze: the batches of one source.
        now: with a time zone.
        keep: id of a batch whose next try begins now.

    Returns:
        The deleted folders.
    """
    removed = []
    lake, runs = bronze.lake, bronze.paths.run_documents
    names = [name for name in lake.list_names(runs) if name.endswith(bronze.paths.UNFINISHED)]
    for folder in [f"{runs}/{name}" for name in names if not keep or not name.startswith(keep)]:
        reads = [_read(bronze, f"{folder}/{name}") for name in lake.list_names(folder)]
        found = [read for read in reads if read is not None]
        if any(read.source != bronze.source or now - read.updated_at < ABANDONED_AFTER for read in found):
            continue
        for read in found:
            if not bronze.is_sealed(read, read.batch_id):
                bronze.delete_batch(read, read.batch_id)
                removed.append(bronze.batch_folder(read, read.batch_id))
        lake.delete_folder(folder)
    return removed


def _read(bronze: BronzeStore, path: str) -> UnfinishedRead | None:
    text = bronze.lake.read_text(path)
    try:
        return None if text is None else UnfinishedRead.model_validate_json(text)
    except ValidationError:
        return None  # of another version: the table is read again
