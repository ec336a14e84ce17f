"""What comparing bronze with the source costs the server, next to its own COPY, and which faults it finds.

    python -m benchmarks reconciliation [--rows 3000000] [--seeds 1] [--write docs/reconciliation.md]

The reference is the COPY of the ingest, but TO '/dev/null', on the same connection. All are processor time of the
server process, without parallel workers, in alternating rounds; ours is processor time of this process over the Parquet
files.
Then each fault is put into one file, and must be found with its key.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.extraction_cases import CASES
from benchmarks.orders import CONNECTIONS, orders_table, server_with
from benchmarks.results import show_figures

if TYPE_CHECKING:
    import psycopg

    from midnight.bronze.batches import BronzeStore
    from midnight.configuration.tables import Table
    from midnight.reconciliation.counts import CountsPlan
    from midnight.reconciliation.digests import SourceDigestPlan
    from midnight.reconciliation.record import LinkRecord

ROUNDS = 3
GOALS = {"counts": 1.0, "digests": 2.0}
BATCH = "20260101T000000000Z-00000001"
COST_HEADINGS = ("table", "method", "server", "to its COPY", "goal", "our processor", "per million values")
FAULT_HEADINGS = ("fault in bronze", "seeds", "found with its key", "longest")


def main(arguments: Sequence[str] = ()) -> None:
    """Print and, if asked to, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reconciliation", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000, help="of the table orders")
    parser.add_argument("--seeds", type=int, default=1, help="of each fault; 0 for none")
    parser.add_argument("--write", type=Path, help="a page with markers for these figures")
    options = parser.parse_args(arguments)
    statements = [orders_table(options.rows), "ALTER TABLE orders ADD PRIMARY KEY (id)", *CASES["wide"].statements]
    with server_with(statements) as (dsn, connection), tempfile.TemporaryDirectory(prefix="midnight-bench-") as folder:
        costs, faults = [], []
        for name in ("orders", "wide"):
            store, table, records = _ingest(dsn, Path(folder), name)
            costs += _costs(dsn, connection, store, table, records)
            if name == "orders":
                faults = _faults(dsn, store, table, options.seeds)
    title = f"{options.rows:,} rows of 10 columns, 300,000 rows of 14 wide columns; {ROUNDS} rounds."
    tables = [(COST_HEADINGS, costs), (FAULT_HEADINGS, faults)] if faults else [(COST_HEADINGS, costs)]
    show_figures(title, tables, options.write, "reconciliation")


