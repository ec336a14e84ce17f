"""The rules that keep rows out of silver now, from the whole history of ledger and quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.quarantine.rejected import (
    EXAMPLES,
    RejectedByRule,
    count_by_rule,
    new_first,
    read_rejected,
    scan_quarantine,
)

if TYPE_CHECKING:
    import pyarrow as pa


def rejected_by_rule(
    ledger: pa.Table | None,
    quarantine: str,
    tables: Sequence[Table],
    storage_options: Mapping[str, str] | None = None,
    examples: int = EXAMPLES,
) -> list[RejectedByRule]:
    """Every rule of some tables with its rejected rows, new ones first, then most rows first.

    Args:
        ledger: its rows (``read_ledger_rows``).
        quarantine: ``LakePaths.quarantine``.
        tables: as configured.
        storage_options: ``LakeFiles.storage_options``.
        examples: at most so many of each rule.

    Raises:
        LakeError: the quarantine cannot be read.
    """
    import pyarrow.compute as pc

    batches = quarantine_batches(ledger, [table.silver for table in tables])
    first_seen = _first_seen(quarantine, storage_options, sorted(batches))
    read = [batch for ids in batches.values() for batch in ids[:2]]
    rows = read_rejected(quarantine, batches, read, storage_options)
    found: list[RejectedByRule] = []
    for table in tables:
        if ids := batches.get(table.silver):
            own = rows.filter(pc.equal(rows["table"], table.silver))
            since = partial(_since, ids, first_seen.get(table.silver, {}))
            found += count_by_rule(table, own, (ids[0], ids[1] if len(ids) > 1 else ""), since, examples)
    return new_first(found)


def describe_rules(found: Sequence[RejectedByRule]) -> dict[str, str]:
    """Silver name -> its rules with their rows and owners, for messages; without values of rows."""
    texts: dict[str, list[str]] = {}
    for one in found:
        facts = [f"{one.rows:,}", f"{one.new_rows:,} new" if one.new_rows else ""]
        facts.append(f"owner: {one.rule.owner}" if one.rule.owner else "")
        texts.setdefault(one.table.silver, []).append(f"{one.rule.name} ({', '.join(filter(None, facts))})")
    return {table: ", ".join(rules) for table, rules in texts.items()}


def quarantine_batches(rows: pa.Table | None, tables: Sequence[str]) -> dict[str, list[str]]:
    """Silver name -> ids under which the quarantine has the rejected rows of its runs, the newest run first.

    The same id in two places means that the later run found the rows of the earlier one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if rows is None:
        return {}
    evaluated = pc.is_in(rows["status"], value_set=pa.array(["applied", "failed"]))
    names = ["table", "run_id", "attempt_at", "batch_id"]
    names += ["quarantine_batch_id"] if "quarantine_batch_id" in rows.column_names else []
    wanted = rows.filter(pc.and_(evaluated, pc.is_in(rows["table"], value_set=pa.array(list(tables), pa.string()))))
    newest_first = wanted.select(names).sort_by([("attempt_at", "descending")]).to_pylist()
    found: dict[str, list[str]] = {}
    runs: set[tuple[str, str]] = set()
    for entry in newest_first:
        if (entry["table"], entry["run_id"]) not in runs:
            runs.add((entry["table"], entry["run_id"]))
            found.setdefault(entry["table"], []).append(entry.get("quarantine_batch_id") or entry["batch_id"])
    return found


def _first_seen(
    path: str, storage_options: Mapping[str, str] | None, tables: list[str]
) -> dict[str, dict[tuple[str, str], datetime | None]]:
    """Silver name -> (batch, rule) -> when the first row was written, of every batch with a row."""
    import pyarrow as pa

    names = ["table", "batch_id", "rule", "quarantined_at"]
    rows = scan_quarantine(path, names, {"table": tables}, storage_options) if tables else None
    if rows is None:
        return {}
    groups = rows.set_column(0, "table", rows["table"].cast(pa.string()))
    found: dict[str, dict[tuple[str, str], datetime | None]] = {}
    for group in groups.group_by(names[:3]).aggregate([("quarantined_at", "min")]).to_pylist():
        found.setdefault(group["table"], {})[(group["batch_id"], group["rule"])] = group["quarantined_at_min"]
    return found


def _since(batches: Sequence[str], first_seen: Mapping[tuple[str, str], datetime | None], rule: str) -> datetime | None:
    """When the rule began to reject rows: in the oldest of the newest batches that all have a row of it."""
    with_rule = list(takewhile(lambda batch: (batch, rule) in first_seen, batches))
    return first_seen[with_rule[-1], rule] if with_rule else None
