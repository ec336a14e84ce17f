"""The files of a Delta table in a folder, and commits that exchange them (by delta-rs)."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midnight.atomic_file import write_atomically
from midnight.errors import LakeError, first_line
from midnight.lake.delta_protocol import READER_VERSION, WRITER_VERSION
from spark_jobs.runtime.key_set import is_exact_type
from spark_jobs.runtime.parquet_files import DataFile

if TYPE_CHECKING:
    import pyarrow as pa


class TableFiles:
    """The files of the newest version of a Delta table in a folder.

    Args:
        path: of the table.

    Raises:
        LakeError: there is no table, its log cannot be read, or it is partitioned, which is not supported.
    """

    def __init__(self, path: str) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        self.path = path
        try:
            self._table = DeltaTable(path)
        except DeltaError as error:
            raise LakeError(
                f"Delta table {path!r} cannot be read: {first_line(error)}; hint: check whether another run is active"
            ) from error

        partitions = self._table.metadata().partition_columns
        if partitions:
            raise LakeError(
                f"single files of {path!r} cannot be changed, since it is partitioned by {partitions!r}; hint: this is "
                "a defect of Midnight, please report it"
            )

    @cached_property
    def files(self) -> list[DataFile]:
        """All files, in the order of the log."""
        import pyarrow as pa

        actions = pa.table(self._table.get_add_actions())
        names, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
        return [DataFile(self.path, name, size) for name, size in zip(names, sizes, strict=True)]

    @property
    def rows(self) -> int:
        """Number of rows, by the files' footers."""
        return sum(file.rows for file in self.files)

    @cached_property
    def schema(self) -> pa.Schema | None:
        """Arrow's schema of the files; None if there is no file, or if they differ."""
        different = {tuple((field.name, field.type) for field in file.schema): file.schema for file in self.files}
        return next(iter(different.values())) if len(different) == 1 else None

    def key_problem(self, key: Sequence[str]) -> str:
        """Why rows cannot be found in single files by this key; empty if they can."""
        if self.schema is None:
            return "its files have different columns" if self.files else "the table is empty"
        if not key:
            return "its rows have no key"
        kinds = {name: self.schema.field(name).type for name in key}
        inexact = {name: str(kind) for name, kind in kinds.items() if not is_exact_type(kind)}
        return f"values of the key may be equal although their bytes are not: {inexact!r}" if inexact else ""

    def commit(self, new: Sequence[DataFile], removed: Sequence[DataFile]) -> None:
        """Exchange files in one transaction; removed ones stay in the folder until maintenance deletes them.

        Raises:
            LakeError: the commit failed, for example because another writer was faster; the table is unchanged.
        """
        from deltalake.exceptions import DeltaError
        from deltalake.transaction import AddAction, RemoveAction

        now = _milliseconds()
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.name, file.size, {}, now, True, file.log_statistics) for file in new
        ]
        actions += [RemoveAction(file.name, True, now, file.size, {}) for file in removed]
        if not actions:
            return
        try:
            self._table.create_write_transaction(actions, "append", self._table.schema())
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"Delta table {self.path!r} could not be changed: {first_line(error)}; hint: check the free space and "
                "whether another run is active, then clear the task"
            ) from error

    def create(
        self, target: str, kept: Sequence[DataFile], new: Sequence[DataFile], properties: Mapping[str, str]
    ) -> None:
        """Create a table with the same columns in another folder.

        delta-rs cannot do it: it refuses properties that it does not know itself.

        Args:
            target: the folder.
            kept: files of this table, which become hard links (copies where the file system has none).
            new: files that are in ``target`` already.
            properties: of the new table.
        """
        for file in kept:
            _link(file.path, f"{target}/{file.name}")
        create_log(target, self._table.schema().to_json(), [*kept, *new], properties)


def create_log(folder: str, schema: str, files: Sequence[DataFile], properties: Mapping[str, str]) -> None:
    """Make a Delta table of files that are in its folder already.

    Args:
        folder: of the table.
        schema: as JSON.
        files: of the table.
        properties: of the table.
    """
    now = _milliseconds()
    metadata = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        "configuration": dict(properties),
        "createdTime": now,
    }
    lines: list[dict[str, Any]] = [
        {"commitInfo": {"timestamp": now, "operation": "CREATE TABLE AS SELECT", "operationParameters": {}}},
        {"protocol": {"minReaderVersion": READER_VERSION, "minWriterVersion": WRITER_VERSION}},
        {"metaData": metadata},
    ]
    for file in files:
        added = {"path": file.name, "size": file.size, "partitionValues": {}, "modificationTime": now}
        lines.append({"add": {**added, "dataChange": True, "stats": file.log_statistics}})
    log = Path(folder) / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    write_atomically(log / f"{0:020}.json", "".join(json.dumps(line) + "\n" for line in lines))


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)
