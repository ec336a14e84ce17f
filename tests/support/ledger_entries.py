"""Ledger entries of the small lake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from midnight.lake.ledger import LedgerEntry

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(table: str, batch_id: str = "B1", **values: Any) -> LedgerEntry:
    """A ledger entry whose counts add up by default."""
    given: dict[str, Any] = {
        "batch_id": batch_id,
        "run_id": "r",
        "attempt_at": START,
        "table": table,
        "source_table": f"public.{table}",
        "status": "applied",
        "rows_in": 5,
        "inserted": 5,
        "silver_after": 5,
    }
    return LedgerEntry(**given | values)
