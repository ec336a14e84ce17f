"""Batches whose files Data Factory copies, and a source table with a column of each type that its files change."""

from __future__ import annotations

from datetime import UTC, datetime

from midnight.bronze.manifest import ReadFrom
from midnight.data_factory.seal_batch import AdfBatch
from tests.support.ingest_run import BronzeFolder

ORDERS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, placed timestamptz, seen timestamp, day date, amount numeric(10,2), "
    "rate numeric, token uuid, note text, raw bytea, many smallint)",
    "INSERT INTO orders SELECT i, '2024-01-01Z'::timestamptz + make_interval(secs => i), '1600-01-01', "
    "'2024-01-01'::date + i, i / 4.0, i / 8.0, gen_random_uuid(), 'note ' || i, '\\x00ff', i "
    "FROM generate_series(1, 100) i",
)


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
