"""Damages a Parquet file of bronze in one place, and compares it with the source again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow
from pyarrow import parquet

from midnight.bronze.increments import ReadPlan
from midnight.bronze.manifest import BronzeFile
from midnight.configuration.tables import Table
from midnight.lake.files import open_local_lake
from midnight.postgres_to_bronze.catalogue import read_catalogue
from midnight.postgres_to_bronze.range_copy import TableProgress
from midnight.postgres_to_bronze.reconcile_bronze import reconcile_bronze
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.table_plan import plan_tables
from midnight.reconciliation.record import LinkRecord

FAULTS = ("changed value", "lost row", "extra row", "swapped columns", "truncated microsecond", "swapped rows")


@dataclass(frozen=True)
class Damage:
    """What was damaged: the keys of the rows, and the columns in which they differ (none for a whole row)."""

    fault: str
    keys: tuple[Any, ...]
    columns: tuple[str, ...] = ()


def damage(rows: pyarrow.Table, fault: str, chance: random.Random, keys: Sequence[str]) -> tuple[pyarrow.Table, Damage]:
    """A copy of the rows with one fault in a random place.

    Args:
        rows: of a file.
        fault: one of ``FAULTS``.
        chance: decides the place.
        keys: columns that identify a row, which stay as they are.
    """
    place = chance.randrange(rows.num_rows)
    identities = rows.column(keys[0]).to_pylist()
    if fault == "lost row":
        kept = [n for n in range(rows.num_rows) if n != place]
        return rows.take(kept), Damage(fault, (identities[place],))
    if fault == "extra row":
        return pyarrow.concat_tables([rows, rows.slice(place, 1)]), Damage(fault, (identities[place],))
    others = [name for name in rows.column_names if name not in keys]
    if fault == "swapped columns":
        left, right = _swappable(rows, others, chance)
        position = {name: rows.column_names.index(name) for name in (left, right)}
        swapped = rows.set_column(position[left], left, rows.column(right))
        return swapped.set_column(position[right], right, rows.column(left)), Damage(fault, (), (left, right))
    if fault == "truncated microsecond":
        moments = [name for name in others if pyarrow.types.is_timestamp(rows.schema.field(name).type)]
        name = chance.choice(moments)
        values = rows.column(name).to_pylist()
        places = [n for n, value in enumerate(values) if value is not None and value.microsecond % 1000]
        place = chance.choice(places)
        values[place] = values[place].replace(microsecond=values[place].microsecond // 1000 * 1000)
        return _replaced(rows, name, values), Damage(fault, (identities[place],), (name,))
    name = chance.choice(others)
    values = rows.column(name).to_pylist()
    if fault == "swapped rows":
        different = [n for n, value in enumerate(values) if value != values[place]]
        other = chance.choice(different)
        values[place], values[other] = values[other], values[place]
        return _replaced(rows, name, values), Damage(fault, (identities[place], identities[other]), (name,))
    values[place] = _another(values[place], rows.schema.field(name).type)
    return _replaced(rows, name, values), Damage(fault, (identities[place],), (name,))


def compare(address: SourceAddress, folder: Path, table: Table, rows: int, connections: int = 1) -> LinkRecord:
    """The comparison of the Parquet files in a folder with the source as it is now.

    Args:
        address: of the source.
        folder: with the files.
        table: the configuration.
        rows: of all files, which decides the number of buckets.
        connections: on which the server is asked.
    """
    return asyncio.run(_compare(address, folder, table, rows, connections))


def is_found(record: LinkRecord, expected: Damage) -> bool:
    """Whether a comparison names exactly the rows and columns that were damaged."""
    whole = expected.fault in ("lost row", "extra row")
    kinds = {difference.kind for difference in record.differences}
    columns = {difference.column for difference in record.differences} - {None}
    keys = {dict(difference.key or ()).get("id") for difference in record.differences}
    return (
        kinds == {expected.fault if whole else "changed value"}
        and columns == set(expected.columns)
        and (not expected.keys or keys == set(map(str, expected.keys)))
    )


async def open_table(connection: asyncpg.Connection, user: str, table: Table, connections: int) -> TableProgress:
    """A table as if all its rows had just been read."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    catalogue = await read_catalogue(connection, tables=[(table.schema_name, table.table)])
    planned = plan_tables(
        [table],
        catalogue,
        version_number=connection.get_server_version().major * 10_000,
        connections=connections,
        user=user,
        reading=lambda table, schema: ReadPlan(table, "b1"),
    )
    (plan,) = planned.plans
    return TableProgress(plan, datetime.now(UTC))


async def _compare(address: SourceAddress, folder: Path, table: Table, rows: int, connections: int) -> LinkRecord:
    opened = [await connect(address) for _ in range(connections)]
    try:
        for connection in opened[1:]:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        progress = await open_table(opened[0], address.user, table, connections)
        for number, path in enumerate(sorted(folder.glob("*.parquet"))):
            progress.files[number] = BronzeFile(name=path.name, rows=0 if number else rows, bytes=1, sha256="")
        records = await reconcile_bronze(
            opened,
            [progress],
            address=address,
            lake=open_local_lake(),
            folder=lambda table: str(folder),
            skipped={},
            log=lambda line: None,
        )
        return records[table.qualified_name]
    finally:
        for connection in opened:
            connection.terminate()


def write_rows(rows: pyarrow.Table, folder: Path) -> None:
    """Replace the file of a folder."""
    folder.mkdir(exist_ok=True)
    parquet.write_table(rows, folder / "part-00000.parquet", row_group_size=1_000)


def _swappable(rows: pyarrow.Table, names: list[str], chance: random.Random) -> tuple[str, str]:
    kinds = {name: rows.schema.field(name).type for name in names}
    pairs = [(a, b) for a in names for b in names if a < b and kinds[a] == kinds[b]]
    return chance.choice(pairs)


def _replaced(rows: pyarrow.Table, name: str, values: list[Any]) -> pyarrow.Table:
    position = rows.column_names.index(name)
    return rows.set_column(position, rows.schema.field(name), pyarrow.array(values, rows.schema.field(name).type))


def _another(value: Any, kind: pyarrow.DataType) -> Any:
    """The smallest change of a value of a type."""
    if value is None:
        value = pyarrow.scalar("0").cast(kind).as_py() if not pyarrow.types.is_boolean(kind) else False
    elif isinstance(value, bool):
        value = not value
    elif isinstance(value, datetime):
        value += timedelta(microseconds=1)
    elif isinstance(value, str):
        value += " "
    elif isinstance(value, bytes):
        value += b"\0"
    elif isinstance(value, Decimal):
        value = -value if value else Decimal(1).scaleb(-kind.scale)
    elif isinstance(value, float):
        value = value * (1 + 2**-22) if value else -value
    else:
        value += 1 if isinstance(value, int) else timedelta(days=1)
    return value
