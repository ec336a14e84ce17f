"""What the job says about a table: lines of progress, the ledger's messages, why a check stopped it."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.lake.ledger import LedgerEntry
from midnight.sql_text import spark_literal
from spark_jobs.transforms.columns import PlannedColumn, describe_columns
from spark_jobs.transforms.staging import Counts


def describe(entry: LedgerEntry) -> str:
    """One line of progress."""
    if entry.status != "applied":
        return f"{entry.table}: {entry.status}: {entry.message}"
    parts = [
        f"{getattr(entry, name)} {name}"
        for name in ("inserted", "updated", "deleted", "unchanged", "duplicates", "dropped", "quarantined", "warnings")
        if getattr(entry, name)
    ]
    line = f"{entry.table}: {entry.rows_in} rows in: {', '.join(parts) or 'nothing'}; silver has {entry.silver_after}"
    return f"{line}; warning: {entry.source_warnings}" if entry.source_warnings else line


def describe_batches(batches: Sequence[Manifest], *, increment: bool) -> str:
    """For people: what of an incremental table was judged; empty where one batch has the whole table."""
    if increment:
        since = batches[0].cursor.since if batches[0].cursor else None
        column = batches[0].cursor.column if batches[0].cursor else ""
        return f"incremental: rows with {column} from {since} on"
    return f"{len(batches)} batches from {batches[0].batch_id} on judged together" if len(batches) > 1 else ""


def applied(
    table: Table, columns: tuple[PlannedColumn, ...], batches: Sequence[Manifest], counts: Counts, *, increment: bool
) -> str:
    """The ledger's message: which batches, which columns are new or missing, which checks warn."""
    warnings = _found_by(table, counts, "warn")
    parts = [
        describe_batches(batches, increment=increment),
        describe_columns(table, columns),
        f"warnings: {warnings}" if warnings else "",
    ]
    return "; ".join(part for part in parts if part)


def source_warnings(table: Table, batches: Sequence[Manifest], duplicates: int) -> str:
    """What should be corrected in the source: what the reading of the newest batch found, and rows that share a key.

    Where several batches were put together, the rows of older ones are superseded, which is no fault.
    """
    parts = list(batches[-1].warnings)
    hint = (
        "; hint: write a key that is unique in the source (with trim: false if white space tells its texts apart), or "
        "key_is_unique: false if order_by shall decide"
    )
    if table.key and table.key_is_unique and duplicates and len(batches) == 1:
        parts.append(
            f"{duplicates:,} row{'s were' if duplicates > 1 else ' was'} dropped since another row has the same key "
            f"{list(table.key)!r}{'' if parts else hint}"
        )
    return "; ".join(parts)


def stopped(table: Table, batch_id: str, counts: Counts, quarantine: str) -> str:
    """Why a ``fail`` check stopped a table, and where its rows are."""
    return (
        f"{table.qualified_name}: {counts.stopped} rows of batch {batch_id} fail a check that stops the table "
        f"({_found_by(table, counts, 'fail')}); silver {table.silver!r} is as it was, the rows are in {quarantine} "
        f"where table = {spark_literal(table.silver)} and batch_id = {spark_literal(batch_id)}"
    )


def _found_by(table: Table, counts: Counts, on_failure: str) -> str:
    labels = [check.label for check in table.checks if check.on_failure == on_failure]
    return ", ".join(f"{label} {counts.checks[label]}" for label in labels if counts.checks[label])
