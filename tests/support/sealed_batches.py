"""Makes sealed bronze batches from rows, as the ingestion does, and run documents for them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from midnight.bronze.manifest import BronzeColumn, BronzeFile, CursorRange, KeyList, Manifest, ReadFrom
from midnight.column_types import stored_type, to_arrow
from midnight.configuration.tables import Table
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import COUNTS, LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument, TableWork

SEALED_AT = datetime(2013, 1, 2, tzinfo=UTC)
SOURCE = "test"


def batch_id(number: int) -> str:
    return f"2013{number:04d}T000000000Z-abcdef01"


def seal(
    paths: LakePaths,
    table: Table,
    number: int,
    rows: Sequence[Mapping[str, Any]] | pa.Table,
    *,
    columns: Mapping[str, str] | None = None,
    files: int = 1,
    cursor: CursorRange | None = None,
    keys: Sequence[Mapping[str, Any]] | None = None,
) -> Manifest:
    """Write one batch.

    Args:
        paths: of the lake.
        table: whose batch it is.
        number: of the batch: a higher number is a newer batch.
        rows: by the source's column names; a missing column is null.
        columns: source column -> PostgreSQL type, if they differ from the configuration.
        files: number of files to write.
        cursor: of an incremental table; the batch is an increment if it follows another.
        keys: rows whose keys are in the list of keys; None for a batch without one.
    """
    known = {column.source_name: column for column in table.columns}
    types = dict(columns) if columns is not None else {name: c.type for name, c in known.items()}
    bronze = [
        BronzeColumn(
            name=known[name].name if name in known else name,
            source=name,
            postgres_type=kind,
            stored_as=stored_type(kind, known[name].bronze_type if name in known else None),
        )
        for name, kind in types.items()
    ]
    schema = pa.schema([(column.name, to_arrow(column.stored_as)) for column in bronze])
    if isinstance(rows, pa.Table):
        data = rows.rename_columns([column.name for column in bronze]).cast(schema)
    else:
        arrays = [pa.array([row.get(c.source) for row in rows], f.type) for c, f in zip(bronze, schema, strict=True)]
        data = pa.Table.from_arrays(arrays, schema=schema)
    lake = open_local_lake()
    folder = paths.batch(SOURCE, table.schema_name, table.table, batch_id(number))
    written = _write_files(Path(folder), "part", data, files)
    listed = None
    if keys is not None:
        sources = {c.name: (c.source, schema.field(c.name).type) for c in bronze}
        arrays = [pa.array([row.get(sources[n][0]) for row in keys], sources[n][1]) for n in table.key]
        list_files = _write_files(Path(folder), "keys", pa.table(arrays, list(table.key)), 1)
        listed = KeyList(columns=table.key, rows=len(keys), files=tuple(list_files))
    manifest = Manifest(
        source=SOURCE,
        schema_name=table.schema_name,
        table=table.table,
        batch_id=batch_id(number),
        mode="incremental" if cursor and cursor.follows else "snapshot",
        cursor=cursor,
        columns=tuple(bronze),
        rows=data.num_rows,
        files=tuple(written),
        keys=listed,
        read_from=ReadFrom(server="1", server_version="18", database="d"),
        written_by="operator",
        run_id=f"run-{number}",
        started_at=SEALED_AT,
        sealed_at=SEALED_AT,
    )
    lake.write_text(f"{folder}/_manifest.json", manifest.to_json())
    return manifest


def _write_files(folder: Path, prefix: str, data: pa.Table, files: int) -> list[BronzeFile]:
    written = []
    size = -(-data.num_rows // files) if files else 0
    for index in range(files):
        buffer = io.BytesIO()
        part = data.slice(index * size, size)
        pq.write_table(part, buffer)
        name = f"{prefix}-{index:05d}.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        written.append(BronzeFile(name=name, rows=part.num_rows, bytes=len(buffer.getvalue()), sha256=digest))
    return written


def document(
    paths: LakePaths, number: int, *batches: tuple[Table, Manifest | Sequence[Manifest]], rebuild: bool = False
) -> RunDocument:
    """The run document of a run."""
    works = [
        TableWork(table=table, batches=(given,) if isinstance(given, Manifest) else tuple(given))
        for table, given in batches
    ]
    return RunDocument(
        batch_id=batch_id(number), run_id=f"run-{number}", lake=paths.as_dict(), rebuild=rebuild, tables=tuple(works)
    )


def write_document(given: RunDocument) -> str:
    """Write a run document; returns its path in the lake."""
    path = given.paths.run_document(given.batch_id)
    open_local_lake().write_text(path, given.to_json())
    return path


def read_rows(path: str) -> list[dict[str, Any]]:
    """The rows of a Delta table, read by delta-rs, which is not an engine of the jobs."""
    return in_order(DeltaTable(path).to_pyarrow_table().to_pylist())


def in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted by their values, null last."""

    def sortable(value: Any) -> tuple[bool, Any]:
        return (value is None, 0 if value is None else repr(value) if isinstance(value, float) else value)

    return sorted(rows, key=lambda row: [sortable(value) for value in row.values()])


def silver_rows(paths: LakePaths, table: Table) -> list[dict[str, Any]]:
    """The rows of silver, without the columns that Midnight adds."""
    return [
        {name: value for name, value in row.items() if not name.startswith("_midnight")}
        for row in read_rows(paths.silver_table(table.silver))
    ]


def quarantine_rules(paths: LakePaths, table: Table, number: int) -> list[tuple[str, str]]:
    """Rule and row of each quarantined row of a batch."""
    if not Path(paths.quarantine, "_delta_log").exists():
        return []
    return sorted(
        (row["rule"], row["row"])
        for row in read_rows(paths.quarantine)
        if row["table"] == table.silver and row["batch_id"] == batch_id(number)
    )


def table(name: str, columns: Mapping[str, str | Mapping[str, Any]], **rules: Any) -> Table:
    """A table's configuration from column -> type, or column -> its fields."""
    fields = [{"name": n, **({"type": c} if isinstance(c, str) else c)} for n, c in columns.items()]
    return Table.model_validate({"schema": "public", "table": name, "silver": name, "columns": fields, **rules})


def counts(entry: LedgerEntry) -> dict[str, int]:
    """The counts of an entry that are not zero."""
    names = [name for name in COUNTS if name != "rows_in"]
    return {name: getattr(entry, name) for name in names if getattr(entry, name)}
