"""Batches whose files Data Factory copies, and a source table with a column of each type that its files change."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from cli.postgres.embedded import Server
from midnight.bronze.manifest import ReadFrom
from midnight.bronze.stopped_tables import read_stopped_tables
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copy_query
from midnight.data_factory.seal_batch import AdfBatch
from midnight.errors import StoppedTablesError
from tests.fakes.adf_parquet import copy_to_parquet
from tests.support.ingest_run import BronzeFolder

ORDERS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, placed timestamptz, seen timestamp, day date, amount numeric(10,2), "
    "rate numeric, token uuid, note text, raw bytea, many smallint)",
    "INSERT INTO orders SELECT i, '2024-01-01Z'::timestamptz + make_interval(secs => i), '1600-01-01', "
    "'2024-01-01'::date + i, i / 4.0, i / 8.0, md5(i::text)::uuid, 'note ' || i, '\\x00ff', i "
    "FROM generate_series(1, 100) i",
)


def copy_with_data_factory(server: Server, bronze: BronzeFolder, table: Table, batch_id: str = "b1") -> BronzeFolder:
    """Copy a table as Data Factory does (tests/fakes/adf_parquet.py), and seal."""
    folder = Path(bronze.paths.batch("test", table.schema_name, table.table, batch_id))
    folder.mkdir(parents=True, exist_ok=True)
    content, _ = copy_to_parquet(server.dsn, copy_query(table), threading.Event())
    (folder / "run-00000.parquet").write_bytes(content)
    seal_or_stop(adf_batch(bronze, table, batch_id=batch_id, pipeline_run="run"))
    return bronze


def seal_or_stop(batch: AdfBatch) -> dict[str, int]:
    """Seal; a stopped table is an error, as it is at the end of a run."""
    rows = batch.seal()
    stopped = read_stopped_tables(batch.bronze, [batch.group], batch.batch_id)
    if stopped:
        raise StoppedTablesError("; ".join(table.message for table in stopped))
    return rows


def adf_batch(bronze: BronzeFolder, *tables, batch_id="b1", log=lambda line: None, **options) -> AdfBatch:
    """A batch of group ``main``, whose files are in bronze already."""
    return AdfBatch(
        bronze=bronze.store,
        tables=tables,
        group="main",
        batch_id=batch_id,
        run_id="manual__1",
        read_from=ReadFrom(server="factory/midnight_copy", server_version="", database=""),
        started_at=datetime.now(UTC),
        log=log,
        **options,
    )
