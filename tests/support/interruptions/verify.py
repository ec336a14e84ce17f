"""Compares silver, gold and the published views with the source, row by row, by readers that share no code."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.compute as pc
from deltalake import DeltaTable

from midnight.bronze.batches import BronzeStore
from midnight.configuration.files import load_configuration
from midnight.errors import MidnightError
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import read_ledger
from midnight.reconciliation.run_records import read_step_records
from tests.support.interruptions.servers import READER
from tests.support.interruptions.tables import EXPECTED, EXPECTED_MODEL, KEYS, MODEL_NAME
from tests.support.interruptions.world import World
from tests.support.run_sequences.comparison import NotEqualError, assert_same, check_ledger

Rows = Counter[tuple[Any, ...]]
MARK = "_midnight_deleted_batch_id"


def source_rows(world: World, query: str) -> Rows:
    """Rows of the source, as psycopg reads them."""
    with world.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return Counter(connection.execute(query).fetchall())


def silver_rows(world: World, name: str, *, marked: bool = False) -> Rows:
    """Rows of silver, as delta-rs reads them.

    Args:
        world: of the lake.
        name: of the table.
        marked: those that a table with ``deletes: soft`` marks as deleted, instead of the others.
    """
    table = DeltaTable(world.settings.paths.silver_table(name)).to_pyarrow_table()
    if MARK in table.column_names:
        table = table.filter(pc.is_valid(table[MARK]) if marked else pc.is_null(table[MARK]))
    elif marked:
        return Counter()
    columns = [column for column in table.column_names if not column.startswith("_midnight")]
    return (
        Counter(zip(*(table[column].to_pylist() for column in columns), strict=True)) if table.num_rows else Counter()
    )


def published_rows(world: World) -> Rows:
    """Rows of the view that readers of the report see."""
    with duckdb.connect(str(world.settings.serving_database), read_only=True) as connection:
        return Counter(connection.execute(f"SELECT customer_key, orders, amount FROM gold.{MODEL_NAME}").fetchall())


def compare_silver(world: World) -> None:
    """
    Raises:
        NotEqualError: a row of silver is missing, surplus or different, or the source has a row that is marked.
    """
    soft = world.mode.deletes == "soft"
    for name, query in EXPECTED.items():
        assert_same(f"silver.{name}", ([], silver_rows(world, name)), ([], source_rows(world, query)))
        if soft and KEYS[name]:
            there = source_rows(world, f"SELECT {', '.join(KEYS[name])} FROM {name}")
            wrong = [row for row in silver_rows(world, name, marked=True) if row[: len(KEYS[name])] in there]
            if wrong:
                raise NotEqualError(f"{name}: marked as deleted, but the source has {wrong[:3]}")


def check_reconciliation(world: World) -> None:
    """
    Raises:
        NotEqualError: a comparison of the newest run found a difference, or did not compare what it should.
    """
    configuration, paths = load_configuration(world.settings.config), world.settings.paths
    bronze = BronzeStore(open_local_lake(), paths, "test")
    batches = [bronze.newest_sealed_batch(table) for table in configuration.tables]
    records = [batch.reconciliation for batch in batches if batch is not None and batch.reconciliation is not None]
    newest = [each for each in read_step_records(paths.reconciliation) if each.batch_id == max(world.batches)]
    status = "not checked" if world.mode.with_factory and world.mode.reconcile == "counts" else "equal"
    problems = [f"{r.table}: {r}" for r in records if r.status != status or r.method != world.mode.reconcile]
    problems += [
        f"{r.table}: Data Factory's rows are not counted" for r in records if status != "equal" and not r.compared
    ]
    if len(records) != len(configuration.tables):
        problems.append(f"only {len(records)} of {len(configuration.tables)} tables are compared with the source")
    compared = {record.table for step in newest for record in step.records if record.method == "digests"}
    problems += [str(r) for step in newest for r in step.records if r.status == "different"]
    missing = {table.silver for table in configuration.tables if table.proves_silver} - compared
    problems += [f"silver of {name} is not compared" for name in sorted(missing)]
    if problems:
        raise NotEqualError("reconciliation is not green: " + "; ".join(problems))


def compare_views(world: World) -> None:
    """
    Raises:
        NotEqualError: the published view differs from the same query of the source.
    """
    assert_same("the published view", ([], published_rows(world)), ([], source_rows(world, EXPECTED_MODEL)))


def check_bronze(world: World) -> None:
    """
    Raises:
        NotEqualError: a sealed batch is damaged, has files that its manifest does not list, or sealing is not complete.
    """
    paths, lake = world.settings.paths, open_local_lake()
    bronze, problems = BronzeStore(lake, paths, "test"), []
    for table in load_configuration(world.settings.config).tables:
        for manifest in bronze.sealed_batches(table):
            try:
                bronze.verify_batch(manifest)
            except MidnightError as error:
                problems.append(str(error))
            found = set(lake.list_names(bronze.batch_folder(table, manifest.batch_id))) - {"_manifest.json"}
            surplus = found - {file.name for file in manifest.all_files}
            if manifest.written_by == "adf":  # an abandoned copy may end at any time
                surplus = {name for name in surplus if name.startswith(("part-", "keys-"))}
            problems += [f"surplus files of {table.table} {manifest.batch_id}: {sorted(surplus)}"] if surplus else []
            folder = paths.unfinished_reads("test", "main", manifest.batch_id)
            problems += [f"{folder} is left" for _ in lake.list_names(folder)[:1]]
    problems += [name for name in lake.list_names(paths.run_documents) if name.endswith(".sealing")]
    if problems:
        raise NotEqualError("; ".join(problems))


def check_rows_in(world: World) -> None:
    """
    Raises:
        NotEqualError: the last entry of a table does not say which batch silver shows.
    """
    newest = {}
    for entry in sorted(read_ledger(world.settings.paths.ledger), key=lambda entry: entry.attempt_at):
        if entry.status == "applied":
            newest[entry.table] = entry
    for name in EXPECTED:
        rows = sum((silver_rows(world, name) + silver_rows(world, name, marked=True)).values())
        if name not in newest or newest[name].silver_after != rows:
            raise NotEqualError(f"{name}: {rows} rows in silver, the ledger says {newest.get(name)}")


def check_sessions(world: World) -> None:
    """
    Raises:
        NotEqualError: a session of the role that reads is still there after eight seconds.
    """
    deadline, left = time.monotonic() + 8, 1
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname = %s"
    while left and time.monotonic() < deadline:
        with world.connect() as connection:
            found = connection.execute(query, [READER, world.database]).fetchone()
        left = 0 if found is None else found[0]
        if left:
            time.sleep(0.05)
    if left:
        raise NotEqualError(f"{left} sessions are left on the server")


def check_readers(world: World) -> None:
    """
    Raises:
        NotEqualError: what readers have cannot be read.
    """
    if Path(world.settings.serving_database).exists():
        try:
            published_rows(world)
        except duckdb.Error as error:
            raise NotEqualError(f"after the fault the views cannot be read: {error}") from error


# Each is called after the run that recovers.
CHECKS: list[Callable[[World], None]] = [
    compare_silver,
    compare_views,
    check_reconciliation,
    lambda world: check_ledger(world.settings.paths),
    check_rows_in,
    check_bronze,
    check_sessions,
]


def verify(world: World) -> None:
    """
    Raises:
        NotEqualError: the lake is not what the source is.
    """
    for check in CHECKS:
        check(world)