def _ingest(dsn: str, folder: Path, name: str) -> tuple[BronzeStore, Table, dict[str, LinkRecord]]:
    """Read a table once per method; the last batch stays."""
    from midnight.bronze.batches import BronzeStore
    from midnight.configuration.columns import Column
    from midnight.configuration.source import LoadGroup
    from midnight.configuration.tables import Table
    from midnight.lake.files import open_local_lake
    from midnight.lake.paths import LakePaths
    from midnight.postgres_to_bronze.load_group import GroupIngest
    from midnight.postgres_to_bronze.source_address import SourceAddress

    store = BronzeStore(open_local_lake(), LakePaths.below(str(folder / name)), "benchmark")
    records = {}
    for method in GOALS:
        column = Column(name="id", type="bigint")
        table = Table.model_validate(
            {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": [column], "reconcile": method}
        )
        store.delete_batch(table, BATCH)
        ingest = GroupIngest(
            address=SourceAddress.from_uri(dsn),
            bronze=store,
            tables=[table],
            group=LoadGroup(name="main", connections=CONNECTIONS),
            batch_id=BATCH,
            run_id="benchmark",
            log=lambda line: print(line, flush=True),
        )
        asyncio.run(ingest.run())
        manifest = store.read_manifest(table, BATCH)
        if manifest is not None and manifest.reconciliation is not None:
            records[method] = manifest.reconciliation
    return store, table, records


def _costs(
    dsn: str, connection: psycopg.Connection, store: BronzeStore, table: Table, records: dict[str, LinkRecord]
) -> list[list[str]]:
    from midnight.reconciliation.bronze_rows import count_file, digest_file

    manifest = store.read_manifest(table, BATCH)
    if manifest is None:
        return []
    select, counts, digests = asyncio.run(_plans(dsn, table, manifest.rows))
    connection.execute(
        "SET max_parallel_workers_per_gather = 0; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'UTC'; "
        "SET search_path = pg_catalog"
    )
    queries = {"counts": counts.query(""), "digests": digests.query("")}
    copy = f"COPY ({select}) TO '/dev/null' (FORMAT binary)"
    rounds: dict[str, list[float]] = {name: [] for name in ("copy", *queries)}
    for _ in range(ROUNDS):
        for name, query in {"copy": copy, **queries}.items():
            before = _processor(connection)
            connection.execute(query)
            rounds[name].append(_processor(connection) - before)
    ours = {}
    for name, work in (
        ("counts", lambda p: count_file(store.lake, p, counts)),
        ("digests", lambda p: digest_file(store.lake, p, digests)),
    ):
        before = time.process_time()
        for path in manifest.file_paths(store.paths):
            work(path)
        ours[name] = time.process_time() - before
    values = manifest.rows * len(manifest.columns) / 1e6
    rows = [[table.table, "COPY (reference)", f"{statistics.median(rounds['copy']):.2f} s", "1.00 x", "", "", ""]]
    for name, goal in GOALS.items():
        ratio = statistics.median(a / b for a, b in zip(rounds[name], rounds["copy"], strict=True))
        row = [table.table, name, f"{statistics.median(rounds[name]):.2f} s", f"{ratio:.2f} x", f"{goal:g} x"]
        status = records[name].status
        rows.append(
            [*row, f"{ours[name]:.2f} s", f"{ours[name] / values:.3f} s" + ("" if status == "equal" else f" {status}")]
        )
    return rows


async def _plans(dsn: str, table: Table, rows: int) -> tuple[str, CountsPlan, SourceDigestPlan]:
    """What is read, counted and digested of a table."""
    from midnight.postgres_to_bronze.digest_columns import digest_columns, digest_key
    from midnight.postgres_to_bronze.source_address import SourceAddress
    from midnight.postgres_to_bronze.source_connection import connect
    from midnight.reconciliation.counts import CountsPlan
    from midnight.reconciliation.digests import SourceDigestPlan, bucket_count
    from tests.support.tampered_bronze import open_table

    address = SourceAddress.from_uri(dsn)
    connection = await connect(address)
    try:
        progress = await open_table(connection, address.user, table, CONNECTIONS)
    finally:
        connection.terminate()
    columns = digest_columns(progress.plan)
    key, unique = digest_key(progress.plan, columns)
    relation = progress.plan.relation
    digests = SourceDigestPlan(relation, columns, key, bucket_count(rows), unique=unique)
    return progress.plan.query(""), CountsPlan(relation, columns), digests


def _faults(dsn: str, store: BronzeStore, table: Table, seeds: int) -> list[list[str]]:
    """Put each fault into one of the batch's files in turn, and compare all of them."""
    from pyarrow import parquet

    from midnight.postgres_to_bronze.source_address import SourceAddress
    from tests.support.tampered_bronze import FAULTS, compare, damage, is_found

    manifest = store.read_manifest(table, BATCH)
    paths = [Path(path) for path in manifest.file_paths(store.paths)] if manifest else []
    rows = []
    for fault in FAULTS if seeds else ():
        found, longest = 0, 0.0
        for seed in range(seeds):
            chance = random.Random(f"{fault} {seed}")  # noqa: S311 - a repeatable place, not a secret
            path = chance.choice(paths)
            original = path.read_bytes()
            damaged, expected = damage(parquet.read_table(path), fault, chance, ["id"])
            parquet.write_table(damaged, path)
            del damaged
            started = time.perf_counter()
            record = compare(
                SourceAddress.from_uri(dsn), path.parent, table, manifest.rows if manifest else 0, CONNECTIONS
            )
            longest = max(longest, time.perf_counter() - started)
            path.write_bytes(original)
            found += is_found(record, expected)
            print(f"{fault}, seed {seed}: {next(iter(record.differences), record.status)}", flush=True)
        rows.append([fault, str(seeds), f"{found} of {seeds}", f"{longest:.1f} s"])
    return rows


def _processor(connection: psycopg.Connection) -> float:
    """Seconds of processor time of the server process of a connection."""
    fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
