"""Figures of a table's columns in the ledger: nulls in silver, and distinct values among the rows that a run wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_DISTINCT = 200  # a column with more values in one run is not a category


@dataclass(frozen=True)
class ColumnFigures:
    """Counts by column of silver; no values.

    Args:
        nulls: rows of silver without a value; a column whose count is not known is missing.
        distinct: values among the rows that the run inserted or updated, approximately; only of text columns with at
            most MOST_DISTINCT.
    """

    nulls: Mapping[str, int] = field(default_factory=dict)
    distinct: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ColumnFigures:
        """The figures of ``LedgerEntry.column_figures``; none for an empty text."""
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        parts = {"nulls": self.nulls, "distinct": self.distinct}
        kept = {name: dict(counts) for name, counts in parts.items() if counts}
        return json.dumps(kept, separators=(",", ":"), ensure_ascii=False) if kept else ""
