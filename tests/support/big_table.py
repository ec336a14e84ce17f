"""A table that takes long enough to read for a fault to happen meanwhile."""

from __future__ import annotations

from midnight.configuration.tables import Table
from tests.support.ingest_run import BronzeFolder

BIG = (
    "CREATE TABLE big (id int PRIMARY KEY, filler text)",
    "INSERT INTO big SELECT i, md5(i::text) || repeat('x', 200) FROM generate_series(1, 40000) i",
)
EVERY_ID = list(range(1, 40001))


def ids(bronze: BronzeFolder, table: Table) -> list[int]:
    """The sorted ids of the newest sealed batch."""
    return sorted(bronze.read(table)["id"].to_pylist())
