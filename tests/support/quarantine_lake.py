"""A lake with a ledger and a quarantine, without bronze and silver."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths

START = datetime(2026, 11, 1, tzinfo=UTC)

# A batch with rejected rows (rule, key, longitude), and the status of the run.
Run = tuple[str, list[tuple[str, str, float]], str]


def write_airports(root: Path, *runs: Run) -> LakePaths:
    """A run per day of the table ``airports``.

    Args:
        root: of the lake.
        runs: each with the batch under whose id the quarantine has its rejected rows.
    """
    paths = LakePaths.below(str(root))
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    entries: list[dict[str, object]] = []
    for day, (batch, rejected, status) in enumerate(runs):
        at = START + timedelta(days=day)
        entry: dict[str, object] = {"batch_id": f"b{day}", "run_id": f"r{day}", "attempt_at": at, "table": "airports"}
        entry |= {"source_table": "public.airports", "status": status, "quarantine_batch_id": batch}
        entries.append(LedgerEntry.model_validate(entry).model_dump())
        for rule, faa, lon in rejected:
            values: dict[str, object] = {"table": "airports", "batch_id": batch, "rule": rule, "reason": f"lon: {lon}"}
            values |= {"key": f'{{"faa":"{faa}"}}', "row": f'{{"faa":"{faa}","lon":"{lon}"}}'}
            rows.setdefault((batch, rule, faa), values | {"quarantined_at": at})
    write_deltalake(paths.ledger, pa.Table.from_pylist(entries))
    if rows:
        table = pa.Table.from_pylist(list(rows.values()))
        write_deltalake(paths.quarantine, table, partition_by=["table", "batch_id"])
    return paths
