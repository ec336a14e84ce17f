"""Messages about a table: log lines, the ledger's messages, the error of a failed check."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.bronze.manifest import Manifest
from midnight.configuration.checks import BaseCheck
from midnight.configuration.tables import Table
from midnight.errors import first_line
from midnight.lake.ledger import LedgerEntry
from midnight.masking import may_quote_masked_values
from midnight.sql_text import spark_literal
from spark_jobs.silver.counts import Counts
from spark_jobs.transforms.columns import PlannedColumn, describe_columns

_SHOWN = (
    *("inserted", "updated", "deleted", "marked", "unchanged", "duplicates", "dropped", "quarantined", "obsolete"),
    "warnings",
    "unrepresentable",
)


def describe_entry(entry: LedgerEntry) -> str:
    """The log line of a table."""
    if entry.status != "applied":
        return f"{entry.table}: {entry.status}: {entry.message}"
    parts = [f"{getattr(entry, name)} {name}" for name in _SHOWN if getattr(entry, name)]
    counts = ", ".join(parts) or "no changes"
    line = f"{entry.table}: {entry.rows_in} rows in: {counts}; silver has {entry.silver_after} rows"
    line += f"; the source's table has changed: {entry.schema_changes}" if entry.schema_changes else ""
    return f"{line}; warning: {entry.source_warnings}" if entry.source_warnings else line


def describe_batches(batches: Sequence[Manifest]) -> str:
    """Which batches of an incremental table were evaluated; empty for a single full snapshot."""
    if batches[0].follows:
        cursor = batches[0].cursor
        rows = [f"rows with {cursor.column} >= {cursor.since}"] if cursor and cursor.since is not None else []
        if cursor and cursor.since_transaction is not None:
            rows.append(f"rows that transaction {cursor.since_transaction} or a later one wrote")
        return f"incremental: {', and '.join(rows)}"
    return f"{len(batches)} batches since {batches[0].batch_id} evaluated together" if len(batches) > 1 else ""


def unchanged_message(newest: Manifest, before: str) -> str:
    """The ledger's message of a table without a newer batch; the message of the batch follows."""
    prefix = f"unchanged since batch {newest.batch_id}"
    return "; ".join(part for part in (prefix, before.removeprefix(prefix).removeprefix("; ")) if part)


def applied_message(
    table: Table, columns: tuple[PlannedColumn, ...], batches: Sequence[Manifest], counts: Counts
) -> str:
    """The ledger's message: which batches, which columns are new or missing, which checks warn."""
    warnings = _failed_checks(table, counts, "warn")
    parts = [
        describe_batches(batches),
        describe_columns(table, columns),
        f"warnings: {warnings}" if warnings else "",
    ]
    return "; ".join(part for part in parts if part)


def source_warnings(table: Table, batches: Sequence[Manifest], duplicates: int) -> str:
    """What should be corrected in the source: the warnings of the newest batch's ingestion, and duplicate keys.

    If several batches are evaluated together, their duplicates are older versions of a row, which is expected.
    """
    parts = list(batches[-1].warnings)
    hint = (
        "; hint: configure a key that is unique in the source (with trim: false if its texts differ only in white "
        "space), or key_is_unique: false if order_by decides which row is kept"
    )
    if table.key and table.key_is_unique and duplicates and len(batches) == 1:
        parts.append(
            f"{duplicates:,} row{'s were' if duplicates > 1 else ' was'} dropped because another row has the same key "
            f"{list(table.key)!r}{'' if parts else hint}"
        )
    return "; ".join(parts)


def stopped_message(table: Table, batch_id: str, counts: Counts, quarantine: str) -> str:
    """Which ``fail`` checks stopped a table, and where their rows are."""
    return (
        f"{table.qualified_name}: {counts.stopped} rows of batch {batch_id} fail a check that stops the table "
        f"({_failed_checks(table, counts, 'fail')}); silver {table.silver!r} is unchanged, the rows are in "
        f"{quarantine} where table = {spark_literal(table.silver)} and batch_id = {spark_literal(batch_id)}"
    )


def engine_failed_message(tables: Sequence[Table], error: Exception) -> str:
    """That the engine failed on tables, and why, without a value of a masked column."""
    names = ", ".join(table.qualified_name for table in tables)
    reason = first_line(error)
    if any(may_quote_masked_values(table) for table in tables):
        reason = (
            f"{type(error).__name__} (text hidden, since the table has masked columns and an expression check, "
            "whose error may contain a value; hint: try the expression in a query on the source)"
        )
    return f"{names}: the engine failed: {reason}"


def _failed_checks(table: Table, counts: Counts, on_failure: str) -> str:
    failed = [check for check in table.checks if check.on_failure == on_failure and counts.checks[check.label]]
    return ", ".join(f"{check.label} {counts.checks[check.label]}{_about(check)}" for check in failed)


def _about(check: BaseCheck) -> str:
    """Who corrects the rows; of a check that stops the table also why, and where to read more."""
    text = check.about if check.on_failure == "fail" else check.owner and f"owner: {check.owner}"
    return f" ({text})" if text else ""
