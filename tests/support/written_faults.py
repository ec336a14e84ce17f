"""Faults behind a job's back: a value, row or column of a Delta table that is not what was written."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.runtime.parquet_files import DataFile
from spark_jobs.runtime.table_files import TableFiles

FAULTS = ("changed value", "lost row", "doubled row", "swapped columns", "truncated microsecond")


def damage(
    path: str, fault: str, seed: int, key: str = "id", columns: list[str] | None = None, *, in_place: bool = False
) -> tuple[Any, list[str]]:
    """Damage one row of one file of a table, and commit the file in place of the old one.

    Args:
        path: of the Delta table.
        fault: one of ``FAULTS``.
        seed: chooses file, row and column.
        key: the column whose value identifies the row.
        columns: that may be damaged; by default all but the key and Midnight's own.
        in_place: write the file again under its name, without a commit.

    Returns:
        The key's value in the damaged row, and the columns that are wrong there (none for a lost or doubled row).
    """
    chance = random.Random(seed)  # noqa: S311 - a test
    table = TableFiles(path)
    file = chance.choice([each for each in table.files if each.rows])
    rows = pq.read_table(file.path)
    row = chance.randrange(rows.num_rows)
    identity = rows[key][row].as_py()
    names = columns or [name for name in rows.column_names if name != key and not name.startswith("_midnight")]
    damaged, wrong = _damaged(rows, row, fault, names, chance)
    if in_place:
        pq.write_table(damaged, file.path)
        return identity, wrong
    name = f"part-{seed}-{chance.getrandbits(64):016x}.parquet"
    target = Path(path, name)
    pq.write_table(damaged, target)
    table.commit([DataFile(path, name, target.stat().st_size)], [file])
    return identity, wrong


def _damaged(
    rows: pa.Table, row: int, fault: str, names: list[str], chance: random.Random
) -> tuple[pa.Table, list[str]]:
    before, one, after = rows.slice(0, row), rows.slice(row, 1), rows.slice(row + 1)
    if fault == "lost row":
        return pa.concat_tables([before, after]), []
    if fault == "doubled row":
        return pa.concat_tables([before, one, one, after]), []
    if fault == "swapped columns":
        kinds: dict[str, list[str]] = {}
        for name in names:
            kinds.setdefault(str(rows.schema.field(name).type), []).append(name)
        pairs = [group for group in kinds.values() if len(group) > 1]
        first, second = chance.sample(chance.choice(pairs), 2)
        if one[first].equals(one[second]):
            return _damaged(rows, row, "changed value", [first], chance)
        changed = _with(_with(one, first, one[second][0].as_py()), second, one[first][0].as_py())
        return pa.concat_tables([before, changed, after]), sorted([first, second])
    if fault == "truncated microsecond":
        name = chance.choice([name for name in names if pa.types.is_timestamp(rows.schema.field(name).type)])
        value = one[name][0].as_py()
        new = value.replace(microsecond=value.microsecond // 10 * 10) if value else None
        if new == value:
            new = (value or datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)) - datetime.timedelta(microseconds=1)
        return pa.concat_tables([before, _with(one, name, new), after]), [name]
    name = chance.choice(names)
    new = _other(one[name][0].as_py(), rows.schema.field(name).type, chance)
    return pa.concat_tables([before, _with(one, name, new), after]), [name]


def _with(one: pa.Table, name: str, value: Any) -> pa.Table:
    field = one.schema.field(name)
    return one.set_column(one.schema.get_field_index(name), field, pa.array([value], field.type))


def _other(value: Any, kind: pa.DataType, chance: random.Random) -> Any:  # noqa: PLR0911
    """Another value of a type: null, or one that is close."""
    if value is not None and chance.random() < 0.2:
        return None
    if pa.types.is_boolean(kind):
        return not value
    if pa.types.is_decimal(kind):
        return (value or Decimal(0)) + Decimal(1).scaleb(-kind.scale)
    if pa.types.is_float32(kind):
        return float(np.nextafter(np.float32(value or 0.0), np.float32(np.inf)))
    if pa.types.is_floating(kind):
        return -0.0 if value == 0.0 and str(value) == "0.0" else (value or 0.0) * (1 + 2**-50) + 2**-1000
    if pa.types.is_integer(kind):
        return (value or 0) ^ 1
    if pa.types.is_date(kind):
        return (value or datetime.date(2000, 1, 1)) + datetime.timedelta(days=1)
    if pa.types.is_timestamp(kind):
        return (value or datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)) + datetime.timedelta(microseconds=1)
    return (value or b"") + b"\0" if pa.types.is_binary(kind) else f"{value or ''} "
