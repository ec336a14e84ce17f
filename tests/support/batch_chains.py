"""Tables with foreign keys, and the manifests of their full snapshots and increments, without files."""

from __future__ import annotations

from datetime import UTC, datetime

from midnight.bronze.manifest import BronzeColumn, BronzeFile, CursorRange, Manifest, ReadFrom
from midnight.configuration.tables import Table

SEALED_AT = datetime(2026, 11, 23, tzinfo=UTC)


def table(name: str, references: tuple[str, ...] = (), **fields) -> Table:
    checks = [
        {"rule": "foreign_key", "name": f"to_{other}_{i}", "columns": ["id"], "table": other, "references": ["id"]}
        for i, other in enumerate(references)
    ]
    columns = [{"name": "id", "type": "integer"}, {"name": "v", "type": "text"}]
    base = {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": columns, "checks": checks}
    return Table.model_validate({**base, **fields})


def manifest(sha256: str = "a", batch_id: str = "1", **fields) -> Manifest:
    column = BronzeColumn(name="id", source="id", postgres_type="integer", stored_as="integer")
    base = {
        "source": "s",
        "schema_name": "public",
        "table": "t",
        "batch_id": batch_id,
        "columns": (column,),
        "rows": 1,
        "files": (BronzeFile(name="part-00000.parquet", rows=1, bytes=1, sha256=sha256),),
        "read_from": ReadFrom(server="1", server_version="18", database="d"),
        "written_by": "operator",
        "run_id": batch_id,
        "started_at": SEALED_AT,
        "sealed_at": SEALED_AT,
    }
    return Manifest.model_validate({**base, **fields})


def increment(batch_id: str, follows: str, *, key: tuple[str, ...] = ("id",), **fields) -> Manifest:
    cursor = CursorRange(column="v", key=key, since="5", follows=follows, full_snapshot="1")
    return manifest(batch_id=batch_id, mode="incremental", cursor=cursor, **fields)


FULL_SNAPSHOT = manifest(cursor=CursorRange(column="v", key=("id",), full_snapshot="1"))
INCREMENTS = (increment("2", "1", sha256="b"), increment("3", "2", sha256="c"))
