"""Two incremental tables, and a run that brings their batches to silver."""

from __future__ import annotations

from typing import Any

from midnight.lake.ledger import LedgerEntry
from spark_jobs.silver.run import build_silver
from tests.support.incremental_source import IncrementalSource
from tests.support.sealed_batches import (
    document,
    table,
)

INCREMENTAL = {
    "mode": "incremental",
    "cursor": "moved",
    "cursor_lag": 20,
    "full_snapshot_interval_days": 0,
    "key": ["id"],
}

ITEMS = table(
    "items",
    {
        "id": "integer",
        "v": {"type": "text", "cast": "integer"},
        "w": {"type": "text", "nulls": "drop_row"},
        "moved": {"type": "integer", "drop": True},
    },
    checks=[{"rule": "range", "column": "v", "max": 50}],
    **INCREMENTAL,
)

# Its rows depend on other rows: its own, and those of items.
NOTES = table(
    "notes",
    {"id": "integer", "item": "integer", "u": "integer", "moved": {"type": "integer", "drop": True}},
    checks=[
        {"rule": "foreign_key", "columns": ["item"], "table": "items", "references": ["id"]},
        {"rule": "unique", "columns": ["u"]},
    ],
    **INCREMENTAL,
)


def run(
    session: Any, batch: int, *sources: IncrementalSource, rebuild: bool = False, **options: Any
) -> list[LedgerEntry]:
    """Bring the tables to silver, with the batches that ``plan_run`` would choose: the chain, or all for a rebuild."""
    works = []
    for source in sources:
        last_full = max(i for i, m in enumerate(source.batches) if m.mode == "snapshot")
        works.append((source.table, source.batches if rebuild else source.batches[last_full:]))
    entries = build_silver(session, document(sources[0].lake, batch, *works, rebuild=rebuild), **options)
    return sorted(entries, key=lambda entry: [s.table.silver for s in sources].index(entry.table))


def item(i: int, moved: int | None, v: str | None = "1", w: str | None = "a") -> dict[str, Any]:
    return {"id": i, "v": v, "w": w, "moved": moved}
