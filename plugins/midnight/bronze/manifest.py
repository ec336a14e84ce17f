"""The bronze manifest, which seals a batch. Later stages ignore a batch without one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from midnight.errors import BronzeError
from midnight.lake.paths import LakePaths
from midnight.names import qualified_name


class ManifestModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class BronzeColumn(ManifestModel):
    """One column of the batch's Parquet files.

    Args:
        name: column name in the files.
        source: column name in PostgreSQL.
        postgres_type: as ``format_type`` prints it.
        stored_as: PostgreSQL type in which the file stores the values (``midnight.column_types`` maps it).
        nullable: whether the source allows null.
        key_position: position in the primary key of the source, from 1; None for other columns.
    """

    name: str
    source: str
    postgres_type: str
    stored_as: str
    nullable: bool = True
    key_position: int | None = None


class BronzeFile(ManifestModel):
    """One Parquet file: its name in the batch folder, rows, size in bytes, and SHA-256 of its content (hex).

    ``sha256`` of a file that Data Factory wrote is empty until the batch is sealed.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


class ReadFrom(ManifestModel):
    """Where the rows were read from.

    Args:
        server: system identifier of the cluster if the role may read it, otherwise host and port.
        server_version: for example ``18.6``.
        database: its name.
        snapshot: exported snapshot id shared by all tables of the group; empty for Data Factory.
        lsn: write-ahead log position of the snapshot; empty if the role may not read it.
    """

    server: str
    server_version: str
    database: str
    snapshot: str = ""
    lsn: str = ""


class CursorRange(ManifestModel):
    """The cursor values of a batch of an incremental table, as text (``midnight.configuration.cursors``).

    Args:
        column: the cursor's name in the files.
        key: of the table when it was read; an increment with another key cannot be merged into the rows before.
        since: rows with this value or a greater one, and rows without a value, were read; None: all rows.
        lowest: smallest value in this batch; None if no row has one; ``highest``: the greatest.
        reached: the greatest value up to this batch; the next run reads from here.
        follows: the batch that an increment continues; empty for a full snapshot.
        full_snapshot: id of the last batch with a full snapshot, which may be this batch.
    """

    column: str
    key: tuple[str, ...]
    since: str | None = None
    lowest: str | None = None
    highest: str | None = None
    reached: str | None = None
    follows: str = ""
    full_snapshot: str


class Manifest(ManifestModel):
    """The content of ``_manifest.json``. ``mode`` is the mode of the batch; only incremental tables have a cursor.

    ``warnings`` tells people what to correct in the source; silver repeats it in the ledger.
    """

    format: Literal[1] = 1
    source: str
    schema_name: str
    table: str
    batch_id: str
    mode: Literal["snapshot", "incremental"] = "snapshot"
    cursor: CursorRange | None = None
    columns: tuple[BronzeColumn, ...]
    rows: int
    files: tuple[BronzeFile, ...]
    read_from: ReadFrom
    written_by: Literal["operator", "adf"]
    run_id: str
    started_at: datetime
    sealed_at: datetime
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _increment_continues_something(self) -> Manifest:
        if (self.mode == "incremental") != bool(self.cursor and self.cursor.follows):
            raise ValueError(f"mode={self.mode!r} contradicts cursor={self.cursor!r}")
        return self

    @property
    def qualified_name(self) -> str:
        return qualified_name(self.schema_name, self.table)

    @property
    def follows(self) -> str:
        """The batch that an increment continues; empty for a full snapshot."""
        return "" if self.cursor is None else self.cursor.follows

    @property
    def layout(self) -> list[tuple[str, str, str]]:
        """Name in the files, name in the source, and stored type of each column."""
        return [(column.name, column.source, column.stored_as) for column in self.columns]

    def to_json(self) -> str:
        return self.model_dump_json(indent=1)

    def file_paths(self, paths: LakePaths) -> list[str]:
        """Full paths of the batch's Parquet files, in order."""
        folder = paths.batch(self.source, self.schema_name, self.table, self.batch_id)
        return [f"{folder}/{file.name}" for file in self.files]


def parse_manifest(text: str, where: str) -> Manifest:
    """Parse and validate a manifest.

    Args:
        text: JSON.
        where: path of the file, for messages.

    Raises:
        BronzeError: the text is not a manifest of this version, or its counts contradict each other.
    """
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BronzeError(
            f"{where} is not a bronze manifest ({error.error_count()} problems, first: {error.errors()[0]['msg']}); "
            "hint: delete the batch folder and clear the ingest task"
        ) from error
    total = sum(file.rows for file in manifest.files)
    if total != manifest.rows:
        raise BronzeError(
            f"{where}: {manifest.qualified_name} has rows={manifest.rows!r}, but {total!r} rows in its files; "
            "hint: delete the batch folder and clear the ingest task"
        )
    return manifest
