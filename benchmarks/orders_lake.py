"""A lake with the table `orders` of any size and 100,000 customers: its sealed batches.

The rows go straight to sealed batches, in the files that the ingestion would write: what is measured begins behind it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.lake_jobs import SOURCE, batch_id
from benchmarks.orders_configuration import CUSTOMER_COLUMNS, ORDER_COLUMNS
from midnight.bronze.manifest import BronzeColumn, BronzeFile, CursorRange, Manifest, ReadFrom
from midnight.column_types import stored_type, to_arrow
from midnight.configuration.cursors import cursor_text
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.postgres_to_bronze.parquet_writer import ROWS_PER_GROUP
from midnight.settings import REPOSITORY

CUSTOMERS = 100_000
ROWS_PER_FILE = 1_000_000
LAG = timedelta(hours=1)  # the default `cursor_lag`
# The rows of a change are written one after the other, over twenty hours.
_WRITING_SECONDS = 72_000
_FIRST = datetime(2013, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Change:
    """An update of rows before a run.

    Args:
        window: the share of the newest keys among which the rows are; 1 for all keys.
        every: each n-th of these rows changes.
        remainder: of the keys of these rows, divided by ``every``.
    """

    window: float
    every: int
    remainder: int = 0

    def condition(self, rows: int) -> str:
        return f"i > {rows - round(rows * self.window)} AND i % {self.every} = {self.remainder}"


def seal_customers(paths: LakePaths, number: int, *, here: bool = False) -> None:
    """The dimension, which never changes; ``here``: see ``seal_all``."""
    query = (
        "SELECT (i - 1)::INTEGER AS id, 'customer ' || md5(i::VARCHAR) AS name, "
        f"'segment ' || (i % 10) AS segment FROM range(1, {CUSTOMERS + 1}) AS t(i)"
    )
    seal_all(paths, [Batch("customers", CUSTOMER_COLUMNS, number, (query,))], here=here)


def seal_orders(
    paths: LakePaths,
    number: int,
    rows: int,
    changes: list[Change],
    *,
    mode: str,
    follows: CursorRange | None = None,
    here: bool = False,
) -> CursorRange | None:
    """Seal the orders as they are after the changes; of an increment those that its cursor range selects.

    Args:
        paths: of the lake.
        number: of the batch.
        rows: of the table.
        changes: so far, oldest first.
        mode: of the table.
        follows: the range of the batch before, of which this is an increment; None for a full snapshot.
        here: see ``seal_all``.
    """
    reached = _FIRST + timedelta(milliseconds=11137 * rows)
    if changes:  # at the latest; the last row of a day is not always one that changed
        reached = _changed_at(rows, len(changes)) + timedelta(seconds=_WRITING_SECONDS)
    since = None if follows is None else datetime.fromisoformat(str(follows.reached)) - LAG
    condition = "" if since is None else f"WHERE created >= TIMESTAMPTZ '{since.isoformat()}'"
    size = rows if since is not None else ROWS_PER_FILE
    queries = [
        f"SELECT * FROM ({_state(rows, changes, start, min(start + size, rows + 1))}) {condition}"
        for start in range(1, rows + 1, size)
    ]
    cursor = None
    if mode == "incremental":
        cursor = CursorRange(
            column="created",
            key=("id",),
            since=None if since is None else cursor_text(since),
            reached=cursor_text(reached),
            highest=cursor_text(reached),
            follows="" if follows is None else batch_id(number - 1),
            full_snapshot=batch_id(number) if follows is None else follows.full_snapshot,
        )
    seal_all(paths, [Batch("orders", ORDER_COLUMNS, number, tuple(queries), cursor)], here=here)
    return cursor


def _changed_at(rows: int, version: int) -> datetime:
    """When the rows of a change begin to be written: a day after those of the change before."""
    return _FIRST + timedelta(milliseconds=11137 * rows) + timedelta(days=version)


def _state(rows: int, changes: list[Change], start: int, end: int) -> str:
    """The query for the rows of a range of keys, as they are after the changes."""
    newest = {change: version for version, change in enumerate(changes, start=1)}  # an equal one replaces all its rows
    cases = " ".join(
        f"WHEN {change.condition(rows)} THEN {version}"
        for change, version in sorted(newest.items(), key=lambda item: -item[1])
    )
    version = f"CASE {cases} ELSE 0 END" if changes else "0"
    first = int(_FIRST.timestamp()) * 1_000_000
    changed = int(_changed_at(rows, 0).timestamp() * 1_000_000)
    return f"""
        SELECT i AS id, (i * 7919 % {CUSTOMERS})::INTEGER AS customer,
            CASE WHEN i % 10 > 0 THEN (i % 500)::SMALLINT END AS quantity,
            ((i * 37 % 100000000 + 100 * v)::DECIMAL(12, 0) * 0.01::DECIMAL(3, 2))::DECIMAL(12, 2) AS amount,
            'order note number ' || i || ' ' || md5((i + v)::VARCHAR) AS note,
            (['DE', 'FR', 'USA', 'GB'])[1 + i % 4] AS country,
            make_timestamptz(CASE WHEN v = 0 THEN {first} + i * 11137000
                ELSE {changed} + v * 86400000000 + (i % {_WRITING_SECONDS}) * 1000000 END) AS created,
            DATE '2013-01-01' + (i * 3650 // {rows + 1})::INTEGER AS day, sqrt(i) * 1.1 AS ratio, i % 3 = 0 AS paid
        FROM (SELECT i, {version} AS v FROM range({start}, {end}) AS t(i))"""


@dataclass(frozen=True)
class Batch:
    """A batch to seal.

    Args:
        table: in the source.
        columns: name -> PostgreSQL type.
        number: of the batch.
        queries: DuckDB's, one per file.
        cursor: of an incremental table.
    """

    table: str
    columns: dict[str, str]
    number: int
    queries: tuple[str, ...]
    cursor: CursorRange | None = None


def seal_all(paths: LakePaths, batches: Sequence[Batch], *, here: bool = False) -> None:
    """Seal batches in another process: the memory of this one counts as that of the jobs that it starts.

    Args:
        paths: of the lake.
        batches: to seal.
        here: in this process, whose memory is not measured.
    """
    if here:
        for batch in batches:
            _seal(paths, batch)
        return
    given = [
        {**vars(batch), "cursor": None if batch.cursor is None else batch.cursor.model_dump()} for batch in batches
    ]
    code = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    subprocess.run(
        [sys.executable, "-m", "benchmarks.orders_lake"],
        input=json.dumps([paths.as_dict(), given]),
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": code},
    )


def _seal(paths: LakePaths, batch: Batch) -> None:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = {name: stored_type(kind, None) for name, kind in batch.columns.items()}
    schema = pa.schema([(name, to_arrow(kind)) for name, kind in stored.items()])
    folder = paths.batch(SOURCE, "public", batch.table, batch_id(batch.number))
    Path(folder).mkdir(parents=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    files = []
    for index, query in enumerate(batch.queries):
        data = connection.execute(query).to_arrow_table().cast(schema)
        path = Path(folder) / f"part-{index:05d}.parquet"
        pq.write_table(data, path, compression="lz4", row_group_size=ROWS_PER_GROUP)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files.append(BronzeFile(name=path.name, rows=data.num_rows, bytes=path.stat().st_size, sha256=digest))
    now = datetime.now(UTC)
    manifest = Manifest(
        source=SOURCE,
        schema_name="public",
        table=batch.table,
        batch_id=batch_id(batch.number),
        mode="incremental" if batch.cursor and batch.cursor.follows else "snapshot",
        cursor=batch.cursor,
        columns=tuple(
            BronzeColumn(name=name, source=name, postgres_type=kind, stored_as=stored[name])
            for name, kind in batch.columns.items()
        ),
        rows=sum(file.rows for file in files),
        files=tuple(files),
        read_from=ReadFrom(server="benchmark", server_version="18", database="benchmark"),
        written_by="operator",
        run_id=f"run-{batch.number}",
        started_at=now,
        sealed_at=now,
    )
    open_local_lake().write_text(f"{folder}/_manifest.json", manifest.to_json())


if __name__ == "__main__":
    lake, sealed = json.load(sys.stdin)
    for given in sealed:
        found = given.pop("cursor")
        _seal(LakePaths(**lake), Batch(**given, cursor=None if found is None else CursorRange(**found)))
