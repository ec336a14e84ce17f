"""Appends a few rows of Python values to a Delta table: by delta-rs in a folder, by the engine in Azure.

For tables to which a run adds a few rows: a commit of Apache Spark costs a query, and the first one of a process loads
all of Delta, 5 s of processor time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from midnight.errors import LakeError, first_line
from midnight.lake.paths import is_local


def append_to_folder(path: str, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> bool:
    """Append rows in one commit of delta-rs; columns that the table does not have yet are added.

    Args:
        path: of the table.
        rows: column -> value.
        types: column -> Spark type: ``string``, ``timestamp`` (with zone) or ``bigint``.

    Returns:
        Whether they were appended; not in Azure, and not to a table that does not exist: the engine creates it with
        all its properties, of which delta-rs refuses those that it does not know.

    Raises:
        LakeError: the rows cannot be written.
    """
    if not is_local(path):
        return False
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    if not DeltaTable.is_deltatable(path):
        return False
    kinds = {"string": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "bigint": pa.int64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in types.items()])
    try:
        write_deltalake(path, pa.Table.from_pylist(list(rows), schema), mode="append", schema_mode="merge")
    except Exception as error:  # delta-rs does not document which classes it raises
        raise LakeError(
            f"no rows can be appended to {path!r}: {first_line(error)}; hint: check the free space and the permission "
            "on the lake"
        ) from error
    return True
