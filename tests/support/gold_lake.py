"""Silver of the demo without the silver job: the columns and types of include/tables/*.yml, and a ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake

from cli.demo.nycflights import planes_of, read_tables, with_updated_at
from midnight.configuration.files import load_configuration
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.load_models import load_gold_models
from midnight.silver_to_gold.spark_sql.check import check_gold_sql

INCLUDE = REPOSITORY / "include"
CONFIGURATION = load_configuration(INCLUDE)
SILVER_NAMES = [table.silver for table in CONFIGURATION.tables]
AS_WRITTEN = load_gold_models(INCLUDE / "sql" / "gold", SILVER_NAMES)  # for Apache Spark
DEMO_MODELS = check_gold_sql(AS_WRITTEN, CONFIGURATION.tables, "sail").models  # as Sail gets them
_ARROW = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "numeric(6,2)": pa.decimal128(6, 2),
    "numeric(6,1)": pa.decimal128(6, 1),
}


@cache
def demo_rows() -> dict[str, pa.Table]:
    """All five tables of 2013 as in silver."""
    raw = read_tables()
    flights = with_updated_at(raw["flights"])
    raw["flights"] = flights.append_column("flight_id", pa.array(range(1, flights.num_rows + 1), pa.int64()))
    raw["planes"] = planes_of(raw["flights"], raw["planes"])
    return {table.silver: pa.table(_typed(raw[table.table], table)) for table in CONFIGURATION.tables}


def _typed(rows, table):
    columns = {}
    for column in table.silver_columns:
        values = rows[column.name]
        if pa.types.is_string(values.type):
            values = pc.if_else(pc.is_in(values, value_set=pa.array(["NA", r"\N"])), None, values)
        kind = _ARROW.get(column.cast or column.type, pa.string())
        if pa.types.is_string(values.type) and pa.types.is_timestamp(kind):
            values = pc.strptime(values, "%Y-%m-%dT%H:%M:%SZ", "us").cast(pa.timestamp("us", "UTC"))
        columns[column.name] = values.cast(kind)
    return columns


def write_silver(paths: LakePaths, tables: dict[str, pa.Table], batch_id: str = "20131001T000000000Z-00000001"):
    """Replace silver tables and record it in the ledger, as the silver job does."""
    for name, rows in tables.items():
        write_deltalake(paths.silver_table(name), rows, mode="overwrite", schema_mode="overwrite")
        add_to_ledger(paths, name, batch_id, inserted=rows.num_rows)


def add_to_ledger(paths: LakePaths, table: str, batch_id: str, statuses=("started", "applied"), **counts: Any):
    """Add the ledger entries of one applied batch."""
    attempt_at = datetime.now(UTC)
    applied: dict[str, Any] = dict(counts)
    moved = sum(counts.get(name, 0) for name in ("inserted", "updated", "deleted"))
    applied.setdefault("changed", "everything" if moved else "nothing")
    entries = [
        LedgerEntry(
            batch_id=batch_id,
            run_id=f"run {batch_id}",
            attempt_at=attempt_at,
            table=table,
            source_table=f"public.{table}",
            status=status,
            **(applied if status == "applied" else {}),
        )
        for status in statuses
    ]
    write_deltalake(paths.ledger, pa.Table.from_pylist([entry.model_dump() for entry in entries]), mode="append")


def sample(days: int = 3) -> dict[str, pa.Table]:
    """The first days of the demo, with all kinds of dirty data (cancelled, diverted, unknown aircraft and airports)."""
    rows = dict(demo_rows())
    end = pa.scalar(datetime(2013, 1, 1 + days, 5, tzinfo=UTC), pa.timestamp("us", "UTC"))
    for name in ("flights", "weather"):
        rows[name] = rows[name].filter(pc.less(rows[name]["time_hour"], end))
    return rows


def run_document(
    paths: LakePaths, batch_id: str, models=DEMO_MODELS, rebuild: bool = False, refresh=None
) -> RunDocument:
    return RunDocument(
        batch_id=batch_id,
        run_id=f"run {batch_id}",
        lake=paths.as_dict(),
        tables=(),
        models=models,
        rebuild=rebuild,
        refresh=refresh or {},
    )
