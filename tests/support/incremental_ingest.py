"""Ingests incremental tables, by the operator or by copies of Data Factory, and reads what was sealed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.postgres.embedded import Server
from midnight.bronze.batch_id import make_batch_id
from midnight.bronze.increments import plan_read, read_history
from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copied_schema, copy_parameters
from tests.fakes.adf_parquet import copy_to_parquet
from tests.support.adf_batches import adf_batch
from tests.support.ingest_run import BronzeFolder


def batch_of_day(number: int) -> str:
    """The batch of a day of November 2024."""
    return make_batch_id(datetime(2024, 11, number, tzinfo=UTC), "scheduled")


def by_operator(server: Server, bronze: BronzeFolder, *tables: Table, batch_id: str, **options) -> None:
    """Ingest as the operator does."""
    bronze.ingest(server, *tables, batch_id=batch_id, **options)


def start_copies(
    server: Server, bronze: BronzeFolder, *tables: Table, batch_id: str, full_reload: bool = False, **_others: object
) -> None:
    """Write the files that Data Factory would write for the request of the ingest task."""
    readings = {
        t.qualified_name: plan_read(
            t,
            copied_schema(t),
            batch_id,
            read_history(bronze.store, t, batch_id),
            full_reload=full_reload,
        )
        for t in tables
    }
    for copy in copy_parameters(bronze.paths, "test", tables, batch_id, readings=readings)["tables"]:
        content, _ = copy_to_parquet(server.dsn, copy["query"], threading.Event())
        folder = Path(bronze.paths.bronze) / copy["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"run-{copy['part']}.parquet").write_bytes(content)


def seal_copies(bronze: BronzeFolder, *tables: Table, **options) -> None:
    """Seal the files that ``start_copies`` wrote."""
    adf_batch(bronze, *tables, pipeline_run="run", **options).seal()


def by_data_factory(server: Server, bronze: BronzeFolder, *tables: Table, **options) -> None:
    """Ingest as Data Factory and the task that seals do."""
    start_copies(server, bronze, *tables, **options)
    seal_copies(bronze, *tables, **options)


WAYS = pytest.mark.parametrize("ingest", [by_operator, by_data_factory])
Ingest = Callable[..., None]


def read(bronze: BronzeFolder, table: Table) -> tuple[str, list[int], str | None]:
    """Of the newest batch: mode, ids of the rows, value that the cursor has reached."""
    manifest = bronze.manifest(table)
    assert manifest is not None
    assert manifest.cursor is not None
    return manifest.mode, sorted(row[0] for row in bronze.rows(table)), manifest.cursor.reached


def manifests(bronze: BronzeFolder, table: Table) -> list[Manifest]:
    """Of every sealed batch, oldest first."""
    return bronze.store.sealed_batches(table)
