"""The rejected rows of a table as a table of their own: what rejected each row, and the source's columns as texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.quarantine.values import MASKED, parse_row, without_masked_values

if TYPE_CHECKING:
    import pyarrow as pa

# Column of the export -> column of the quarantine. No source column has such a name.
FACTS = {
    "_midnight_batch_id": "batch_id",
    "_midnight_rule": "rule",
    "_midnight_reason": "reason",
    "_midnight_key": "key",
}


def export_rows(table: Table, rows: pa.Table) -> pa.Table:
    """One row per rejected row, without a value of a masked column.

    Args:
        table: as configured now; its columns come first, also those that silver does not have.
        rows: from ``read_rejected``.

    Returns:
        Columns of text: those of FACTS, then the source's values as bronze has them.
    """
    import pyarrow as pa

    exported: list[dict[str, str | None]] = []
    names = {column.name: None for column in table.columns}
    for row in rows.sort_by([("rule", "ascending"), ("key", "ascending"), ("row", "ascending")]).to_pylist():
        values, key = parse_row(row["row"]), parse_row(row["key"])
        shown, shown_key = without_masked_values(table, values), without_masked_values(table, key)
        # The reason of a row that is older than the mask may quote what is hidden now.
        reason = row["reason"] if (shown, shown_key) == (values, key) else MASKED
        names |= dict.fromkeys(values)
        facts = {"batch_id": row["batch_id"], "rule": row["rule"], "reason": reason, "key": _as_json(shown_key)}
        exported.append({name: facts[column] for name, column in FACTS.items()} | shown)
    return pa.Table.from_pylist(exported, pa.schema([(name, pa.string()) for name in _ordered(names)]))


def _ordered(names: Sequence[str] | dict[str, None]) -> list[str]:
    return [*FACTS, *(name for name in names if name not in FACTS)]


def _as_json(values: dict[str, str]) -> str:
    import json

    return json.dumps(values, ensure_ascii=False)
