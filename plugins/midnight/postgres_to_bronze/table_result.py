"""Outcome of the ingestion of each table of a load group."""

from __future__ import annotations

from dataclasses import dataclass

from midnight.bronze.manifest import Manifest


@dataclass(frozen=True)
class TableResult:
    """Outcome of one table's ingestion.

    Args:
        rows, bytes: of its batch.
        seconds: from the start of its first range to the end of its last one.
        kept: an earlier try, or an earlier run since which the table has not changed, has sealed the batch.
    """

    table: str
    rows: int
    bytes: int
    seconds: float
    kept: bool

    @classmethod
    def of_kept(cls, manifest: Manifest) -> TableResult:
        """Of a batch that was sealed before."""
        return cls(manifest.qualified_name, manifest.rows, sum(f.bytes for f in manifest.files), 0.0, kept=True)
