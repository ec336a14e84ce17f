"""The bronze manifest, which seals a batch. Later stages ignore a batch without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from midnight.bronze.horizon import Horizon
from midnight.bronze.manifest_model import ManifestModel
from midnight.errors import BronzeError
from midnight.lake.paths import LakePaths
from midnight.names import qualified_name
from midnight.reconciliation.record import LinkRecord


class BronzeColumn(ManifestModel):
    """One column of the batch's Parquet files.

    Args:
        name: column name in the files.
        source: column name in PostgreSQL.
        postgres_type: as ``format_type`` prints it.
        stored_as: PostgreSQL type in which the file stores the values (``midnight.column_types`` maps it).
        nullable: whether the source allows null.
        key_position: position in the primary key of the source, from 1; None for other columns.
        attnum: identifies the column within its table in PostgreSQL, whatever its name; 0 if unknown (Data Factory).
        missing: what rows that were there before the column show, as text of the stored type: the constant default
            with which it was added; None: null.
        computed: rows that were there before the column show values that only a read can tell.
        labels: oid -> name of the enum values and composite attributes that its type contains.
    """

    name: str
    source: str
    postgres_type: str
    stored_as: str
    nullable: bool = True
    key_position: int | None = None
    attnum: int = 0
    missing: str | None = None
    computed: bool = False
    labels: Mapping[str, str] = Field(default={})


class BronzeRelation(ManifestModel):
    """The table in the source's catalogue, whatever its name.

    Args:
        oid: of the table; a table that was dropped and created again has another one.
        kind: ``table``, ``view``, …; ``parent table`` if other tables inherit from it.
        filenode: of its file; another one after it was rewritten; 0 if it has none.
        last_attnum: the highest attnum that it has ever used.
    """

    oid: int
    kind: str
    filenode: int = 0
    last_attnum: int = 0


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
        since_transaction: and rows that this transaction (64 bits) or a later one wrote; None: no others.
        lowest: smallest value in this batch; None if no row has one; ``highest``: the greatest.
        reached: the greatest value up to this batch; the next run reads from here.
        follows: the batch that an increment continues; empty for a full snapshot.
        full_snapshot: id of the last batch with a full snapshot, which may be this batch.
    """

    column: str
    key: tuple[str, ...]
    since: str | None = None
    since_transaction: int | None = None
    lowest: str | None = None
    highest: str | None = None
    reached: str | None = None
    follows: str = ""
    full_snapshot: str


class KeyList(ManifestModel):
    """The keys of all rows that the table had when an increment was read: of another row, the source has deleted it.

    Args:
        columns: of the key, as named in the files.
        rows: in total; ``files`` the Parquet files with these columns alone.
    """

    columns: tuple[str, ...]
    rows: int
    files: tuple[BronzeFile, ...]


class UnrepresentableValues(ManifestModel):
    """Values of a column that bronze cannot hold and that became null (``on_unrepresentable: null``).

    Args:
        column: its name in the files.
        values: how many.
        example: the first one as PostgreSQL prints it; empty for a masked column.
    """

    column: str
    values: int
    example: str = ""


class Manifest(ManifestModel):
    """The content of ``_manifest.json``. ``mode`` is the mode of the batch; only incremental tables have a cursor.

    ``horizon`` is what the snapshot did not show; None if no batch of the table was read in a snapshot so far.
    ``keys`` has an increment of a table with ``deletes: keys`` or ``soft``. ``warnings`` tells what to correct in
    the source; silver repeats it in the ledger. ``reconciliation`` is the comparison with the source, without which
    nothing is sealed. ``relation`` is None if Data Factory has read it. ``schema_changes`` tells people what changed in
    the table since the batch before, and ``dropped`` names the configured columns that the table no longer has.
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
    keys: KeyList | None = None
    read_from: ReadFrom
    horizon: Horizon | None = None
    written_by: Literal["operator", "adf"]
    run_id: str
    started_at: datetime
    sealed_at: datetime
    warnings: tuple[str, ...] = ()
    reconciliation: LinkRecord | None = None
    unrepresentable: tuple[UnrepresentableValues, ...] = ()
    relation: BronzeRelation | None = None
    schema_changes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _increment_continues_something(self) -> Manifest:
        if (self.mode == "incremental") != bool(self.cursor and self.cursor.follows):
            raise ValueError(f"mode={self.mode!r} contradicts cursor={self.cursor!r}")
        if self.keys is not None and self.mode == "snapshot":
            raise ValueError("a full snapshot has a list of keys, which only an increment needs")
        return self

    @property
    def qualified_name(self) -> str:
        return qualified_name(self.schema_name, self.table)

    @property
    def follows(self) -> str:
        """The batch that an increment continues; empty for a full snapshot."""
        return "" if self.cursor is None else self.cursor.follows

    @property
    def full_snapshot(self) -> str:
        """Id of the last batch with a full snapshot, which may be this batch."""
        return self.batch_id if self.cursor is None else self.cursor.full_snapshot

    def holds_key(self, key: Sequence[str]) -> bool:
        """Whether the rows of this batch can be merged into those before by this key.

        A full snapshot can by any. An increment can by the key it was read for, or by some of its columns: all
        versions of a row then have the same values in them.
        """
        return not self.follows or (self.cursor is not None and set(key) <= set(self.cursor.key))

    @property
    def unrepresentable_values(self) -> int:
        """Number of values that became null because bronze cannot hold them."""
        return sum(found.values for found in self.unrepresentable)

    def to_json(self) -> str:
        return self.model_dump_json(indent=1)

    def file_paths(self, paths: LakePaths) -> list[str]:
        """Full paths of the Parquet files with the batch's rows, in order."""
        return self._paths(paths, self.files)

    def key_paths(self, paths: LakePaths) -> list[str]:
        """Full paths of the Parquet files with the list of keys, in order."""
        return self._paths(paths, self.keys.files if self.keys else ())

    @property
    def all_files(self) -> tuple[BronzeFile, ...]:
        """The files with rows, then those with keys."""
        return (*self.files, *(self.keys.files if self.keys else ()))

    def all_paths(self, paths: LakePaths) -> list[str]:
        """Full paths of ``all_files``."""
        return self._paths(paths, self.all_files)

    def _paths(self, paths: LakePaths, files: tuple[BronzeFile, ...]) -> list[str]:
        folder = paths.batch(self.source, self.schema_name, self.table, self.batch_id)
        return [f"{folder}/{file.name}" for file in files]


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
    counted = [("rows", manifest.rows, manifest.files)]
    if manifest.keys is not None:
        counted.append(("keys", manifest.keys.rows, manifest.keys.files))
    for what, rows, files in counted:
        total = sum(file.rows for file in files)
        if total != rows:
            raise BronzeError(
                f"{where}: {manifest.qualified_name} has {what}={rows!r}, but {total!r} {what} in its files; "
                "hint: delete the batch folder and clear the ingest task"
            )
    return manifest
